"""A body drawn at a known place is found there, in pixels, millimetres and radians; without a body, nothing is."""

import math
from dataclasses import replace

import numpy as np
import pytest

from online import extraction
from online.errors import ConfigError
from online.model import ExtractionSettings
from tests.bodies import RATE_HZ, SETTINGS, arena_of, draw, run


@pytest.mark.parametrize("focal_px", [375.0, 300.0, 750.0])
@pytest.mark.parametrize(("x", "y", "heading"), [(0, 0, 0.0), (60, -40, 0.7), (-70, 30, -1.2), (20, 50, 1.5)])
def test_position_axis_and_size_are_true_whatever_the_camera(
    focal_px: float, x: float, y: float, heading: float
) -> None:
    scale = focal_px / 375
    arena = arena_of(focal_px, int(240 * scale), int(320 * scale))
    state = extraction.init(SETTINGS, arena, 1.0, RATE_HZ)
    found = run(state, draw(arena, [(x, y, heading)]))
    assert not found.missing
    assert math.hypot(found.x_mm - x, found.y_mm - y) < 0.8
    assert abs(math.remainder(found.heading_rad - heading, math.pi)) < math.radians(1)
    assert found.length_mm == pytest.approx(70, abs=3)
    assert found.width_mm == pytest.approx(30, abs=2)
    assert found.area_mm2 == pytest.approx(math.pi * 35 * 15, rel=0.06)
    assert 27.5 < found.height_mm <= 30
    assert (found.crop > 15).sum() == pytest.approx(math.pi * 35 * 15 / (1.6 * 570 / 600) ** 2, rel=0.06)


def test_the_crop_has_the_nose_on_the_right() -> None:
    arena = arena_of()
    state = extraction.init(SETTINGS, arena, 1.0, RATE_HZ)
    for step in range(20):  # walks up and left
        x, y = 40 - 4 * step, 40 - 4 * step
        frame = draw(arena, [(x, y, 3 * math.pi / 4)])
        nose = draw(arena, [(x - 20, y - 20, 0.0)], length=16, width=16, top=60)
        found = run(state, np.minimum(frame, nose))
    assert abs(math.remainder(found.heading_rad - 3 * math.pi / 4, 2 * math.pi)) < 0.1
    assert found.heading_probability > 0.95
    rows, columns = np.nonzero(found.crop > 45)
    assert columns.mean() > 50
    assert rows.mean() == pytest.approx(40, abs=2)
    assert found.speed_mm_s == pytest.approx(4 * math.sqrt(2) * RATE_HZ, rel=0.15)


def test_dropped_frames_count_in_rates() -> None:
    arena = arena_of()
    state = extraction.init(SETTINGS, arena, 1.0, RATE_HZ)
    first = run(state, draw(arena, [(0, 0, 0.0)]))
    assert math.isnan(first.speed_mm_s)
    found = run(state, draw(arena, [(12, 0, 0.12)]), slots=4)
    assert found.speed_mm_s == pytest.approx(12 / 4 * RATE_HZ, rel=0.1)
    assert found.turning_rad_s == pytest.approx(0.12 / 4 * RATE_HZ, rel=0.25)


def test_an_empty_arena_has_no_mouse_and_says_so() -> None:
    arena = arena_of()
    state = extraction.init(SETTINGS, arena, 1.0, RATE_HZ)
    run(state, draw(arena, [(0, 0, 0.0)]))
    found = run(state, draw(arena, []))
    assert found.missing
    assert math.isnan(found.x_mm)
    assert not found.crop.any()
    again = run(state, draw(arena, [(5, 0, 0.0)]))
    assert not again.missing
    assert again.speed_mm_s == pytest.approx(5 / 2 * RATE_HZ, rel=0.2)


def test_a_second_body_does_not_take_over_and_is_not_in_the_crop() -> None:
    arena = arena_of()
    state = extraction.init(SETTINGS, arena, 1.0, RATE_HZ)
    for step in range(10):
        x = -30 + 3 * step
        hand = draw(arena, [(x, 75, 0.0)], length=110, width=60, top=70)
        frame = draw(arena, [(x, 0, 0.0)])
        found = run(state, np.minimum(frame, hand) if step else frame)
        assert math.hypot(found.x_mm - x, found.y_mm) < 1
    assert found.crop.max() <= 31


def test_heights_beyond_the_limits_do_not_wrap() -> None:
    arena = arena_of()
    state = extraction.init(SETTINGS, arena, 1.0, RATE_HZ)
    assert run(state, draw(arena, [(0, 0, 0.0)], top=300)).missing
    assert run(state, draw(arena, [(0, 0, 0.0)], top=-10)).missing


def test_frames_of_another_kind_and_cameras_of_another_scale_are_refused() -> None:
    arena = arena_of()
    state = extraction.init(SETTINGS, arena, 1.0, RATE_HZ)
    for frame in (np.zeros((240, 319), np.uint16), np.zeros((240, 320), np.int32)):
        with pytest.raises(ValueError, match="frame must be uint16"):
            run(state, frame)
    with pytest.raises(ValueError, match="slots_elapsed"):
        run(state, draw(arena, []), slots=0)
    with pytest.raises(ConfigError, match="mm per pixel"):
        extraction.init(ExtractionSettings(mm_per_crop_pixel=20), arena, 1.0, RATE_HZ)


def test_a_small_and_a_large_mouse_give_the_same_crop_when_asked() -> None:
    arena = arena_of()
    crops = []
    for scale in (0.7, 1.0, 1.3):
        shape = {"length": 70 * scale, "width": 30 * scale, "top": 30 * scale}
        state = extraction.init(replace(SETTINGS, reference_size_mm=40.0), arena, 1.0, RATE_HZ)
        for step in range(40):
            found = run(state, draw(arena, [(step, -step, 0.4)], **shape))
        crops.append(found.crop.astype(float))
        assert found.height_mm == pytest.approx(30 * scale, rel=0.1)
        assert found.area_mm2 == pytest.approx(math.pi * 35 * 15 * scale**2, rel=0.12)
    for crop in (crops[0], crops[2]):
        assert np.corrcoef(crop.ravel(), crops[1].ravel())[0, 1] > 0.97
        assert (crop > 15).sum() == pytest.approx((crops[1] > 15).sum(), rel=0.08)
        assert crop.max() == pytest.approx(crops[1].max(), abs=1.5)


@pytest.mark.parametrize(("x", "slots"), [(20, 6), (-10, 6), (40, 6), (-50, 2), (-70, 1)])
def test_a_mouse_that_ran_while_frames_were_lost_is_measured_whole(x: float, slots: int) -> None:
    arena = arena_of()
    state = extraction.init(SETTINGS, arena, 1.0, RATE_HZ)
    for _ in range(40):
        run(state, draw(arena, [(-150, 0, 0.0)]))
    found = run(state, draw(arena, [(x, 0, 0.0)]), slots)
    assert found.x_mm == pytest.approx(x, abs=0.8)
    assert found.length_mm == pytest.approx(70, abs=3)
    assert np.nonzero(found.crop)[1].mean() == pytest.approx(39.5, abs=1)


def test_a_mouse_is_found_among_a_hundred_droppings() -> None:
    arena = arena_of()
    frame = draw(arena, [(0, 120, 0.0)])
    for row in range(14, 140, 12):
        for column in range(14, 300, 20):
            frame[row : row + 9, column : column + 9] = 580
    found = run(extraction.init(SETTINGS, arena, 1.0, RATE_HZ), frame)
    assert found.y_mm == pytest.approx(120, abs=1)
