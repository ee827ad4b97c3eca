"""Sessions as the sampler sees them: whitened, concatenated, with the frames that carry no evidence marked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from online.errors import EtholoopError
from online.model import Whitening

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sessions:
    """Whitened scores of all sessions, one after the other.

    x (N, D), zero where a value is missing; present (N,) is true where a frame is finite, has_evidence (N,) where it
    and all its lags are; session i occupies rows starts[i] to starts[i + 1] and belongs to group groups[i].
    """

    names: tuple[str, ...]
    x: Array
    present: NDArray[np.bool_]
    has_evidence: NDArray[np.bool_]
    starts: NDArray[np.int64]
    num_lags: int
    groups: tuple[int, ...]

    @property
    def num_groups(self) -> int:
        """Groups that have transitions of their own."""
        return max(self.groups, default=0) + 1

    @property
    def num_frames(self) -> int:
        """Frames with evidence."""
        return int(self.has_evidence.sum())

    def rows(self, session: int) -> slice:
        """Rows of one session."""
        return slice(int(self.starts[session]), int(self.starts[session + 1]))


def fit_whitening(scores: Sequence[Array]) -> Whitening:
    """Mean and Cholesky factor of the covariance (1/N) over all finite rows.

    Raises
    ------
    EtholoopError
        if there are too few rows, or a dimension is constant or a combination of others.
    """
    num_dims = scores[0].shape[1]
    count, total = 0, np.zeros(num_dims)
    lowest, highest = np.full(num_dims, np.inf), np.full(num_dims, -np.inf)
    for rows in map(_complete, scores):
        if len(rows):
            count += len(rows)
            total += rows.sum(0)
            lowest, highest = np.minimum(lowest, rows.min(0)), np.maximum(highest, rows.max(0))
    if count <= num_dims:
        raise EtholoopError(f"only {count} complete rows of scores for {num_dims} dimensions: record more")
    constant = np.flatnonzero(lowest == highest)
    if constant.size:
        raise EtholoopError(
            f"scores: dimension {', '.join(str(i + 1) for i in constant)} is constant; use fewer components (--pcs)"
        )
    mean = total / count
    covariance: Array = np.zeros((num_dims, num_dims))
    for rows in map(_complete, scores):
        covariance += (rows - mean).T @ (rows - mean)
    covariance = np.asarray(covariance / count, np.float64)
    correlation = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    if np.linalg.eigvalsh(correlation)[0] < 1e-10:
        raise EtholoopError("scores: some dimensions are combinations of others; use fewer components (--pcs)")
    return Whitening(mean=mean, cholesky=np.asarray(np.linalg.cholesky(covariance), np.float64))


def _complete(scores: Array) -> Array:
    return scores[np.isfinite(scores).all(1)]


def evidence_mask(x: Array, num_lags: int) -> NDArray[np.bool_]:
    """True (T,) where a frame and its `num_lags` predecessors in the session are all finite."""
    finite = np.asarray(np.isfinite(x).all(1))
    mask = finite.copy()
    mask[:num_lags] = False
    for lag in range(1, num_lags + 1):
        mask[lag:] &= finite[:-lag]
    return mask


def assemble(
    names: Sequence[str], whitened: Sequence[Array], num_lags: int, groups: Sequence[int] | None = None
) -> Sessions:
    """Concatenate whitened sessions; a session of `num_lags` frames or fewer carries no evidence and is kept.

    `groups`: number of each session's group, from 0; without them all sessions share one.
    """
    starts = np.concatenate([[0], np.cumsum([len(x) for x in whitened])]).astype(np.int64)
    mask = np.concatenate([evidence_mask(x, num_lags) for x in whitened])
    return Sessions(
        names=tuple(names),
        x=np.ascontiguousarray(np.nan_to_num(np.concatenate(whitened), nan=0.0, posinf=0.0, neginf=0.0)),
        present=np.concatenate([np.isfinite(x).all(1) for x in whitened]),
        has_evidence=mask,
        starts=starts,
        num_lags=num_lags,
        groups=tuple(groups) if groups is not None else (0,) * len(names),
    )
