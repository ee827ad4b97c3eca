"""Log-likelihood of a whitened frame under every syllable, Gaussian or Student-t, as one matrix-vector product.

With W_k the inverse of the lower Cholesky factor of ar_covariance[k], the standardised residual is

    W_k (x_t - sum_l A_kl x_{t-L+l} - b_k) = M_k @ [x_{t-L}; ...; x_{t-1}; x_t] - c_k

so that all M_k, side by side, make one ((L+1)*D, K*D) matrix whose columns are walked in memory order.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from online.model import ARHMM, Array, Whitening


class Emission(NamedTuple):
    """matrix ((L+1)*D, K*D), offset (K*D,), log_normaliser (K,), degrees_of_freedom (K,), 0 meaning Gaussian."""

    matrix: Array
    offset: Array
    log_normaliser: Array
    degrees_of_freedom: Array


def make_emission(arhmm: ARHMM) -> Emission:
    """Fold Cholesky factors, coefficients and biases of an AR-HMM into one matrix."""
    k, num_lags, d, _ = arhmm.ar_coefficients.shape
    factor = np.linalg.cholesky(arhmm.ar_covariance)
    whitener = np.linalg.solve(factor, np.broadcast_to(np.eye(d), (k, d, d)))
    matrix = np.empty(((num_lags + 1) * d, k, d))
    for lag in range(num_lags):
        matrix[lag * d : (lag + 1) * d] = -np.einsum("kij,kjc->cki", whitener, arhmm.ar_coefficients[:, lag])
    matrix[num_lags * d :] = whitener.transpose(2, 0, 1)
    offset = np.einsum("kij,kj->ki", whitener, arhmm.ar_bias)
    half_log_det = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1)
    freedom = np.zeros(k) if arhmm.degrees_of_freedom is None else arhmm.degrees_of_freedom.astype(np.float64)
    log_normaliser = np.array([log_constant(nu, d) for nu in freedom]) - half_log_det
    return Emission(matrix.reshape(-1, k * d), offset.reshape(-1), log_normaliser, freedom)


def log_constant(nu: float, d: int) -> float:
    """Log density at the centre, for unit scale, of a Student-t in D dimensions; of a Gaussian when `nu` is 0."""
    if nu == 0:
        return -0.5 * d * math.log(2 * math.pi)
    return math.lgamma((nu + d) / 2) - math.lgamma(nu / 2) - 0.5 * d * math.log(nu * math.pi)


@njit(cache=True, nogil=True)
def log_likelihood(inputs: Array, emission: Emission, residual: Array, out: Array) -> None:
    """Write log p(x_t | lags, k) into `out` (K,).

    `inputs` ((L+1)*D,) are the lags, oldest first, then x_t; `residual` (K*D,) is scratch.
    """
    matrix, offset, log_normaliser, freedom = emission
    num_inputs, size = matrix.shape
    k = out.shape[0]
    d = size // k
    for c in range(size):
        residual[c] = -offset[c]
    whole = num_inputs - num_inputs % 4
    for r in range(0, whole, 4):
        u0, u1, u2, u3 = inputs[r], inputs[r + 1], inputs[r + 2], inputs[r + 3]
        m0, m1, m2, m3 = matrix[r], matrix[r + 1], matrix[r + 2], matrix[r + 3]
        for c in range(size):
            residual[c] += (u0 * m0[c] + u1 * m1[c]) + (u2 * m2[c] + u3 * m3[c])
    for r in range(whole, num_inputs):
        u0 = inputs[r]
        m0 = matrix[r]
        for c in range(size):
            residual[c] += u0 * m0[c]
    for i in range(k):
        square = 0.0
        for c in range(i * d, (i + 1) * d):
            square += residual[c] * residual[c]
        if freedom[i] == 0.0:
            out[i] = log_normaliser[i] - 0.5 * square
        else:
            out[i] = log_normaliser[i] - 0.5 * (freedom[i] + d) * math.log1p(square / freedom[i])


@njit(cache=True, nogil=True)
def whiten_into(scores: Array, mean: Array, cholesky: Array, out: Array) -> bool:
    """Forward substitution of cholesky @ out = scores - mean; True when the result is usable numbers.

    A value of a million standard deviations or more is no measurement of a mouse, and counts as unusable.
    """
    usable = True
    for i in range(mean.shape[0]):
        value = scores[i] - mean[i]
        for j in range(i):
            value -= cholesky[i, j] * out[j]
        out[i] = value / cholesky[i, i]
        usable = usable and abs(out[i]) < 1e6
    return usable


@njit(cache=True, nogil=True)
def _whiten_rows(scores: Array, mean: Array, cholesky: Array, out: Array) -> None:
    for t in range(scores.shape[0]):
        if not whiten_into(scores[t], mean, cholesky, out[t]):
            out[t] = math.nan


def whiten(whitening: Whitening, scores: Array) -> Array:
    """Whiten scores (T, D); rows with a missing or unusable value become NaN throughout."""
    out = np.empty(scores.shape)
    _whiten_rows(np.ascontiguousarray(scores, np.float64), whitening.mean, whitening.cholesky, out)
    return out


@njit(cache=True, nogil=True)
def _all_log_likelihoods(x: Array, num_lags: int, emission: Emission, out: Array) -> None:
    residual = np.empty(emission.matrix.shape[1])
    for t in range(num_lags, x.shape[0]):
        inputs = x[t - num_lags : t + 1].ravel()
        if np.isfinite(inputs).all():
            log_likelihood(inputs, emission, residual, out[t])


def log_likelihoods(arhmm: ARHMM, x: Array) -> Array:
    """log p(x_t | lags, k) (T, K) of a whole whitened session (T, D); NaN where a lag or the frame is missing."""
    out = np.full((x.shape[0], arhmm.num_syllables), np.nan)
    _all_log_likelihoods(np.ascontiguousarray(x, np.float64), arhmm.num_lags, make_emission(arhmm), out)
    return out
