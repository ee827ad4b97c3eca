"""Message passing in log space: exact whatever the contrast, and with transitions that are impossible.

For labelling with finished models, whose matrices may hold zeros; the sampler's sweeps use the faster `hmm.py`. Frames
without evidence and the first L rows are as described there.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from offline.arhmm.hmm import Labels
from online.chain import log_sum_exp, propagate

Array = NDArray[np.float64]


@njit(cache=True, nogil=True)
def log_forward_filter(
    log_likelihood: Array, num_lags: int, transition: Array, log_transition: Array, log_initial: Array, evidence: Array
) -> None:
    """Turn log-likelihoods (T, K), in place, into log filtered posteriors; evidence (T,) gets log p(x_t | x_<t)."""
    num_frames, num_syllables = log_likelihood.shape
    weights, predicted = np.empty(num_syllables), log_initial.copy()
    for t in range(num_lags, num_frames):
        row = log_likelihood[t]
        if t > num_lags:
            propagate(log_likelihood[t - 1], transition, log_transition, weights, predicted)
        row += predicted
        evidence[t] = log_sum_exp(row)
        row -= evidence[t]


@njit(cache=True, nogil=True)
def log_smooth_backward(log_filtered: Array, num_lags: int, transition: Array, log_transition: Array) -> None:
    """Turn log filtered posteriors (T, K), in place, into log P(syllable at t | all frames)."""
    num_frames, num_syllables = log_filtered.shape
    weights, predicted, ratio, back = np.empty((4, num_syllables))
    into, log_into = np.ascontiguousarray(transition.T), np.ascontiguousarray(log_transition.T)
    for t in range(num_frames - 2, num_lags - 1, -1):
        row = log_filtered[t]
        propagate(row, transition, log_transition, weights, predicted)
        for j in range(num_syllables):
            possible = predicted[j] > -math.inf
            ratio[j] = log_filtered[t + 1, j] - predicted[j] if possible else -math.inf
        propagate(ratio, into, log_into, weights, back)
        row += back
        row -= log_sum_exp(row)


@njit(cache=True, nogil=True)
def log_sample_backward(
    log_filtered: Array, num_lags: int, log_transition: Array, uniforms: Array, labels: Labels
) -> None:
    """Draw a syllable sequence from log filtered posteriors (T, K)."""
    num_frames, num_syllables = log_filtered.shape
    weights = np.empty(num_syllables)
    for t in range(num_frames - 1, num_lags - 1, -1):
        for k in range(num_syllables):
            weights[k] = log_filtered[t, k]
            if t < num_frames - 1:
                weights[k] += log_transition[k, labels[t + 1]]
        weights -= weights.max()
        threshold = uniforms[t] * np.exp(weights).sum()
        cumulative, chosen = 0.0, -1
        for k in range(num_syllables):
            weight = math.exp(weights[k])
            if weight > 0.0:
                chosen = k
                cumulative += weight
                if cumulative > threshold:
                    break
        labels[t] = chosen
