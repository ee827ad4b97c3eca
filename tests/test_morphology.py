"""Kernels against scipy: the same numbers, windows bounded, nothing written outside."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from online.errors import ConfigError
from online.morphology import ellipse, label, median3, median_any, open_grey, scratch_for

# Discs of 9 and 5 pixels as OpenCV draws them.
DISC_9 = "000010000 011111110 011111110 111111111 111111111 111111111 011111110 011111110 000010000"
DISC_5 = "00100 11111 11111 11111 00100"


def footprint(text: str) -> np.ndarray:
    return np.array([[int(c) for c in row] for row in text.split()], bool)


def images(seed: int, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.random((height, width)), 2)
    return np.where(rng.random((height, width)) < 0.9, (smooth - smooth.min()) * 900 % 256, 0).astype(np.uint8)


@pytest.mark.parametrize(("diameter", "disc"), [(9, DISC_9), (5, DISC_5)])
def test_the_ellipse_is_the_published_one(diameter: int, disc: str) -> None:
    element = ellipse(diameter)
    drawn = np.zeros((diameter, diameter), bool)
    for row, chord in enumerate(element.chord_of_row):
        radius = diameter // 2
        drawn[row, radius + element.chord_left[chord] : radius + element.chord_right[chord] + 1] = True
    np.testing.assert_array_equal(drawn, footprint(disc))


@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 50))
def test_opening_is_scipys(seed: int, height: int, width: int) -> None:
    image = images(seed, height, width)
    element, disc = ellipse(9), footprint(DISC_9)
    out = np.full((height + 3, width + 5), 7, np.uint8)
    parts = (element.chord_left, element.chord_right, element.chord_of_row, element.row_offset)
    open_grey(image, height, width, parts, scratch_for(element, height, width), out)
    eroded = ndimage.grey_erosion(image, footprint=disc, mode="constant", cval=255)
    expected = ndimage.grey_dilation(eroded, footprint=disc, mode="constant", cval=0)
    np.testing.assert_array_equal(out[:height, :width], expected)
    assert (out[height:] == 7).all()
    assert (out[:, width:] == 7).all()


@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 50))
def test_medians_are_scipys(seed: int, height: int, width: int) -> None:
    image = images(seed, height, width)
    out = np.zeros_like(image)
    median3(image, height, width, np.zeros((height + 2, width + 2), np.uint8), out)
    np.testing.assert_array_equal(out, ndimage.median_filter(image, 3, mode="nearest"))
    median_any(image, height, width, 5, np.zeros(25, np.uint8), out)
    np.testing.assert_array_equal(out, ndimage.median_filter(image, 5, mode="nearest"))


@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 50))
def test_components_are_scipys(seed: int, height: int, width: int) -> None:
    mask = (np.random.default_rng(seed).random((height, width)) < 0.45).astype(np.uint8)
    labels = np.zeros((height, width), np.int32)
    count = label(mask, height, width, 0, np.zeros(height * width // 2 + 2, np.int32), labels)
    expected, expected_count = ndimage.label(mask, np.ones((3, 3)))
    assert count == expected_count
    np.testing.assert_array_equal(labels, expected)


def test_an_impossible_element_is_refused() -> None:
    with pytest.raises(ConfigError, match="diameter"):
        ellipse(0)
