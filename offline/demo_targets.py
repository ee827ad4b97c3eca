"""Which learned syllables stand for which true ones: found on training recordings, never on the session scored."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from offline.score import overlap
from online.files.truth_file import read_truth

LEAST_USAGE = 0.02


@dataclass(frozen=True, slots=True)
class Target:
    """A true syllable and the learned labels that mostly mean it; precision and recall by frames, in training."""

    syllable: int
    name: str
    labels: tuple[int, ...]
    precision: float
    recall: float


def labels_and_truth(recordings: list[Path], labels: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Learned and true syllable of every frame of all recordings, -5 where there is no label."""
    learned, true = [], []
    with h5py.File(labels, "r") as file:
        for recording in recordings:
            with h5py.File(recording / "proc" / "results_00.h5", "r") as results:
                uuid = results["metadata/uuid"][()].decode()
            truth = read_truth(recording / "truth.h5")
            rows = file[f"labels/{uuid}"][()].astype(np.int64)
            learned.append(rows)
            true.append(truth.syllable[: len(rows)])
    return np.concatenate(learned), np.concatenate(true)


def meanings(learned: NDArray[np.int64], true: NDArray[np.int64], names: tuple[str, ...]) -> list[Target]:
    """For each true syllable with labels of its own, those of whose frames it makes up most; best (F1) first."""
    counts = overlap(true, learned)
    winner = counts.argmax(0)
    targets = []
    for syllable in range(len(counts)):
        own = tuple(int(k) for k in np.flatnonzero((winner == syllable) & (counts.sum(0) > 0)))
        right = int(counts[syllable, list(own)].sum())
        if own and counts[syllable].sum() >= LEAST_USAGE * counts.sum() and right:
            precision, recall = right / counts[:, list(own)].sum(), right / counts[syllable].sum()
            targets.append(Target(syllable, names[syllable], own, float(precision), float(recall)))
    return sorted(targets, key=lambda t: -t.precision * t.recall / (t.precision + t.recall))
