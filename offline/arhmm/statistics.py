"""Sufficient statistics of a labelled session: additive over sessions, reduced in the order of sessions."""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Statistics:
    """moments (K, P + D, P + D): sum of weight * [phi, x][phi, x]'; frames (K,): number of frames with evidence;
    log_weights (K,): sum of log weight; transitions (G, K, K): pairs of consecutive frames, by group of sessions.

    Weights are the Student-t precision factors, one under Gaussian emissions.
    """

    moments: Array
    frames: Array
    log_weights: Array
    transitions: Array
    num_dims: int

    def add(self, other: "Statistics") -> None:
        """Add other statistics in place."""
        np.add(self.moments, other.moments, out=self.moments)
        np.add(self.frames, other.frames, out=self.frames)
        np.add(self.log_weights, other.log_weights, out=self.log_weights)
        np.add(self.transitions, other.transitions, out=self.transitions)

    def add_session(self, fields: tuple[Array, Array, Array, Array], group: int) -> None:
        """Add the result of `session_statistics` for a session of a group in place."""
        moments, frames, log_weights, transitions = fields
        np.add(self.moments, moments, out=self.moments)
        np.add(self.frames, frames, out=self.frames)
        np.add(self.log_weights, log_weights, out=self.log_weights)
        np.add(self.transitions[group], transitions, out=self.transitions[group])


def zero_statistics(num_syllables: int, num_dims: int, num_lags: int, num_groups: int = 1) -> Statistics:
    """Statistics of no data."""
    size = (num_lags + 1) * num_dims + 1
    return Statistics(
        np.zeros((num_syllables, size, size)),
        np.zeros(num_syllables),
        np.zeros(num_syllables),
        np.zeros((num_groups, num_syllables, num_syllables)),
        num_dims,
    )


@njit(cache=True, nogil=True)
def _accumulate(x: Array, rows: NDArray[np.int64], weights: Array, num_lags: int, moments: Array) -> None:
    num_dims = x.shape[1]
    lagged = num_lags * num_dims
    design = np.empty((rows.shape[0], lagged + 1 + num_dims))
    scaled = np.empty_like(design)
    flat = x.reshape(-1)
    for n in range(rows.shape[0]):
        first = (rows[n] - num_lags) * num_dims
        for m in range(lagged):
            design[n, m] = flat[first + m]
        design[n, lagged] = 1.0
        for d in range(num_dims):
            design[n, lagged + 1 + d] = flat[first + lagged + d]
        for m in range(lagged + 1 + num_dims):
            scaled[n, m] = design[n, m] * weights[n]
    moments += np.dot(scaled.T, design)


@njit(cache=True, nogil=True)
def session_statistics(
    x: Array,
    has_evidence: NDArray[np.bool_],
    labels: NDArray[np.int16],
    weights: Array,
    num_syllables: int,
    num_lags: int,
) -> tuple[Array, Array, Array, Array]:
    """The fields of `Statistics` for one session, transitions (K, K); weights (T,) are one for Gaussian emissions."""
    num_frames, num_dims = x.shape
    size = (num_lags + 1) * num_dims + 1
    moments = np.zeros((num_syllables, size, size))
    counts = np.zeros(num_syllables, np.int64)
    log_weights = np.zeros(num_syllables)
    transitions = np.zeros((num_syllables, num_syllables))
    for t in range(num_lags, num_frames):
        if has_evidence[t]:
            counts[labels[t]] += 1
        if t > num_lags:
            transitions[labels[t - 1], labels[t]] += 1.0
    ends = np.cumsum(counts)
    place = ends - counts
    order = np.empty(ends[-1], np.int64)
    for t in range(num_lags, num_frames):
        if has_evidence[t]:
            order[place[labels[t]]] = t
            log_weights[labels[t]] += math.log(weights[t])
            place[labels[t]] += 1
    for k in range(num_syllables):
        if counts[k] > 0:
            rows = order[ends[k] - counts[k] : ends[k]]
            _accumulate(x, rows, weights[rows], num_lags, moments[k])
    return moments, counts.astype(np.float64), log_weights, transitions
