"""First syllable labels by k-means on where the animal is in score space and how its movement differs from the usual.

The movement is the residual of one AR process fitted to all frames, averaged over about the length of a syllable:
what the syllable adds to what any frame would do. Of the features tried on simulated data this one kept the most true
syllables alive.

Plain Lloyd iterations with k-means++ seeding on a bounded subsample, written so that the result depends on the seed
alone (scikit-learn's depends on the number of threads in the last digits).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from offline.arhmm.data import Sessions
from offline.arhmm.hmm import NO_LABEL, Labels

Array = NDArray[np.float64]

SMOOTHING_FRAMES = 11
SUBSAMPLE = 20_000
ITERATIONS = 20
BLOCK = 2_000


def features(sessions: Sessions) -> Array:
    """Standardised residual movement, smoothed, beside position (N, 2 D)."""
    num_dims = sessions.x.shape[1]
    residual = _residuals(sessions)
    seen = sessions.has_evidence
    covariance = np.cov(residual[seen].T, bias=True).reshape(num_dims, num_dims)
    root = np.linalg.cholesky(covariance + 1e-9 * np.eye(num_dims))
    residual = np.linalg.solve(root, residual.T).T
    for index in range(len(sessions.names)):
        own = sessions.rows(index)
        if own.stop > own.start:
            residual[own] = uniform_filter1d(residual[own], SMOOTHING_FRAMES, axis=0)
    residual /= np.maximum(residual[seen].std(0), 1e-9)
    return np.concatenate([residual, sessions.x], axis=1)


def _residuals(sessions: Sessions) -> Array:
    """What one AR process fitted to all frames leaves over (N, D), zero without evidence."""
    x, lags = sessions.x, sessions.num_lags
    size = lags * x.shape[1] + 1
    gram, cross = 1e-8 * np.eye(size), np.zeros((size, x.shape[1]))
    parts = []
    for index in range(len(sessions.names)):
        rows = sessions.starts[index] + np.flatnonzero(sessions.has_evidence[sessions.rows(index)])
        design = np.concatenate([*(x[rows - lag] for lag in range(lags, 0, -1)), np.ones((len(rows), 1))], axis=1)
        gram += design.T @ design
        cross += design.T @ x[rows]
        parts.append(rows)
    weights = np.linalg.solve(gram, cross)
    residual = np.zeros_like(x)
    for rows in parts:
        design = np.concatenate([*(x[rows - lag] for lag in range(lags, 0, -1)), np.ones((len(rows), 1))], axis=1)
        residual[rows] = x[rows] - design @ weights
    return residual


def _squared_distances(points: Array, centres: Array) -> Array:
    distances: Array = (points**2).sum(1)[:, None] - 2 * points @ centres.T + (centres**2).sum(1)
    return np.maximum(distances, 0.0)


def _nearest(points: Array, centres: Array) -> NDArray[np.int64]:
    """Index (N,) of the centre nearest to each point, in blocks that stay in the cache; a point's own square, which
    is the same for all centres, is left out."""
    half = (centres**2).sum(1) / 2
    nearest = np.empty(len(points), np.int64)
    for first in range(0, len(points), BLOCK):
        nearest[first : first + BLOCK] = (half - points[first : first + BLOCK] @ centres.T).argmin(1)
    return nearest


def k_means(points: Array, num_clusters: int, rng: np.random.Generator) -> Array:
    """Centres (C, F) after k-means++ and Lloyd iterations; C is fewer than asked when points are few."""
    if len(points) > SUBSAMPLE:
        points = points[np.sort(rng.choice(len(points), SUBSAMPLE, replace=False))]
    centres = points[[int(rng.integers(len(points)))]]
    nearest = _squared_distances(points, centres)[:, 0]
    while len(centres) < num_clusters and nearest.sum() > 0:
        chosen = int(np.searchsorted(np.cumsum(nearest), rng.random() * nearest.sum()))
        centres = np.concatenate([centres, points[[min(chosen, len(points) - 1)]]])
        nearest = np.minimum(nearest, _squared_distances(points, centres[-1:])[:, 0])
    for _ in range(ITERATIONS):
        assigned = _nearest(points, centres)
        counts = np.bincount(assigned, minlength=len(centres))
        for dimension in range(points.shape[1]):
            sums = np.bincount(assigned, weights=points[:, dimension], minlength=len(centres))
            centres[:, dimension] = np.where(counts > 0, sums / np.maximum(counts, 1), centres[:, dimension])
    return centres


def initial_labels(sessions: Sessions, num_syllables: int, rng: np.random.Generator) -> Labels:
    """Labels (N,) of all rows; rows without evidence continue the label before them, lag rows have none."""
    labels = np.full(len(sessions.x), NO_LABEL, np.int16)
    if not sessions.has_evidence.any():
        return labels
    points = features(sessions)
    centres = k_means(points[sessions.has_evidence], num_syllables, rng)
    nearest = _nearest(points, centres).astype(np.int16)
    for index in range(len(sessions.names)):
        rows = sessions.rows(index)
        seen = sessions.has_evidence[rows]
        last_seen = np.maximum.accumulate(np.where(seen, np.arange(len(seen)), -1))
        labels[rows] = np.where(last_seen >= 0, nearest[rows][np.maximum(last_seen, 0)], 0)
        labels[rows][: sessions.num_lags] = NO_LABEL
    return labels
