"""Crops and outlines against plain references."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from online.contour import polygon_sums
from online.crop import area_and_height, published_crop, rotate_crop
from online.segmentation import AREA, NUM_SUMS, SUM_X, SUM_XX, SUM_XY, SUM_Y, SUM_YY

SIZE = 80


def heights_of(seed: int) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(150, 160)), 3)
    return np.clip(noise / noise.std() * 40, 0, 100).astype(np.uint8)


def sampled(image: np.ndarray, column: float, row: float, angle: float) -> np.ndarray:
    """Plain bilinear sampling, crop pixel (40, 40) at (column, row)."""
    down, right = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    x = column + right * math.cos(angle) + down * math.sin(angle)
    y = row - right * math.sin(angle) + down * math.cos(angle)
    return ndimage.map_coordinates(image.astype(float), [y, x], order=1, mode="grid-constant")


@given(st.integers(0, 99), st.floats(0, 159), st.floats(0, 149), st.floats(-4, 4))
def test_a_crop_is_plain_bilinear_sampling(seed: int, column: float, row: float, angle: float) -> None:
    image = heights_of(seed)
    labels = np.zeros(image.shape, np.int32)
    raw, clean = np.zeros((2, SIZE, SIZE), np.uint8)
    rotate_crop((image, image), labels, 1, image.shape, (column, row, angle, 1.0), (raw, clean))
    expected = sampled(image, column, row, angle)
    assert np.abs(raw - expected).max() <= 0.51
    np.testing.assert_array_equal(raw, clean)


def test_other_bodies_are_left_out_of_a_crop() -> None:
    image = np.full((100, 100), 50, np.uint8)
    labels = np.zeros((100, 100), np.int32)
    labels[:, :40], labels[:, 60:] = 1, 2
    raw, clean = np.zeros((2, SIZE, SIZE), np.uint8)
    rotate_crop((image, image), labels, 1, image.shape, (50.0, 50.0, 0.0, 1.0), (raw, clean))
    assert (raw[:, :49] == 50).all()
    assert (raw[:, 51:] == 0).all()


@given(st.integers(0, 99), st.floats(20, 140), st.floats(20, 130), st.floats(-1.5, 1.5))
def test_the_published_crop_turns_an_upright_window(seed: int, column: float, row: float, angle: float) -> None:
    image = heights_of(seed)
    padded = np.pad(image, SIZE)
    upright = padded[int(row) + 40 : int(row) + 120, int(column) + 40 : int(column) + 120]
    expected = sampled(upright, 40, 40, angle)
    crop, clean = np.zeros((2, SIZE, SIZE), np.uint8)
    published_crop((image, image), image.shape, (column, row, angle), False, (crop, clean))
    steepest = max(np.abs(np.diff(padded.astype(int), axis=axis)).max() for axis in (0, 1))
    assert np.abs(crop - expected).max() <= 0.51 + steepest / 16  # positions are rounded to 1/32 pixel
    assert abs(crop.mean() - expected.mean()) < 0.1
    turned = np.zeros((SIZE, SIZE), np.uint8)
    published_crop((image, image), image.shape, (column, row, angle), True, (turned, clean))
    np.testing.assert_array_equal(turned, np.rot90(crop, 2))


def test_area_counts_pixels_strictly_between_the_limits() -> None:
    crop = np.zeros((SIZE, SIZE), np.uint8)
    crop[0, :4] = (10, 11, 99, 100)
    assert area_and_height(crop, 10.0, 100.0) == (2, 55.0)
    assert area_and_height(np.zeros((SIZE, SIZE), np.uint8), 10.0, 100.0) == (0, 0.0)


def outline_of(mask: np.ndarray, origin: tuple[int, int] = (0, 0)) -> np.ndarray:
    line = np.full(NUM_SUMS, -1.0)
    polygon_sums(mask.astype(np.int32), 1, (*origin, *mask.shape), line)
    return line


def test_the_outline_of_a_rectangle_runs_through_its_border_pixels() -> None:
    mask = np.zeros((30, 40), bool)
    mask[5:15, 7:28] = True  # columns 7 ... 27, rows 5 ... 14
    mask[8:11, 12:15] = False  # a hole changes no outline
    line = outline_of(mask, (100, 200))
    assert line[AREA] == pytest.approx(20 * 9)
    x, y = line[SUM_X] / line[AREA], line[SUM_Y] / line[AREA]
    assert (x, y) == (pytest.approx(217), pytest.approx(109.5))
    assert line[SUM_XX] / line[AREA] - x * x == pytest.approx(20**2 / 12)
    assert line[SUM_YY] / line[AREA] - y * y == pytest.approx(9**2 / 12)
    assert line[SUM_XY] / line[AREA] - x * y == pytest.approx(0, abs=1e-6)


def test_the_outline_of_a_triangle_has_the_triangles_moments() -> None:
    rows, columns = np.mgrid[:41, :41]
    line = outline_of(columns <= rows)  # corners (0, 0), (0, 40), (40, 40)
    assert line[AREA] == pytest.approx(800)
    assert line[SUM_X] / line[AREA] == pytest.approx(40 / 3)
    assert line[SUM_Y] / line[AREA] == pytest.approx(80 / 3)


@given(st.integers(0, 2000))
def test_any_outline_ends_and_encloses_less_than_its_pixels(seed: int) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(25, 31)), seed % 4)
    labels, count = ndimage.label(noise > 0, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    for number in range(1, count + 1):
        line = outline_of(labels == number)
        if line[AREA] < 0:
            continue  # a line or a point has no outline
        filled = ndimage.binary_fill_holes(labels == number).sum()
        assert 0 < line[AREA] < filled
        assert line[AREA] + 1.5 * sizes[number - 1] > filled
