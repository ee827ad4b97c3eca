"""Transitions of the sticky HDP in the weak limit (Fox et al. 2011, Annals of Applied Statistics 5: 1020).

Shared weights beta ~ Dir(gamma/K), row i ~ Dir(alpha beta + kappa e_i).

Table counts use alpha beta_j + kappa [i = j], as in the paper; moseq2's engine leaves out kappa on the diagonal.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

FLOOR = 1e-12


@dataclass(frozen=True, slots=True)
class StickyHDP:
    """Concentrations: gamma of the shared weights, alpha of each row, kappa extra on the self-transition."""

    kappa: float
    alpha: float = 5.7
    gamma: float = 1000.0


@dataclass(frozen=True, slots=True)
class Transitions:
    """shared (K,), the weights beta; matrix (K, K), rows = from; of several groups (G, K) and (G, K, K)."""

    shared: Array
    matrix: Array


@njit(cache=True, nogil=True)
def _table_counts(counts: NDArray[np.int64], concentration: Array, uniforms: Array, tables: NDArray[np.int64]) -> None:
    used = 0
    for i in range(counts.shape[0]):
        for j in range(counts.shape[1]):
            strength = concentration[i, j]
            for customer in range(counts[i, j]):
                if uniforms[used] * (strength + customer) < strength:
                    tables[i, j] += 1
                used += 1


def dirichlet_rows(concentration: Array, rng: np.random.Generator) -> Array:
    """One Dirichlet draw for each row, floored so that no transition is impossible in floating point."""
    draws = np.maximum(rng.standard_gamma(concentration), np.finfo(float).tiny)
    draws /= draws.sum(-1, keepdims=True)
    draws = np.maximum(draws, FLOOR)
    normalised: Array = draws / draws.sum(-1, keepdims=True)
    return normalised


def row_concentration(shared: Array, hdp: StickyHDP) -> Array:
    """Prior Dirichlet concentration (K, K) of the rows."""
    return np.tile(hdp.alpha * shared, (len(shared), 1)) + hdp.kappa * np.eye(len(shared))


def sample_transitions(current: Transitions, counts: Array, hdp: StickyHDP, rng: np.random.Generator) -> Transitions:
    """Resample the shared weights by table counts with override thinning, then every row."""
    num_syllables = len(current.shared)
    whole = np.rint(counts).astype(np.int64)
    tables = np.zeros_like(whole)
    concentration = row_concentration(current.shared, hdp)
    _table_counts(whole, concentration, rng.random(int(whole.sum())), tables)
    own = hdp.alpha * current.shared
    diagonal = np.diag_indices(num_syllables)
    tables[diagonal] = rng.binomial(tables[diagonal], own / (own + hdp.kappa))
    shared = dirichlet_rows(hdp.gamma / num_syllables + tables.sum(0), rng)
    return Transitions(shared, dirichlet_rows(row_concentration(shared, hdp) + counts, rng))


def sample_mixture(counts: Array, hdp: StickyHDP, rng: np.random.Generator) -> Transitions:
    """Resample the weights of a mixture: every row is the same; `counts` (K, K) as for a chain."""
    shared = dirichlet_rows(hdp.gamma / len(counts) + counts.sum(0), rng)
    return Transitions(shared, np.tile(shared, (len(shared), 1)))


def sample_by_group(
    current: Transitions, counts: Array, hdp: StickyHDP, mixture: bool, rng: np.random.Generator
) -> Transitions:
    """Resample every group's transitions by themselves; counts (G, K, K)."""
    drawn = [
        sample_mixture(own, hdp, rng)
        if mixture
        else sample_transitions(Transitions(current.shared[group], current.matrix[group]), own, hdp, rng)
        for group, own in enumerate(counts)
    ]
    return Transitions(np.stack([t.shared for t in drawn]), np.stack([t.matrix for t in drawn]))


def expected_mixture(counts: Array, hdp: StickyHDP) -> Array:
    """Posterior mean of a mixture's weights, as the rows of a transition matrix."""
    weights = hdp.gamma / len(counts) + counts.sum(0)
    return np.tile(weights / weights.sum(), (len(counts), 1))


def expected_matrix(shared: Array, counts: Array, hdp: StickyHDP) -> Array:
    """Posterior mean of the rows given the shared weights and transition counts."""
    concentration = row_concentration(shared, hdp) + counts
    expected: Array = concentration / concentration.sum(1, keepdims=True)
    return expected
