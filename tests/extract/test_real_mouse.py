"""A real mouse is found where the published extraction found it, and measured as it measured it."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
import pytest

from offline.extract.moseq2_scalars import moseq2_scalars
from online import extraction
from online.arena import Arena
from online.arena_calibration import calibrate, warnings
from online.extracted import Extracted
from online.files.moseq_folder import KINECT2_INTRINSICS, open_recording
from online.model import ExtractionSettings
from tests.real_data import RESULTS, needs_moseq

ORIGIN = (115, 99)  # column and row of the published region's bounding box
SENSOR_SD_MM = 1.5

pytestmark = [
    pytest.mark.xdist_group("real recording"),
    needs_moseq,
]


def frames_of(folder: Path, noise: float) -> Iterator[np.ndarray]:
    """Frames with `noise` times the sensor's noise."""
    rng = np.random.default_rng(0)
    with open_recording(folder) as recording:
        frame = np.empty((recording.height, recording.width), np.uint16)
        for index in range(recording.num_frames):
            recording.read_frame(index, frame)
            if noise > 1:
                seen = np.s_[90:360, 105:380]
                more = rng.normal(size=frame[seen].shape) * SENSOR_SD_MM * math.sqrt(noise**2 - 1)
                frame[seen] = np.where(frame[seen] > 0, np.rint(frame[seen] + more), 0)
            yield frame


def arena_of(folder: Path, noise: float) -> Arena:
    frames = [frame.copy() for index, frame in enumerate(frames_of(folder, noise)) if index % 15 == 0]
    return calibrate(np.stack(frames), KINECT2_INTRINSICS, 1.0)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.astype(float).ravel(), second.astype(float).ravel())[0, 1])


def same_body(found: Extracted, published: np.ndarray) -> float:
    """Correlation of crops, head and tail left open."""
    return max(correlation(found.crop, published), correlation(np.rot90(found.crop, 2), published))


@pytest.mark.parametrize("noise", [1.0, 2.0])
@pytest.mark.parametrize("convention", ["etholoop", "moseq2"])
def test_a_real_mouse_is_found_where_it_was(
    real_recording: Path, convention: Literal["etholoop", "moseq2"], noise: float
) -> None:
    with h5py.File(RESULTS) as file:
        crops, published = file["frames"][:], {name: data[:] for name, data in file["scalars"].items()}
    with open_recording(real_recording) as recording:
        steps = np.diff(recording.slot_indices(), prepend=-1)
    arena = arena_of(real_recording, noise)
    assert warnings(arena) == []
    opening_px = 9 if convention == "moseq2" else 7
    settings = ExtractionSettings(1.85, opening_diameter_px=opening_px, convention=convention)
    state = extraction.init(settings, arena, 1.0, 30.0)
    missing, away_px, turned_deg, alike, area, doubtful = [], [], [], [], [], []
    for index, frame in enumerate(frames_of(real_recording, noise)):
        found = extraction.step(state, frame, int(steps[index]), 0)
        if index < 10:
            continue
        missing.append(found.missing)
        if found.missing:
            assert not found.crop.any()
            continue
        x, y = published["centroid_x_px"][index] + ORIGIN[0], published["centroid_y_px"][index] + ORIGIN[1]
        away_px.append(math.hypot(found.x_px - x, found.y_px - y))
        turned_deg.append(
            math.degrees(abs(math.remainder(found.heading_rad - float(published["angle"][index]), math.pi)))
        )
        alike.append(same_body(found, crops[index]))
        area.append(found.area_px / published["area_px"][index])
        doubtful.append(found.heading_probability < 0.9)
    assert len(missing) == 890
    assert np.mean(missing) <= 0.01
    assert np.median(away_px) <= 0.5
    assert np.percentile(away_px, 95) <= 1.2
    assert np.median(turned_deg) <= 2
    assert np.percentile(turned_deg, 95) <= 8
    assert np.median(alike) >= 0.95
    assert 0.95 <= np.median(area) <= 1.08
    assert np.mean(doubtful) < 0.1


def test_published_scalars_follow_from_published_pixels() -> None:
    with h5py.File(RESULTS) as file:
        published = {name: data[:].astype(float) for name, data in file["scalars"].items()}
        true_depth = float(file["metadata/extraction/true_depth"][()])
    computed = moseq2_scalars(published, true_depth)
    assert set(computed) == set(published)
    for name, values in published.items():
        np.testing.assert_allclose(computed[name], values, rtol=1e-4, atol=1e-3, err_msg=name)
