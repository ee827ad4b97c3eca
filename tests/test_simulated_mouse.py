"""Against a simulated mouse's truth: position, and nose told from tail, whatever the sensor and the animal are like."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from online import extraction
from online.arena_calibration import calibrate
from online.extracted import Extracted
from online.messages import Truth
from online.model import ExtractionSettings
from online.simulation import mouse
from online.simulation.settings import SimulationSettings

CONDITIONS: dict[str, dict[str, float | bool]] = {
    "plain": {},
    "twice the noise": {"noise_scale": 2.0},
    "20 % holes": {"hole_rate": 0.2},
    "reflection": {"reflection": True},
    "tether": {"tether": True},
    "5 % dropped frames": {"drop_probability": 0.05},
    "small": {"body_scale": 0.7},
    "large": {"body_scale": 1.3},
}
SETTLED_S = 2.0


def simulated(settings: SimulationSettings, seconds: float) -> Iterator[tuple[Extracted, Truth, int]]:
    """What is extracted from a session, the truth, and the slot; the arena is found in half a minute of it."""
    rehearsal = mouse.init(replace(settings, rate_hz=1, drop_probability=0.0))
    seen = np.zeros((30, settings.height, settings.width), np.uint16)
    for frame in seen:
        mouse.step(rehearsal, frame)
    arena = calibrate(seen, settings.intrinsics, 1.0)
    state = extraction.init(ExtractionSettings(1.75), arena, 1.0, settings.rate_hz)
    session, last, frame = mouse.init(settings), -1, seen[0]
    for slot in range(round(seconds * settings.rate_hz)):
        truth = mouse.step(session, frame)
        if truth is not None:
            yield extraction.step(state, frame, slot - last, 0), truth, slot
            last = slot


def judge(settings: SimulationSettings, seconds: float) -> tuple[float, float, float]:
    """Median position error in mm, share of frames with nose and tail confused after SETTLED_S, share missing."""
    errors, confused, missing = [], [], []
    for found, truth, slot in simulated(settings, seconds):
        missing.append(found.missing)
        if found.missing:
            continue
        errors.append(math.hypot(found.x_mm - truth.x_mm, found.y_mm - truth.y_mm))
        if slot >= SETTLED_S * settings.rate_hz:
            confused.append(abs(math.remainder(found.heading_rad - truth.heading_rad, 2 * math.pi)) > math.pi / 2)
    return float(np.median(errors)), float(np.mean(confused)), float(np.mean(missing))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_position_and_heading_are_true(condition: str) -> None:
    settings = SimulationSettings(seed=11, behaviour_seed=4, **CONDITIONS[condition])  # type: ignore[arg-type]
    error_mm, confused, missing = judge(settings, 14)
    assert error_mm <= 1.5
    assert confused <= 0.005
    assert missing == 0


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("condition", CONDITIONS)
def test_position_and_heading_are_true_for_minutes(condition: str, seed: int) -> None:
    settings = SimulationSettings(seed=seed, behaviour_seed=seed, **CONDITIONS[condition])  # type: ignore[arg-type]
    error_mm, confused, missing = judge(settings, 180)
    assert error_mm <= 1.5
    assert confused <= 0.005
    assert missing == 0


def test_other_cameras_see_the_same_animal() -> None:
    """A finer camera at 90 fps and a coarser one that is not level: size and place in mm do not change."""
    for settings in (
        SimulationSettings(seed=3, width=848, height=480, focal_px=425, rate_hz=90),
        SimulationSettings(seed=3, width=480, height=400, focal_px=300, floor_slope=(0.04, -0.03)),
    ):
        errors, lengths = [], []
        for found, truth, _ in simulated(settings, 5):
            errors.append(math.hypot(found.x_mm - truth.x_mm, found.y_mm - truth.y_mm))
            lengths.append(found.length_mm / truth.length_mm)
        assert np.median(errors) < 1.5
        assert np.median(lengths) == pytest.approx(0.97, abs=0.05)
