"""How far restarts agree, and which of them to keep.

*Expected marginal log-likelihood* of restart i: mean over the other restarts j of log p(data of j | parameters of i).
Here the scores are observed, so all restarts have the same data: the sessions that none of them was trained on.
*Stable syllable* of the restart kept: most of the other restarts have a syllable that shares with it at least half of
the frames that either of them has (intersection over union), one to one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from offline.arhmm.hmm import Labels
from offline.arhmm.labelling import label
from offline.scan.trials import ScanData, Trial, known_rows, narrowed
from offline.score import adjusted_mutual_information, overlap

SAME_SYLLABLE = 0.5


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of restarts with the same settings: ami (R, R) of their labels; expected (R,) marginal log-likelihood in nats a
    frame; best, the index of the restart to keep; found (K,): share of the others that have each of its syllables."""

    ami: NDArray[np.float64]
    expected: NDArray[np.float64]
    best: int
    found: NDArray[np.float64]

    @property
    def stable(self) -> NDArray[np.int64]:
        """Syllables of the restart kept that most of the others have."""
        return np.flatnonzero(self.found > 0.5)


def compare_restarts(data: ScanData, restarts: Sequence[Trial]) -> Agreement:
    """Agreement on held-out sessions, labels by Viterbi."""
    labels = [_labels(data, trial) for trial in restarts]
    count = len(restarts)
    ami = np.eye(count)
    for i in range(count):
        for j in range(i):
            ami[i, j] = ami[j, i] = adjusted_mutual_information(labels[i], labels[j])
    expected = np.array([trial.held_out_per_frame for trial in restarts])
    best = int(expected.argmax())
    others = [found for i, found in enumerate(labels) if i != best]
    num_syllables = restarts[best].fit.model.num_syllables
    votes = [shared_frames(labels[best], other, num_syllables) >= SAME_SYLLABLE for other in others]
    return Agreement(ami, expected, best, np.mean(votes, axis=0) if votes else np.zeros(num_syllables))


def shared_frames(ours: Labels, theirs: Labels, num_syllables: int) -> NDArray[np.float64]:
    """Intersection over union (num_syllables,) of each of our syllables with the one of theirs assigned to it."""
    counts = overlap(ours, theirs).astype(np.float64)
    union = counts.sum(1)[:, None] + counts.sum(0)[None] - counts
    share = counts / np.maximum(union, 1)
    rows, columns = linear_sum_assignment(-share)
    out = np.zeros(num_syllables)
    out[rows] = share[rows, columns]
    return out


def _labels(data: ScanData, trial: Trial) -> Labels:
    candidate = trial.candidate
    held = narrowed(data.held_out, candidate.num_components, candidate.num_lags)
    parts = []
    for index in range(len(held.names)):
        rows = held.rows(index)
        x = np.where(known_rows(held, rows), held.x[rows], np.nan)
        parts.append(label(trial.fit.model, x, "viterbi")[0])
    return np.concatenate(parts)
