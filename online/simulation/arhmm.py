"""A random sticky AR-HMM of known truth, and sessions drawn from it: for tests and for trying out training.

The dynamics are stable under every order of syllables: the spectral norms of a syllable's lag matrices sum to less
than one, so that no switching can make the scores grow.
"""

import numpy as np
from numpy.typing import NDArray

from online.model import ARHMM, Array

_BURN_IN_FRAMES = 200


def _rotation(rng: np.random.Generator, d: int, mean_angle_rad: float) -> Array:
    """Rotation by random angles of about `mean_angle_rad`, in random planes."""
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    turn = np.eye(d)
    for i in range(0, d - 1, 2):
        angle = rng.normal(0, mean_angle_rad)
        turn[i : i + 2, i : i + 2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    product: Array = basis @ turn @ basis.T
    return product


def _sticky_transitions(rng: np.random.Generator, k: int, mean_duration_frames: float) -> Array:
    if k == 1:
        return np.ones((1, 1))
    stay = 1 - 1 / mean_duration_frames
    matrix = np.zeros((k, k))
    for i in range(k):
        others = np.arange(k) != i
        matrix[i, others] = (1 - stay) * rng.dirichlet(np.full(k - 1, 0.5))
        matrix[i, i] = stay
    return np.asarray(matrix / matrix.sum(1, keepdims=True))


def _stationary(transition_matrix: Array) -> Array:
    p = np.asarray(np.linalg.matrix_power(transition_matrix, 2**20).mean(0))
    return np.asarray(p / p.sum())


def random_arhmm(
    seed: int,
    num_syllables: int = 20,
    num_dims: int = 4,
    num_lags: int = 3,
    mean_duration_frames: float = 10.0,
    separation: float = 2.0,
    degrees_of_freedom: float | None = None,
) -> ARHMM:
    """Draw a stable, sticky AR-HMM whose chain starts in its stationary distribution.

    `separation`: standard deviation of the syllables' resting points, in units of the innovations'; larger is easier
    to decode. `degrees_of_freedom`: of Student-t innovations; None for Gaussian ones.
    """
    if num_syllables < 1 or num_dims < 1 or num_lags < 1 or mean_duration_frames <= 1:
        raise ValueError("num_syllables, num_dims and num_lags must be positive, mean_duration_frames above 1")
    rng = np.random.default_rng(seed)
    k, lags, d = num_syllables, num_lags, num_dims
    coefficients = np.empty((k, lags, d, d))
    covariance = np.empty((k, d, d))
    for i in range(k):
        share = rng.dirichlet(np.r_[np.full(lags - 1, 0.5), 4.0]) * rng.uniform(0.6, 0.95)
        for lag in range(lags):
            coefficients[i, lag] = share[lag] * _rotation(rng, d, 0.5)
        spread = rng.uniform(0.5, 1.5, d)
        basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
        covariance[i] = (basis * spread**2) @ basis.T
    rest = rng.normal(0, separation, (k, d))
    bias = rest - np.einsum("klij,kj->ki", coefficients, rest)
    transitions = _sticky_transitions(rng, k, mean_duration_frames)
    return ARHMM(
        ar_coefficients=coefficients,
        ar_bias=bias,
        ar_covariance=(covariance + covariance.transpose(0, 2, 1)) / 2,
        degrees_of_freedom=None if degrees_of_freedom is None else np.full(k, degrees_of_freedom),
        transition_matrix=transitions,
        initial_probability=_stationary(transitions),
    )


def random_similar_arhmm(
    seed: int,
    num_syllables: int = 100,
    num_dims: int = 10,
    num_lags: int = 3,
    mean_duration_frames: float = 10.0,
    separation: float = 2.3,
) -> ARHMM:
    """Draw an AR-HMM whose syllables are alike, as those of an animal are: about the same slow movement and noise,
    each towards a resting point of its own; some common, some rare. Arguments as in `random_arhmm`."""
    rng = np.random.default_rng(seed)
    k, lags, d = num_syllables, num_lags, num_dims
    coefficients, covariance = np.empty((k, lags, d, d)), np.empty((k, d, d))
    common = rng.uniform(0.5, 1.5, d)
    for i in range(k):
        share = rng.dirichlet(np.r_[np.full(lags - 1, 0.5), 6.0]) * rng.uniform(0.85, 0.95)
        for lag in range(lags):
            coefficients[i, lag] = share[lag] * _rotation(rng, d, 0.03)
        basis = np.linalg.qr(np.eye(d) + 0.1 * rng.normal(size=(d, d)))[0]
        spread = common * np.exp(0.1 * rng.normal(size=d))
        covariance[i] = (basis * spread**2) @ basis.T
    rest = rng.normal(0, separation, (k, d))
    popularity = rng.dirichlet(np.full(k, 2.0))
    stay = 1 - 1 / mean_duration_frames
    transitions = np.zeros((k, k))
    for i in range(k):
        others = np.arange(k) != i
        weights = 0.5 * k * popularity[others] / popularity[others].sum()
        transitions[i, others] = (1 - stay) * rng.dirichlet(weights + 1e-3)
        transitions[i, i] = stay
    transitions /= transitions.sum(1, keepdims=True)
    return ARHMM(
        ar_coefficients=coefficients,
        ar_bias=rest - np.einsum("klij,kj->ki", coefficients, rest),
        ar_covariance=(covariance + covariance.transpose(0, 2, 1)) / 2,
        degrees_of_freedom=None,
        transition_matrix=transitions,
        initial_probability=_stationary(transitions),
    )


def sample(arhmm: ARHMM, num_frames: int, seed: int) -> tuple[NDArray[np.int64], Array]:
    """Draw one session: syllables (T,) int64 and whitened scores x (T, D).

    The session is cut out of a longer one, so that its first L frames, too, have a true syllable.
    """
    rng = np.random.default_rng(seed)
    total = num_frames + _BURN_IN_FRAMES
    syllables = _sample_chain(rng, arhmm, total)
    factors = np.linalg.cholesky(arhmm.ar_covariance)
    noise = rng.normal(size=(total, arhmm.num_dims))
    if arhmm.degrees_of_freedom is not None:
        freedom = arhmm.degrees_of_freedom[syllables]
        noise /= np.sqrt(rng.chisquare(freedom) / freedom)[:, None]
    lags = arhmm.num_lags
    x = np.zeros((lags + total, arhmm.num_dims))
    for t, k in enumerate(syllables):
        mean = np.einsum("lij,lj->i", arhmm.ar_coefficients[k], x[t : t + lags]) + arhmm.ar_bias[k]
        x[t + lags] = mean + factors[k] @ noise[t]
    return syllables[-num_frames:].copy(), x[-num_frames:].copy()


def _sample_chain(rng: np.random.Generator, arhmm: ARHMM, num_frames: int) -> NDArray[np.int64]:
    cumulative = np.cumsum(arhmm.transition_matrix, axis=1)
    draws = rng.uniform(size=num_frames)
    syllables = np.empty(num_frames, np.int64)
    syllables[0] = rng.choice(arhmm.num_syllables, p=arhmm.initial_probability)
    for t in range(1, num_frames):
        chosen = np.searchsorted(cumulative[syllables[t - 1]], draws[t], side="right")
        syllables[t] = min(int(chosen), arhmm.num_syllables - 1)
    return syllables
