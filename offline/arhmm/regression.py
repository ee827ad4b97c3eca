"""Between the canonical AR parameters of `online/model.py` and weights of one regression on all lags at once.

weights (K, D, L D + 1): [A_oldest ... A_newest, bias], as moseq2-model and jax-moseq have them, too.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def regression_weights(ar_coefficients: Array, ar_bias: Array) -> Array:
    """weights (K, D, L D + 1) of ar_coefficients (K, L, D, D), oldest lag first, and ar_bias (K, D)."""
    k, lags, d, _ = ar_coefficients.shape
    lagged = ar_coefficients.transpose(0, 2, 1, 3).reshape(k, d, lags * d)
    return np.concatenate([lagged, ar_bias[:, :, None]], axis=2)


def ar_parameters(weights: Array) -> tuple[Array, Array]:
    """ar_coefficients (K, L, D, D), oldest lag first, and ar_bias (K, D) of weights (K, D, L D + 1)."""
    k, d, num_regressors = weights.shape
    lagged = weights[:, :, :-1].reshape(k, d, (num_regressors - 1) // d, d)
    return np.ascontiguousarray(lagged.transpose(0, 2, 1, 3)), np.ascontiguousarray(weights[:, :, -1])
