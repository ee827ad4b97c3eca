"""The Markov chain over syllables in log space: exact prediction by any number of slots in bounded time."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from online.model import Array

NUM_POWERS = 24
MAX_SLOTS = 2**NUM_POWERS - 1
"""Longest gap that can be predicted through: two days at 90 frames a second."""

_FLUSH = 1e-250


class Chain(NamedTuple):
    """Powers of a transition matrix: `powers[m]` = T^(2^m), rows "from", and its logarithm (NUM_POWERS, K, K)."""

    powers: Array
    log_powers: Array


@njit(cache=True, nogil=True)
def propagate(log_p: Array, matrix: Array, log_matrix: Array, weights: Array, out: Array) -> None:
    """Write log(exp(log_p) @ matrix) into `out` (K,); `weights` (K,) is scratch, `out` is not `log_p`.

    The product is taken in linear space after a shift by the maximum. Terms below the smallest double are lost there,
    so an entry small enough to be made of such terms is computed again by log-sum-exp: the result is exact to
    rounding whatever the contrast.
    """
    k = log_p.shape[0]
    top = -math.inf
    for i in range(k):
        top = max(top, log_p[i])
        out[i] = 0.0
    if top == -math.inf:
        out[:] = -math.inf
        return
    for i in range(k):
        weight = math.exp(log_p[i] - top)
        weights[i] = weight
        if weight > 0.0:
            for j in range(k):
                out[j] += weight * matrix[i, j]
    for j in range(k):
        if out[j] > _FLUSH:
            out[j] = top + math.log(out[j])
        else:
            out[j] = log_sum_column(log_p, log_matrix, j)


@njit(cache=True, nogil=True)
def log_sum_column(log_p: Array, log_matrix: Array, j: int) -> float:
    """log sum_i exp(log_p[i] + log_matrix[i, j])."""
    k = log_p.shape[0]
    top = -math.inf
    for i in range(k):
        top = max(top, log_p[i] + log_matrix[i, j])
    if top == -math.inf:
        return top
    total = 0.0
    for i in range(k):
        total += math.exp(log_p[i] + log_matrix[i, j] - top)
    return top + math.log(total)


@njit(cache=True, nogil=True)
def log_sum_exp(log_p: Array) -> float:
    """log sum exp of a vector; minus infinity when every entry is."""
    top = -math.inf
    for value in log_p:
        top = max(top, value)
    if top == -math.inf:
        return top
    total = 0.0
    for value in log_p:
        total += math.exp(value - top)
    return top + math.log(total)


@njit(cache=True, nogil=True)
def log_sum_exp_of_sum(log_p: Array, log_q: Array) -> float:
    """log sum_i exp(log_p[i] + log_q[i])."""
    top = -math.inf
    for i in range(log_p.shape[0]):
        top = max(top, log_p[i] + log_q[i])
    if top == -math.inf:
        return top
    total = 0.0
    for i in range(log_p.shape[0]):
        total += math.exp(log_p[i] + log_q[i] - top)
    return top + math.log(total)


@njit(cache=True, nogil=True)
def advance(log_p: Array, num_slots: int, chain: Chain, weights: Array, spare: Array) -> None:
    """Predict `log_p` (K,) in place through `num_slots` transitions: one product for each binary digit at most."""
    m = 0
    while num_slots > 0:
        if num_slots & 1:
            propagate(log_p, chain.powers[m], chain.log_powers[m], weights, spare)
            log_p[:] = spare
        num_slots >>= 1
        m += 1


@njit(cache=True, nogil=True)
def _fill_powers(powers: Array, log_powers: Array) -> None:
    k = powers.shape[1]
    weights = np.empty(k)
    for m in range(1, powers.shape[0]):
        for i in range(k):
            row = log_powers[m, i]
            propagate(log_powers[m - 1, i], powers[m - 1], log_powers[m - 1], weights, row)
            row -= log_sum_exp(row)
            powers[m, i] = np.exp(row)


def make_chain(transition_matrix: Array) -> Chain:
    """Square a transition matrix (K, K) again and again, every row normalised each time."""
    k = transition_matrix.shape[0]
    chain = Chain(np.empty((NUM_POWERS, k, k)), np.empty((NUM_POWERS, k, k)))
    chain.powers[0] = transition_matrix / transition_matrix.sum(1, keepdims=True)
    with np.errstate(divide="ignore"):
        chain.log_powers[0] = np.log(chain.powers[0])
    _fill_powers(chain.powers, chain.log_powers)
    return chain
