"""Bouts of syllables and how long they last."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def bout_starts(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Rows at which a new label begins, row 0 included."""
    if len(labels) == 0:
        return np.empty(0, np.int64)
    return np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1]).astype(np.int64)


def durations_frames(sessions: Sequence[NDArray[np.integer]]) -> NDArray[np.int64]:
    """Lengths in frames of complete bouts: those between two other bouts. The first and the last of a session, and
    those next to rows without a label, were cut."""
    lengths = []
    for labels in sessions:
        starts = bout_starts(labels)
        labelled = labels[starts] >= 0
        complete = labelled[1:-1] & labelled[:-2] & labelled[2:] if len(starts) > 2 else np.empty(0, np.bool_)
        lengths.append(np.diff(starts)[1:][complete] if len(starts) > 2 else np.empty(0, np.int64))
    return np.concatenate(lengths) if lengths else np.empty(0, np.int64)
