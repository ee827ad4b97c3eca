"""From moseq2's layouts to the canonical AR-HMM of `online/model.py`: one named function for each difference.

Its ar_mat are the regression weights of `offline.arhmm.regression`.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from online.errors import ConfigError, FileFormatError
from online.model import Array, Whitening


def covariance_from(sig: Array, floor: float | None) -> Array:
    """ar_covariance (K, D, D): symmetric, and with every variance at least `floor` (in whitened units) if one is given.

    Raises
    ------
    ConfigError
        if a syllable's covariance is degenerate and no floor is given.
    """
    symmetric = (sig + sig.transpose(0, 2, 1)) / 2
    values, vectors = np.linalg.eigh(symmetric)
    if floor is None:
        degenerate = np.flatnonzero(values[:, 0] <= 1e-12 * np.maximum(values[:, -1], 1e-300))
        if degenerate.size:
            raise ConfigError(
                f"the innovation covariance of syllable {degenerate[0]} (and {degenerate.size - 1} more) is not "
                "positive definite: no density can be computed; give --covariance-floor 1e-4 to raise its smallest "
                "variances (whitened units), which will be noted in the bundle"
            )
        return np.asarray(symmetric)
    raised = np.maximum(values, floor)
    return np.asarray(np.einsum("kij,kj,klj->kil", vectors, raised, vectors))


def whitening_of(scores: Iterable[Array]) -> Whitening:
    """Mean and lower Cholesky factor of the covariance (1/N) over all rows without NaN: moseq2's `whiten all`."""
    rows = np.concatenate([np.asarray(s, np.float64) for s in scores])
    rows = rows[np.isfinite(rows).all(1)]
    if rows.shape[0] <= rows.shape[1]:
        raise FileFormatError(
            f"only {rows.shape[0]} rows of scores without NaN: too few for {rows.shape[1]} dimensions"
        )
    mean = rows.mean(0)
    return Whitening(mean, np.linalg.cholesky((rows - mean).T @ (rows - mean) / rows.shape[0]))


def estimated_transitions(
    labels: Iterable[NDArray[np.int64]], num_syllables: int, pseudo_count: float
) -> tuple[Array, NDArray[np.int64]]:
    """Transition matrix (K, K) from labels, and how many transitions were counted from each syllable (K,).

    Consecutive labels within a session are counted, repetitions included, negative labels left out. `pseudo_count`
    imaginary transitions are added to each row, spread evenly over all K syllables.
    """
    if pseudo_count <= 0:
        raise ConfigError(
            f"--pseudo-count must be positive, not {pseudo_count}: else unseen transitions are impossible"
        )
    counts = np.zeros((num_syllables, num_syllables))
    for sequence in labels:
        source, target = sequence[:-1], sequence[1:]
        known = (source >= 0) & (target >= 0)
        np.add.at(counts, (source[known], target[known]), 1)
    smoothed = counts + pseudo_count / num_syllables
    return smoothed / smoothed.sum(1, keepdims=True), counts.sum(1).astype(np.int64)


def usage_of(labels: Iterable[NDArray[np.int64]], num_syllables: int) -> Array:
    """Fraction of labelled frames in each syllable (K,)."""
    counts = np.zeros(num_syllables)
    for sequence in labels:
        counts += np.bincount(sequence[sequence >= 0], minlength=num_syllables)
    if not counts.any():
        raise FileFormatError("the model file labels no frame: it cannot be checked or its syllables counted")
    return np.asarray(counts / counts.sum())
