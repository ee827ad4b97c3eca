"""Emission parameters packed for speed, and the kernel that evaluates all syllables on a block of frames.

With Sigma = C C', the squared Mahalanobis distance of a residual is ||C^-1 (x_t - A phi_t - b)||^2: one row of a
product of the frames' windows with all syllables' C^-1 [I, -A] side by side. The dimension is outermost in the packing,
so that summing squares over dimensions runs along contiguous syllables. A window holds the newest lag and differences
between neighbours in time, [x_t - x_{t-1}, x_{t-1}, x_{t-1} - x_{t-2}, ...] (without lags x_t alone): what nearly
cancels is taken out in float64, and the product can be formed in float32 (the sampler) or float64 (finished models).
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

Floating = NDArray[np.floating]
PackedArrays = tuple[Floating, Floating, Array, Array]

BLOCK_FRAMES = 128


@dataclass(frozen=True, slots=True)
class Emission:
    """AR parameters of all syllables in regression form.

    weights (K, D, P): [A_oldest ... A_newest, bias]; covariance (K, D, D), the scale under Student-t;
    degrees_of_freedom (K,) or None.
    """

    weights: Array
    covariance: Array
    degrees_of_freedom: Array | None

    @property
    def num_syllables(self) -> int:
        """K."""
        return int(self.weights.shape[0])


@dataclass(frozen=True, slots=True)
class PackedEmission:
    """projection ((L+1) D, D K), dimension outermost; offset (D K,); constant (K,); dof (K,), 0 where Gaussian.

    The dtype of `projection` and `offset` is the precision of the product.
    """

    projection: Floating
    offset: Floating
    constant: Array
    dof: Array

    @property
    def arrays(self) -> PackedArrays:
        """What the kernels take."""
        return self.projection, self.offset, self.constant, self.dof


def pack(emission: Emission, dtype: type[np.floating] = np.float64) -> PackedEmission:
    """Prepare the kernel's arrays."""
    num_syllables, num_dims, num_regressors = emission.weights.shape
    num_lags = (num_regressors - 1) // num_dims
    chol = np.linalg.cholesky(emission.covariance)
    inverse = np.linalg.inv(chol)
    lagged = -inverse @ emission.weights[:, :, :-1]
    newest_first = [lagged[:, :, first : first + num_dims] for first in range((num_lags - 1) * num_dims, -1, -num_dims)]
    differences = [-sum(newest_first[j:], np.zeros_like(inverse)) for j in range(1, num_lags)]
    parts = [inverse, inverse + sum(newest_first), *differences] if num_lags else [inverse]
    window = np.concatenate(parts, axis=2)
    projection = window.transpose(2, 1, 0).reshape(window.shape[2], num_dims * num_syllables)
    bias = -(inverse @ emission.weights[:, :, -1:])[:, :, 0]
    half_logdet = np.log(np.diagonal(chol, axis1=1, axis2=2)).sum(1)
    if emission.degrees_of_freedom is None:
        constant = -0.5 * num_dims * math.log(2 * math.pi) - half_logdet
        dof = np.zeros(num_syllables)
    else:
        dof = np.ascontiguousarray(emission.degrees_of_freedom)
        constant = np.array([_student_constant(nu, num_dims) for nu in dof]) - half_logdet
    return PackedEmission(
        np.ascontiguousarray(projection, dtype), np.ascontiguousarray(bias.T, dtype).reshape(-1), constant, dof
    )


def _student_constant(nu: float, num_dims: int) -> float:
    return math.lgamma((nu + num_dims) / 2) - math.lgamma(nu / 2) - num_dims / 2 * math.log(nu * math.pi)


@njit(cache=True, nogil=True)
def _fill_windows(x: Array, rows: tuple[int, int], window: Floating) -> None:
    num_dims = x.shape[1]
    num_lags = window.shape[1] // num_dims - 1
    for t in range(rows[0], rows[1]):
        line = window[t - rows[0]]
        if num_lags == 0:
            line[:] = x[t]
            continue
        for d in range(num_dims):
            line[d] = x[t, d] - x[t - 1, d]
            line[num_dims + d] = x[t - 1, d]
        for lag in range(1, num_lags):
            for d in range(num_dims):
                line[(lag + 1) * num_dims + d] = x[t - lag, d] - x[t - lag - 1, d]


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _sum_squares(product: Floating, offset: Floating, squared: Floating) -> None:
    num_syllables = squared.shape[0]
    for k in range(num_syllables):
        squared[k] = 0.0
    for first in range(0, product.shape[0], num_syllables):
        part, shift = product[first : first + num_syllables], offset[first : first + num_syllables]
        for k in range(num_syllables):
            value = part[k] + shift[k]
            squared[k] += value * value


@njit(cache=True, nogil=True)
def block_log_likelihood(
    x: Array, rows: tuple[int, int], packed: PackedArrays, scratch: tuple[Floating, Floating], out: Floating
) -> None:
    """Log-likelihood of frames rows[0] <= t < rows[1] of x (T, D) under every syllable into out (B, K).

    scratch: windows (B, (L+1) D) and products (B, D K). Frames must have all their lags within x.
    """
    projection, offset, constant, dof = packed
    window, product = scratch
    num_dims = x.shape[1]
    num_syllables = constant.shape[0]
    count = rows[1] - rows[0]
    _fill_windows(x, rows, window)
    np.dot(window[:count], projection, product[:count])
    student = dof[0] > 0
    for b in range(count):
        squared = out[b]
        _sum_squares(product[b], offset, squared)
        if student:
            for k in range(num_syllables):
                squared[k] = constant[k] - 0.5 * (dof[k] + num_dims) * math.log1p(squared[k] / dof[k])
        else:
            for k in range(num_syllables):
                squared[k] = constant[k] - 0.5 * squared[k]


def squared_distances(x: Array, rows: NDArray[np.int64], labels: NDArray[np.integer], emission: Emission) -> Array:
    """r' Sigma^-1 r (n,) of the residuals of `rows` (n,) of x (T, D), under the syllable of each (n,)."""
    num_lags = (emission.weights.shape[2] - 1) // x.shape[1]
    lagged = [x[rows - lag] for lag in range(num_lags, 0, -1)]
    design = np.concatenate([*lagged, np.ones((len(rows), 1))], axis=1)
    inverse = np.linalg.inv(np.linalg.cholesky(emission.covariance))
    residual = x[rows] - np.einsum("tdp,tp->td", emission.weights[labels], design)
    squared: Array = (np.einsum("tde,te->td", inverse[labels], residual) ** 2).sum(1)
    return squared
