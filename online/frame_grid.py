"""The regular grid of slots behind a camera's time stamps: where frames were dropped.

A slot is one period of the camera; a dropped frame is a slot without a frame. T frames.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from online.errors import FileFormatError

SlotRule = Literal["round", "floor"]


def frame_period_ms(timestamps_ms: NDArray[np.float64]) -> float:
    """Duration of one slot: the mean of the intervals within half a median of the median, so that gaps do not count.

    Raises
    ------
    FileFormatError
        if there are fewer than two time stamps, they run backwards, or they can hardly be milliseconds.
    """
    if timestamps_ms.size < 2 or not np.isfinite(timestamps_ms).all():
        raise FileFormatError("time stamps: at least two finite numbers are needed")
    intervals = np.diff(timestamps_ms)
    if (intervals < 0).any():
        frame = int(np.argmax(intervals < 0)) + 1
        raise FileFormatError(f"time stamps run backwards at frame {frame}: the file is damaged or was joined from two")
    median = float(np.median(intervals))
    if not 1 <= median <= 1000:
        raise FileFormatError(
            f"time stamps are {median:g} apart, which cannot be milliseconds between frames: "
            "depth_ts.txt must be in ms, timestamps.csv in s"
        )
    return float(intervals[np.abs(intervals - median) <= median / 2].mean())


def slot_indices(timestamps_ms: NDArray[np.float64], rule: SlotRule = "round") -> NDArray[np.int64]:
    """Slot of each frame (T,), counted from 0; a step of n + 1 means n dropped frames.

    `round` takes each interval to the nearest whole number of periods. `floor` is what moseq2-pca does (the rate
    rounded to whole Hz, each interval rounded down), so that its rows can be lined up with ours; it often misses one
    frame of a gap.
    """
    if rule == "round":
        steps = np.rint(np.diff(timestamps_ms) / frame_period_ms(timestamps_ms))
    else:
        seconds = timestamps_ms / 1000
        steps = np.floor(np.diff(seconds) * np.round(1 / np.diff(seconds).mean()))
    return np.concatenate(([0], np.cumsum(np.maximum(steps, 1).astype(np.int64))))
