"""Makes small extracted sessions: an ellipse that stretches and bends, as `results_00.h5`."""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray


def crops(num_frames: int, seed: int, size_px: int = 80) -> NDArray[np.uint8]:
    """Crops (T, size, size): a body whose length, width, height and bend drift at random, and a thin tail."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size_px, :size_px] - size_px / 2
    drift = np.cumsum(rng.normal(0, 0.15, (num_frames, 4)), axis=0)
    drift = np.sin(drift)
    out = np.zeros((num_frames, size_px, size_px), np.uint8)
    for t, (longer, wider, higher, bent) in enumerate(drift):
        centre = 0.01 * bent * x**2
        body = 1 - (x / (20 + 4 * longer)) ** 2 - ((y - centre) / (10 + 2 * wider)) ** 2
        height = np.where(body > 0, (30 + 10 * higher) * np.sqrt(np.maximum(body, 0)) + 12, 0)
        height[size_px // 2, :20] = 15
        out[t] = np.where(height > 0, height + rng.normal(0, 1, height.shape), 0).round()
    return out


def write_results(path: Path, uuid: str, frames: NDArray[np.uint8], gap_after: int | None = None) -> Path:
    """A results file at 30 fps with three frames dropped after one frame."""
    stamps = np.arange(len(frames)) * 1000 / 30
    if gap_after is not None:
        stamps[gap_after + 1 :] += 100
    with h5py.File(path, "w") as file:
        file["frames"] = frames
        file["timestamps"] = stamps
        file["metadata/uuid"] = uuid
        file["metadata/extraction/mm_per_crop_pixel"] = 1.5
        file["metadata/acquisition/SubjectName"] = "mouse 1"
    return path
