"""What the engine is fed, frame by frame, from recordings of several kinds.

A `Recording` knows who was in it and when its frames were; its `frames` are an iterator of `EngineFrame`, in order.
Poses carry None where a measurement is missing, as they do at the rig.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from protocols.trial import Evidence, EvidenceRequest, Train


class RecordedPose(NamedTuple):
    """A pose as the engine takes it."""

    x_mm: float | None
    y_mm: float | None
    heading_rad: float | None
    heading_probability: float | None
    length_mm: float | None
    height_mm: float | None
    speed_mm_s: float | None
    turning_rad_s: float | None


@dataclass(slots=True)
class EngineFrame:
    """The arguments of `protocols.engine.step` at one frame; `by_hand`: trains that were sent by hand since the frame
    before, and when."""

    frame_index: int
    capture_time_ns: int
    decision_time_ns: int
    evidence: Evidence | None
    pose: RecordedPose | None
    armed: bool = True
    paused: bool = False
    by_hand: tuple[tuple[Train, int], ...] = ()


Frames = Callable[[Sequence[EvidenceRequest]], Iterator[EngineFrame]]


@dataclass(frozen=True, slots=True)
class Recording:
    """A session to replay. `frames(requests)` gives its frames with the further kinds of evidence asked for."""

    path: Path
    subject: str
    session: str
    rate_hz: float
    num_frames: int
    num_syllables: int
    names: Mapping[str, tuple[int, ...]]
    frames: Frames


def poses_of(columns: Mapping[str, NDArray[np.float64]], seen: NDArray[np.bool_]) -> list[RecordedPose | None]:
    """A pose for each frame in which the mouse was seen; a column that is absent is not known anywhere."""
    unknown = [None] * len(seen)
    lists = [_known(columns[name]) if name in columns else unknown for name in RecordedPose._fields]
    rows = zip(*lists, strict=True)
    return [RecordedPose(*row) if there else None for row, there in zip(rows, seen.tolist(), strict=True)]


def _known(column: NDArray[np.float64]) -> list[float | None]:
    return [None if isnan(value) else value for value in column.tolist()]
