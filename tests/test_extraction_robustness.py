"""Whatever a camera sends: a defined answer or a clear error, never a crash, never a NaN in a number that is given."""

import math
import tracemalloc
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online import extraction, projection
from online.extracted import Extracted
from online.model import CropStatistics, ExtractionSettings, PixelFilter, Projection
from tests.bodies import FLOOR_MM, RATE_HZ, SETTINGS, arena_of, draw, run

ARENA = arena_of(height=160, width=200)
NO_MEASURES = {"crop", "covered", "num_covered", "capture_time_ns", "missing"}
MEASURES = [field.name for field in fields(Extracted) if field.name not in NO_MEASURES]
RATES = {"speed_mm_s", "turning_rad_s"}
MAX_ALLOCATED_BYTES = 16 * 1024


def check(found: Extracted) -> None:
    """Missing: nothing is claimed. Seen: everything is a number, rates aside, which need two sightings."""
    values = {name: getattr(found, name) for name in MEASURES}
    if found.missing:
        assert all(math.isnan(value) for value in values.values())
        assert not found.crop.any()
        assert not found.covered.any()
        return
    assert all(math.isfinite(value) for name, value in values.items() if name not in RATES)
    assert all(not math.isinf(values[name]) for name in RATES)
    assert 0.5 <= found.heading_probability <= 1
    assert -math.pi <= found.heading_rad <= math.pi
    assert found.length_mm >= found.width_mm >= 0
    assert found.area_mm2 >= 0
    assert found.crop.max() <= SETTINGS.max_height_mm
    assert found.num_covered == found.covered.sum()


FRAMES = {
    "zero": np.zeros((160, 200), np.uint16),
    "saturated": np.full((160, 200), 65535, np.uint16),
    "one": np.ones((160, 200), np.uint16),
    "everything 30 mm high": np.full((160, 200), round(FLOOR_MM) - 30, np.uint16),
    "noise": np.random.default_rng(0).integers(0, 65536, (160, 200)).astype(np.uint16),
    "checkerboard": np.where(np.indices((160, 200)).sum(0) % 2, 570, 600).astype(np.uint16),
    "mouse in the corner": draw(ARENA, [(-150, -120, 0.5)]),
    "mouse": draw(ARENA, [(0, 0, 0.5)]),
}


@pytest.mark.parametrize("convention", ["etholoop", "moseq2"])
@pytest.mark.parametrize("name", FRAMES)
def test_strange_frames_have_a_defined_answer_and_leave_no_trace(name: str, convention: str) -> None:
    strange = ExtractionSettings(SETTINGS.mm_per_crop_pixel, convention=convention)  # type: ignore[arg-type]
    state = extraction.init(strange, ARENA, 1.0, RATE_HZ)
    check(run(state, FRAMES[name]))
    check(run(state, FRAMES["mouse"]))
    for _ in range(3):
        check(run(state, FRAMES[name]))
    for _ in range(5):
        found = run(state, FRAMES["mouse"])
        check(found)
    assert not found.missing
    assert math.hypot(found.x_mm, found.y_mm) < 1


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_specks_are_not_mice(size: int) -> None:
    frame = draw(ARENA, [])
    frame[80 : 80 + size, 100 : 100 + size] -= 40
    state = extraction.init(SETTINGS, ARENA, 1.0, RATE_HZ)
    assert run(state, frame).missing


@settings(max_examples=60)
@given(data=st.data())
def test_any_sequence_of_frames_is_answered(data: st.DataObject) -> None:
    state = extraction.init(SETTINGS, ARENA, 1.0, RATE_HZ)
    place = st.floats(-200, 200)
    for _ in range(data.draw(st.integers(1, 8))):
        bodies = data.draw(st.lists(st.tuples(place, place, st.floats(-4, 4)), max_size=3))
        top, length = data.draw(st.floats(5, 150)), data.draw(st.floats(2, 200))
        frame = draw(ARENA, bodies, top=top, length=length, width=data.draw(st.floats(2, 100)))
        holes = data.draw(st.floats(0, 1))
        frame[np.random.default_rng(0).random(frame.shape) < holes] = 0
        check(run(state, frame, data.draw(st.integers(1, 1000))))


@settings(max_examples=20)
@given(st.floats(-50, 50), st.floats(-35, 35), st.floats(-3, 3), st.integers(-30, 30), st.integers(-20, 20))
def test_moving_the_mouse_moves_the_answer(x: float, y: float, heading: float, columns: int, rows: int) -> None:
    """Shifted by whole pixels, a frame gives the same crop at the shifted place."""
    frame = draw(ARENA, [(x, y, heading)])
    moved = np.full_like(frame, round(FLOOR_MM))
    at = np.argwhere(frame < FLOOR_MM)
    there = at + np.array([rows, columns])
    if not ((there >= 14) & (there < np.array(frame.shape) - 14)).all():
        return
    moved[there[:, 0], there[:, 1]] = frame[at[:, 0], at[:, 1]]
    found = run(extraction.init(SETTINGS, ARENA, 1.0, RATE_HZ), frame)
    before, crop = (found.x_px, found.y_px, found.length_px), found.crop.copy()
    after = run(extraction.init(SETTINGS, ARENA, 1.0, RATE_HZ), moved)
    assert (after.x_px - columns, after.y_px - rows, after.length_px) == pytest.approx(before)
    assert np.abs(after.crop.astype(int) - crop).max() <= 1


@pytest.mark.parametrize(
    ("convention", "steps"),
    [("etholoop", 1000), ("moseq2", 300), pytest.param("etholoop", 10_000, marks=pytest.mark.soak)],
)
def test_no_array_is_allocated_in_a_step(convention: str, steps: int) -> None:
    chosen = ExtractionSettings(SETTINGS.mm_per_crop_pixel, convention=convention)  # type: ignore[arg-type]
    masked = np.zeros_like(ARENA.region)
    masked[:, 100:112] = True
    state = extraction.init(chosen, replace(ARENA, masked=masked), 1.0, RATE_HZ)
    rng = np.random.default_rng(0)
    components = rng.normal(size=(10, 6400)).astype(np.float32)
    known = CropStatistics(np.full(6400, 20, np.float32), components, np.ones(10, np.float32))
    projector = projection.init(Projection(components, None, PixelFilter(), known), 80)
    frames = [draw(ARENA, [(3.0 * k, 0, 0.02 * k)]) for k in range(12)] + [draw(ARENA, [])]
    frames[5][rng.random(frames[5].shape) < 0.1] = 0

    def step(index: int) -> None:
        found = run(state, frames[index % len(frames)], 1 + (index % 50 == 0))
        projection.step(projector, found.crop)
        if found.num_covered:
            projection.step_any(projector, found.crop, found.covered)

    for index in range(40):
        step(index)
    tracemalloc.start()
    try:
        worst = 0
        for index in range(steps):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            step(index)
            worst = max(worst, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    assert worst < MAX_ALLOCATED_BYTES
