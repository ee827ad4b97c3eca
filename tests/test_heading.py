"""Moments against a plain reference, and the filter that tells nose from tail."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from online import heading
from online.heading import HeadingEvidence, HeadingSettings, HeadingState
from online.moments import shape_of
from online.segmentation import NUM_SUMS, tabulate

SETTINGS = HeadingSettings()
DT = 1 / 30


def drop_shape(angle: float, narrow: float = 0.5) -> np.ndarray:
    """Mask (120, 120) of a body 60 px long, broad behind and narrow in front, its nose towards `angle`."""
    y, x = np.mgrid[:120, :120] - 59.5
    along, across = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
    return (np.abs(along) < 30) & (np.abs(across) < 13 * (1 - narrow * (along + 30) / 60))


def line_of(mask: np.ndarray, origin: tuple[int, int] = (0, 0)) -> np.ndarray:
    table = np.zeros((4, NUM_SUMS))
    grid = np.zeros((mask.shape[0] + origin[0], mask.shape[1] + origin[1]), np.uint8)
    tabulate(mask.astype(np.uint8) * 30, mask.astype(np.int32), (*origin, *mask.shape), grid, table)
    return table[0]


@given(
    st.floats(-3.1, 3.1), st.tuples(st.integers(0, 300), st.integers(0, 300)), st.floats(0.5, 3), st.floats(0.9, 1.1)
)
def test_shape_is_the_plain_moments(angle: float, origin: tuple[int, int], scale: float, ratio: float) -> None:
    mask = drop_shape(angle)
    shape = shape_of(line_of(mask, origin), (scale, scale * ratio))
    rows, columns = np.nonzero(mask)
    points = np.stack([columns * scale, rows * scale * ratio])
    points -= points.mean(1, keepdims=True)
    variances, axes = np.linalg.eigh(np.cov(points, bias=True))
    assert shape.length_mm == pytest.approx(4 * math.sqrt(variances[1]))
    assert shape.width_mm == pytest.approx(4 * math.sqrt(variances[0]))
    axis = np.array([math.cos(shape.axis_rad), -math.sin(shape.axis_rad)])
    assert abs(axis @ axes[:, 1]) == pytest.approx(1)
    u, v = axis @ points, np.array([-axis[1], axis[0]]) @ points
    expected = (u**3).mean() / u.std() ** 3 - (u * v * v).mean() / (u.std() * v.var())
    assert shape.taper == pytest.approx(expected, abs=1e-6)
    if abs(ratio - 1) < 0.01:
        assert abs(math.remainder(shape.axis_rad - angle, math.pi)) < 0.05
        assert (shape.taper > 0) == (abs(math.remainder(shape.axis_rad - angle, 2 * math.pi)) < 1)


def test_a_single_pixel_and_a_line_have_a_shape() -> None:
    for mask in (np.eye(1, dtype=bool), np.ones((1, 9), bool)):
        shape = shape_of(line_of(mask), (1.0, 1.0))
        assert all(math.isfinite(value) for value in (shape.axis_rad, shape.length_mm, shape.width_mm, shape.taper))


def evidence(axis: float, moved: tuple[float, float] = (0.0, 0.0), **other: float) -> HeadingEvidence:
    values = {"elongation": 0.4, "elapsed_s": DT, "taper": 0.0} | other
    return HeadingEvidence(math.remainder(axis, math.pi), moved_mm=moved, **values)


def towards(state: HeadingState, angle: float) -> bool:
    return abs(math.remainder(state.heading_rad - angle, 2 * math.pi)) < math.pi / 2


@pytest.mark.parametrize("direction", [0.3, 2.0, -1.0, 3.1])
def test_walking_tells_the_nose(direction: float) -> None:
    state = HeadingState()
    step = (4 * math.cos(direction), -4 * math.sin(direction))
    for _ in range(20):
        heading.step(state, evidence(direction, step), SETTINGS)
    assert towards(state, direction)
    assert state.probability > 0.99


@pytest.mark.parametrize("direction", [0.3, 2.0, -1.0, 3.1])
def test_shape_tells_the_nose_of_a_mouse_that_sits(direction: float) -> None:
    state = HeadingState()
    toward_nose = abs(math.remainder(math.remainder(direction, math.pi) - direction, 2 * math.pi)) < 1
    for _ in range(20):
        heading.step(state, evidence(direction, taper=0.3 if toward_nose else -0.3), SETTINGS)
    assert towards(state, direction)
    assert state.probability > 0.99


def test_a_trained_classifier_counts_instead_of_the_taper() -> None:
    state = HeadingState()
    for _ in range(20):
        frame = replace(evidence(0.0, taper=0.3), classified_log_odds=-2.0)
        heading.step(state, frame, SETTINGS)
    assert towards(state, math.pi)


def test_trembling_on_the_spot_tells_nothing() -> None:
    state = HeadingState()
    for index in range(600):
        heading.step(state, evidence(0.0, (3.0 if index % 2 else -3.0, 0.0)), SETTINGS)
    assert state.probability < 0.7


def test_a_few_steps_backwards_do_not_turn_a_sure_heading() -> None:
    state = HeadingState()
    for _ in range(40):
        heading.step(state, evidence(0.0, (5.0, 0.0)), SETTINGS)
    for _ in range(6):
        heading.step(state, evidence(0.0, (-4.0, 0.0)), SETTINGS)
    assert towards(state, 0.0)
    for _ in range(40):
        heading.step(state, evidence(0.0, (-5.0, 0.0)), SETTINGS)
    assert towards(state, math.pi)  # but an error is mended


def test_turning_round_is_followed_through_every_angle() -> None:
    state = HeadingState()
    for _ in range(30):
        heading.step(state, evidence(0.0, (5.0, 0.0)), SETTINGS)
    for index in range(200):
        angle = index * 0.1
        heading.step(state, evidence(angle), SETTINGS)
        assert towards(state, angle)
    assert state.heading_rad == pytest.approx(199 * 0.1)
    assert state.turned_rad == pytest.approx(0.1)


def test_a_leap_of_the_axis_makes_the_heading_doubtful() -> None:
    state = HeadingState()
    for _ in range(40):
        heading.step(state, evidence(0.0, (5.0, 0.0)), SETTINGS)
    sure = state.probability
    heading.step(state, evidence(math.pi / 2 - 0.05), SETTINGS)
    assert sure > 0.99
    assert state.probability < 0.6


@given(
    st.lists(
        st.tuples(st.floats(-9, 9), st.floats(-1e4, 1e4), st.floats(0, 1), st.floats(1e-3, 5), st.floats(-50, 50)),
        min_size=1,
        max_size=30,
    )
)
def test_whatever_comes_the_probability_is_one(steps: list[tuple[float, ...]]) -> None:
    state = HeadingState()
    for axis, moved, elongation, elapsed, taper in steps:
        given_ = evidence(axis, (moved, -moved), elongation=elongation, elapsed_s=elapsed, taper=taper)
        heading.step(state, given_, SETTINGS)
        assert 0.5 <= state.probability < 1
        assert math.isfinite(state.heading_rad)
        assert abs(math.remainder(state.heading_rad - axis, math.pi)) < 1e-6
