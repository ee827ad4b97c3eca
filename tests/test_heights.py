"""Heights are limited before they are narrowed, and gaps are bridged only where both sides are near."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.arena import Arena, Intrinsics
from online.heights import (
    KNOWN,
    MASKED,
    MASKED_MM,
    NO_READING,
    OUTSIDE,
    TOO_HIGH,
    bridge_gaps,
    mark_flanks,
    read_heights,
)
from online.working_grid import working_grid

LOW, HIGH = 10.0, 100.0


def read(frame: np.ndarray, background: np.ndarray, samples: int = 1, rounding: float = 0.5) -> tuple[np.ndarray, ...]:
    size = frame.shape[0] // samples
    heights, gaps = np.full((size, size), 99, np.uint8), np.full((size, size), 99, np.uint8)
    axis = np.arange(frame.shape[0])
    window = (0, 0, size, size)
    scale = (1.0, LOW, HIGH, rounding)
    counts = read_heights(frame, background, (axis, axis, samples), window, scale, heights, gaps)
    return heights, gaps, np.array(counts)


@pytest.mark.parametrize(
    ("above", "height", "kind"),
    [
        (0, 0, KNOWN),
        (9, 0, KNOWN),
        (10, 10, KNOWN),
        (100, 100, KNOWN),
        (101, 0, TOO_HIGH),
        (-10, 0, KNOWN),  # would wrap to 246
        (300, 0, TOO_HIGH),  # would wrap to 44
        (600, 0, NO_READING),  # a count of 0
    ],
)
def test_limits_come_before_the_cast(above: int, height: int, kind: int) -> None:
    frame = np.full((3, 3), 600 - above, np.uint16)
    heights, gaps, count = read(frame, np.full((3, 3), 600, np.float32))
    assert (heights == height).all()
    assert (gaps == kind).all()
    assert tuple(count) == (9 * (kind == NO_READING), 9 * (kind == TOO_HIGH), 0)


def test_a_floor_that_is_not_known_gives_no_height() -> None:
    heights, gaps, count = read(np.full((3, 3), 570, np.uint16), np.zeros((3, 3), np.float32))
    assert not heights.any()
    assert (gaps == OUTSIDE).all()
    assert not count.any()


@pytest.mark.parametrize("samples", [1, 2])
def test_masked_pixels_say_nothing_whatever_they_read(samples: int) -> None:
    background = np.full((4, 4), MASKED_MM, np.float32)
    for reading in (0, 570, 300, 65535):
        heights, gaps, count = read(np.full((4, 4), reading, np.uint16), background, samples)
        assert not heights.any()
        assert (gaps == MASKED).all()
        assert tuple(count) == (0, 0, gaps.size)


def test_wide_masks_are_bridged_for_the_outline_and_stay_covered_and_narrow_ones_are_known_again() -> None:
    for width, kind in ((4, NO_READING), (12, MASKED)):
        background = np.full((60, 60), 600, np.float32)
        background[:, 20 : 20 + width] = MASKED_MM
        heights, gaps, _ = read(np.full((60, 60), 570, np.uint16), background)
        bridge_gaps(heights, gaps, 60, 60)
        assert (heights == 30).all()
        assert (gaps[:, 20 : 20 + width] == kind).all()
        assert (gaps == KNOWN).sum() == 60 * (60 - width)


def test_several_sensor_pixels_are_averaged_without_their_holes() -> None:
    frame = np.array([[560, 570], [0, 580]], np.uint16)
    heights, _, _ = read(frame, np.full((2, 2), 600, np.float32), samples=2)
    assert heights[0, 0] == 30


def test_rounding_is_to_nearest_or_down() -> None:
    background = np.full((1, 1), 600.7, np.float32)
    frame = np.full((1, 1), 570, np.uint16)
    assert read(frame, background)[0][0, 0] == 31
    assert read(frame, background, rounding=0.0)[0][0, 0] == 30


def test_a_cable_across_the_body_is_bridged_and_beside_it_is_floor() -> None:
    frame = np.full((40, 40), 600, np.uint16)
    frame[10:30, 5:35] = 570
    frame[:, 18:24] = 400
    frame[:, 17] = frame[:, 24] = 530  # seen half and half
    heights, gaps, _ = read(frame, np.full((40, 40), 600, np.float32))
    mark_flanks(heights, gaps, 40, 40)
    bridge_gaps(heights, gaps, 40, 40)
    assert (heights[12:28, 5:35] == 30).all()
    assert (heights[:8] == 0).all()
    assert (heights[32:] == 0).all()


def test_what_has_no_near_side_stays_floor() -> None:
    frame = np.full((60, 60), 300, np.uint16)
    heights, gaps, _ = read(frame, np.full((60, 60), 600, np.float32))
    mark_flanks(heights, gaps, 60, 60)
    bridge_gaps(heights, gaps, 60, 60)
    assert not heights.any()


def test_scattered_holes_in_a_slope_are_filled_with_its_heights() -> None:
    slope = np.linspace(20, 80, 60)[None, :] + np.zeros((60, 1))
    frame = np.rint(600 - slope).astype(np.uint16)
    frame[np.random.default_rng(0).random((60, 60)) < 0.2] = 0
    heights, gaps, _ = read(frame, np.full((60, 60), 600, np.float32))
    bridge_gaps(heights, gaps, 60, 60)
    assert np.abs(heights[2:-2, 2:-2] - slope[2:-2, 2:-2]).max() < 2.5


@given(st.floats(200, 1200), st.floats(200, 1200), st.floats(1.0, 3.5))
def test_the_grid_covers_the_region_and_knows_where_it_is(fx_px: float, fy_px: float, mm_per_pixel: float) -> None:
    region = np.zeros((90, 120), bool)
    region[11:80, 7:101] = True
    background = np.full((90, 120), 600, np.float32)
    arena = Arena(background, region, 600.0, (0.0, 0.0, 600.0), Intrinsics(fx_px, fy_px, 60, 45))
    grid = working_grid(arena, mm_per_pixel)
    assert grid.sample_columns.min() >= 7
    assert grid.sample_columns.max() <= 100
    assert grid.sample_rows.min() >= 11
    assert grid.sample_rows.max() <= 79
    centres = grid.sample_columns.reshape(grid.width, grid.samples).mean(1)
    places = np.array([grid.to_sensor(column, 0.0)[0] for column in range(grid.width)])
    inside = places + grid.scale_x / 2 <= 100  # whole pixels of the grid: the last one is cut by the region
    assert np.abs(centres - places)[inside].max() <= 0.5
