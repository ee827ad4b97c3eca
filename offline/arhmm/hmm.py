"""Message passing in a hidden Markov chain, normalised at each frame; one session at a time, any number in parallel.

Frames without evidence have likelihood one under every syllable: the chain predicts through them. The chain begins
at row L of a session (the first L rows are only lags), with the initial probability.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from offline.arhmm.emission import BLOCK_FRAMES, Floating, PackedArrays, block_log_likelihood

Array = NDArray[np.float64]
Labels = NDArray[np.int16]

NO_LABEL = -5
NEGLIGIBLE = 1e-30


@njit(cache=True, nogil=True)
def session_log_likelihood(
    x: Array, has_evidence: NDArray[np.bool_], num_lags: int, packed: PackedArrays, out: Floating
) -> None:
    """Emission log-likelihoods of a session into out (T, K): zero on the first L rows and without evidence."""
    num_frames, num_dims = x.shape
    num_syllables = packed[2].shape[0]
    projection = packed[0]
    window = np.empty((BLOCK_FRAMES, projection.shape[0]), projection.dtype)
    product = np.empty((BLOCK_FRAMES, num_dims * num_syllables), projection.dtype)
    out[:num_lags] = 0.0
    for first in range(num_lags, num_frames, BLOCK_FRAMES):
        last = min(first + BLOCK_FRAMES, num_frames)
        block_log_likelihood(x, (first, last), packed, (window, product), out[first:last])
        for t in range(first, last):
            if not has_evidence[t]:
                out[t] = 0.0


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "nnan"})
def _highest(values: Floating) -> float:
    best: float = values[0]
    for value in values:
        best = max(best, value)
    return best


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _predict(previous: Floating, transition: Floating, predicted: Floating) -> None:
    """predicted = previous @ transition, four rows at a time; rows of negligible weight are left out."""
    num_syllables = predicted.shape[0]
    for j in range(num_syllables):
        predicted[j] = 0.0
    whole = num_syllables - num_syllables % 4
    for i in range(0, whole, 4):
        w0, w1, w2, w3 = previous[i], previous[i + 1], previous[i + 2], previous[i + 3]
        if w0 + w1 + w2 + w3 > NEGLIGIBLE:
            for j in range(num_syllables):
                predicted[j] += (w0 * transition[i, j] + w1 * transition[i + 1, j]) + (
                    w2 * transition[i + 2, j] + w3 * transition[i + 3, j]
                )
    for i in range(whole, num_syllables):
        weight = previous[i]
        if weight > NEGLIGIBLE:
            for j in range(num_syllables):
                predicted[j] += weight * transition[i, j]


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _multiply_exponentials(predicted: Floating, row: Floating, highest: float) -> float:
    """row = predicted * exp(row - highest), and its sum.

    exp(v) = exp(v / 1024)^1024 with a Taylor polynomial of the reduced argument (|v / 1024| < 0.69): plain
    multiplications, which the compiler turns into vector instructions; right to 1e-11 relative where exp(v) > 1e-43.
    Arguments below -700 count as -700.
    """
    total = 0.0
    for j in range(row.shape[0]):
        v = max(np.float64(row[j]) - highest, -700.0) * (1.0 / 1024.0)
        p = 1.0 / 362880.0
        p = p * v + 1.0 / 40320.0
        p = p * v + 1.0 / 5040.0
        p = p * v + 1.0 / 720.0
        p = p * v + 1.0 / 120.0
        p = p * v + 1.0 / 24.0
        p = p * v + 1.0 / 6.0
        p = p * v + 0.5
        p = p * v + 1.0
        p = p * v + 1.0
        p *= p
        p *= p
        p *= p
        p *= p
        p *= p
        p *= p
        p *= p
        p *= p
        p *= p
        p *= p
        value = predicted[j] * p
        row[j] = value
        total += value
    return total


@njit(cache=True, nogil=True)
def forward_filter(
    log_likelihood: Floating, num_lags: int, transition: Floating, initial: Floating, evidence: Array
) -> None:
    """Turn log-likelihoods (T, K), in place, into filtered posteriors; evidence (T,) gets log p(x_t | x_<t).

    All arrays but `evidence` share one precision. No entry of `transition` may be zero, or so small that its square
    underflows: the sampler's are floored. For models from elsewhere there is `log_hmm.py`.
    """
    num_frames, num_syllables = log_likelihood.shape
    predicted = initial.copy()
    for t in range(num_lags, num_frames):
        row = log_likelihood[t]
        if t > num_lags:
            _predict(log_likelihood[t - 1], transition, predicted)
        highest = _highest(row)
        total = _multiply_exponentials(predicted, row, highest)
        scale = 1.0 / total
        for j in range(num_syllables):
            row[j] *= scale
        evidence[t] = highest + math.log(total)


@njit(cache=True, nogil=True)
def sample_backward(filtered: Floating, num_lags: int, into: Floating, uniforms: Array, labels: Labels) -> None:
    """Draw a syllable sequence from filtered posteriors (T, K); into (K, K) is the transposed transition matrix."""
    num_frames, num_syllables = filtered.shape
    weights = np.empty(num_syllables)
    for t in range(num_frames - 1, num_lags - 1, -1):
        if t == num_frames - 1:
            weights[:] = filtered[t]
        else:
            column = into[labels[t + 1]]
            for k in range(num_syllables):
                weights[k] = filtered[t, k] * column[k]
        threshold = uniforms[t] * weights.sum()
        cumulative = 0.0
        chosen = -1
        for k in range(num_syllables):
            if weights[k] > 0.0:
                chosen = k
                cumulative += weights[k]
                if cumulative > threshold:
                    break
        labels[t] = chosen


@njit(cache=True, nogil=True)
def viterbi(log_likelihood: Array, num_lags: int, log_transition: Array, log_initial: Array, labels: Labels) -> None:
    """Most probable syllable sequence; ties go to the lower index."""
    num_frames, num_syllables = log_likelihood.shape
    if num_frames <= num_lags:
        return
    came_from = np.empty((num_frames, num_syllables), np.int16)
    best = log_initial + log_likelihood[num_lags]
    candidate = np.empty(num_syllables)
    for t in range(num_lags + 1, num_frames):
        candidate[:] = -np.inf
        source = came_from[t]
        for i in range(num_syllables):
            for j in range(num_syllables):
                value = best[i] + log_transition[i, j]
                if value > candidate[j]:
                    candidate[j] = value
                    source[j] = i
        for j in range(num_syllables):
            best[j] = candidate[j] + log_likelihood[t, j]
    labels[num_frames - 1] = np.argmax(best)
    for t in range(num_frames - 1, num_lags, -1):
        labels[t - 1] = came_from[t, labels[t]]
