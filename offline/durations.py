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


def resolved_durations_frames(sessions: Sequence[NDArray[np.integer]], resolution_frames: int) -> NDArray[np.int64]:
    """Frames from one change of label to the next, as a detector sees them that, after a change, is blind for less
    than `resolution_frames`. Changes next to rows without a label are none, and nothing is counted across such rows."""
    lengths = [np.diff(_seen(edges, resolution_frames)) for labels in sessions for edges in _changes_by_stretch(labels)]
    return np.concatenate(lengths) if lengths else np.empty(0, np.int64)


def _changes_by_stretch(labels: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """Rows of changes between labels, for each stretch of rows with labels."""
    rows = np.flatnonzero(labels >= 0)
    stretches = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    return [own[0] + np.flatnonzero(np.diff(labels[own])) + 1 for own in stretches if len(own)]


def _seen(edges: NDArray[np.int64], resolution_frames: int) -> NDArray[np.int64]:
    kept: list[int] = []
    for edge in edges.tolist():
        if not kept or edge - kept[-1] >= resolution_frames:
            kept.append(edge)
    return np.array(kept, np.int64)
