"""Learning the prior itself: what the syllables of this data have in common.

A fixed, wide prior makes every further syllable pay for hundreds of coefficients that could have been anything, and
chains under it merge true syllables. Here the prior's own parameters are drawn, too, given the syllables in use:

    M0 flat;  K0 ~ IW(P + 2, 0.01 I);  S0 ~ W(D + 1, 1000 S_pooled), wide;
    nu0 on a grid, exponentially spaced above D + 2, with prior mass proportional to 1 / nu0.

The mass of nu0 favours few degrees of freedom (at D = 10, 0.83 lies below 22): a weak hold on the syllables' noise.

Syllables with fewer frames than regressors say little and are left out; empty ones are then drawn from a prior in which
they resemble real syllables, so that they can be born.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import multigammaln

from offline.arhmm.emission import Emission
from offline.arhmm.prior import Prior

Array = NDArray[np.float64]

LEAST_SYLLABLES = 5
COLUMN_SCALE = 1e-2
SCALE_WIDTH = 1e3
DOF_GRID = np.concatenate([[0.0], np.exp(np.linspace(-2.0, np.log(2000.0), 120))])


def sample_prior(current: Prior, pooled: Prior, emission: Emission, frames: Array, rng: np.random.Generator) -> Prior:
    """Draw M0, K0, S0 and nu0 in turn, given the parameters of the syllables that have `frames` (K,).

    `pooled` is the empirical prior of all data as one syllable. With fewer than five syllables in use the current
    prior stays.
    """
    used = frames > current.mean.shape[1]
    if used.sum() < LEAST_SYLLABLES:
        return current
    weights, covariance = emission.weights[used], emission.covariance[used]
    count, num_dims, num_regressors = weights.shape
    precision = np.linalg.inv(covariance)
    total = precision.sum(0)
    mean = np.linalg.solve(total, np.einsum("kde,kep->dp", precision, weights))
    row_root = np.linalg.cholesky(np.linalg.inv(total))
    column_root = np.linalg.cholesky(np.linalg.inv(current.column_precision))
    mean = mean + row_root @ rng.standard_normal((num_dims, num_regressors)) @ column_root.T
    deviation = weights - mean
    spread = np.einsum("kdp,kde,keq->pq", deviation, precision, deviation, optimize=True)
    column_precision = _wishart(
        num_regressors + 2 + count * num_dims, np.linalg.inv(COLUMN_SCALE * np.eye(num_regressors) + spread), rng
    )
    scale = _wishart(
        num_dims + 1 + count * current.dof, np.linalg.inv(np.linalg.inv(SCALE_WIDTH * pooled.scale) + total), rng
    )
    return Prior(mean, scale, _sample_dof(scale, covariance, precision, rng), column_precision)


def _wishart(dof: float, scale: Array, rng: np.random.Generator) -> Array:
    """One draw of W(dof, scale) by Bartlett's decomposition."""
    size = len(scale)
    lower = np.tril(rng.standard_normal((size, size)), -1)
    lower[np.diag_indices(size)] = np.sqrt(rng.chisquare(dof - np.arange(size)))
    root = np.linalg.cholesky((scale + scale.T) / 2) @ lower
    draw: Array = root @ root.T
    return draw


def _sample_dof(scale: Array, covariance: Array, precision: Array, rng: np.random.Generator) -> float:
    """nu0 on its grid, given S0 and the syllables' noise covariances."""
    count, num_dims, _ = covariance.shape
    dof = num_dims + 2 + DOF_GRID
    log_density = (
        count * (dof / 2 * (np.linalg.slogdet(scale)[1] - num_dims * np.log(2)) - multigammaln(dof / 2, num_dims))
        - (dof + num_dims + 1) / 2 * np.linalg.slogdet(covariance)[1].sum()
        - 0.5 * np.einsum("de,ked->", scale, precision)
        - np.log(dof)
    )
    weight = np.exp(log_density - log_density.max())
    return float(rng.choice(dof, p=weight / weight.sum()))
