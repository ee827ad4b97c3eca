"""Matrix-normal inverse-Wishart prior of the AR parameters, its conditional posterior, and the Student-t shape.

    Sigma ~ IW(nu0, S0),  A | Sigma ~ MN(M0, Sigma, K0),  K0 the covariance between columns.
Given moments Sxx, Syx, Syy and n frames: Sxx' = K0^-1 + Sxx, Syx' = M0 K0^-1 + Syx, M' = Syx' Sxx'^-1,
S' = S0 + Syy + M0 K0^-1 M0' - M' Sxx' M'', nu' = nu0 + n (Fox et al. 2011, IEEE Transactions on Signal Processing 59:
1569).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from offline.arhmm.emission import Emission
from offline.arhmm.statistics import Statistics

Array = NDArray[np.float64]

PRIOR_COLUMN_VARIANCE = 10.0
FIRST_DEGREES_OF_FREEDOM = 4.0
METROPOLIS_STEPS = 100
METROPOLIS_STEP_SIZE = 0.1


@dataclass(frozen=True, slots=True)
class Prior:
    """mean M0 (D, P) of the regression weights; scale S0 (D, D); dof nu0; column_precision (P, P), inverse of K0."""

    mean: Array
    scale: Array
    dof: float
    column_precision: Array


@dataclass(frozen=True, slots=True)
class Conditional:
    """Conditional posterior of all syllables: mean (K, D, P), precision (K, P, P), scale (K, D, D), dof (K,)."""

    mean: Array
    precision: Array
    scale: Array
    dof: Array


def empirical_prior(pooled: Statistics, num_dims: int, identity_on_oldest: bool = False) -> Prior:
    """Prior whose expected noise is the residual covariance of one AR process fitted to all training frames.

    The prior mean is the identity on the newest lag; `identity_on_oldest` puts it where moseq2-model does.
    """
    size = pooled.moments.shape[1]
    num_regressors = size - num_dims
    total = pooled.moments.sum(0)
    sxx, sxy, syy = total[:-num_dims, :-num_dims], total[:-num_dims, -num_dims:], total[-num_dims:, -num_dims:]
    ridge = 1e-8 * np.eye(num_regressors) * max(1.0, float(np.trace(sxx)) / num_regressors)
    weights = np.linalg.solve(sxx + ridge, sxy).T
    residual = (syy - weights @ sxy - (weights @ sxy).T + weights @ sxx @ weights.T) / max(1.0, pooled.frames.sum())
    dof = num_dims + 2.0
    mean = np.zeros((num_dims, num_regressors))
    newest = 0 if identity_on_oldest else num_regressors - 1 - num_dims
    if num_regressors > num_dims:
        mean[:, newest : newest + num_dims] = np.eye(num_dims)
    scale = residual * (dof - num_dims - 1) + 1e-8 * np.eye(num_dims)
    return Prior(mean, (scale + scale.T) / 2, dof, np.eye(num_regressors) / PRIOR_COLUMN_VARIANCE)


def condition(prior: Prior, statistics: Statistics) -> Conditional:
    """Conditional posterior given labelled data."""
    num_dims, num_regressors = prior.mean.shape
    precision = prior.column_precision
    sxx = statistics.moments[:, :num_regressors, :num_regressors] + precision
    sxy = statistics.moments[:, :num_regressors, num_regressors:] + (prior.mean @ precision).T
    syy = statistics.moments[:, num_regressors:, num_regressors:] + prior.mean @ precision @ prior.mean.T
    mean = np.asarray(np.linalg.solve(sxx, sxy).transpose(0, 2, 1), np.float64)
    scale = prior.scale + syy - mean @ sxy
    scale = (scale + scale.transpose(0, 2, 1)) / 2 + 1e-8 * np.eye(num_dims)
    return Conditional(mean, sxx, scale, prior.dof + statistics.frames)


def expected_emission(conditional: Conditional, degrees_of_freedom: Array | None) -> Emission:
    """Posterior means of weights and covariance."""
    num_dims = conditional.scale.shape[1]
    covariance = conditional.scale / (conditional.dof - num_dims - 1)[:, None, None]
    return Emission(conditional.mean, covariance, degrees_of_freedom)


def sample_emission(conditional: Conditional, degrees_of_freedom: Array | None, rng: np.random.Generator) -> Emission:
    """One draw of every syllable's (A, Sigma): Bartlett's decomposition, then the matrix normal."""
    num_syllables, num_dims, num_regressors = conditional.mean.shape
    bartlett = np.tril(rng.standard_normal((num_syllables, num_dims, num_dims)), -1)
    index = np.arange(num_dims)
    bartlett[:, index, index] = np.sqrt(rng.chisquare(conditional.dof[:, None] - index))
    root = np.linalg.solve(bartlett, np.linalg.cholesky(conditional.scale).transpose(0, 2, 1)).transpose(0, 2, 1)
    noise = rng.standard_normal((num_syllables, num_dims, num_regressors))
    # with precision = C C', rows of `noise @ C^-1` have covariance precision^-1
    coloured = np.linalg.solve(
        np.linalg.cholesky(conditional.precision).transpose(0, 2, 1), noise.transpose(0, 2, 1)
    ).transpose(0, 2, 1)
    weights = conditional.mean + root @ coloured
    covariance = root @ root.transpose(0, 2, 1)
    return Emission(weights, (covariance + covariance.transpose(0, 2, 1)) / 2, degrees_of_freedom)


def sample_degrees_of_freedom(current: Array, statistics: Statistics, rng: np.random.Generator) -> Array:
    """Random-walk Metropolis on each syllable's degrees of freedom, prior Gamma(1, 1), given the precision factors."""
    bias = statistics.moments.shape[1] - statistics.num_dims - 1
    weight_sum = statistics.moments[:, bias, bias]

    def log_density(nu: Array) -> Array:
        half = nu / 2
        shape = half * np.log(half) - gammaln(half)
        value: Array = statistics.frames * shape + half * (statistics.log_weights - weight_sum) - nu
        return value

    nu = current.copy()
    density = log_density(nu)
    steps = METROPOLIS_STEP_SIZE * rng.standard_normal((METROPOLIS_STEPS, len(nu)))
    log_uniforms = np.log(rng.random((METROPOLIS_STEPS, len(nu))))
    for step, log_uniform in zip(steps, log_uniforms, strict=True):
        proposal = nu + step
        proposed = np.where(proposal > 0, log_density(np.abs(proposal)), -np.inf)
        accept = log_uniform < proposed - density
        nu = np.where(accept, proposal, nu)
        density = np.where(accept, proposed, density)
    return nu
