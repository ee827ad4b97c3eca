"""The mouse stays the mouse beside hands, things, and its own mirror image; covered, it is missing."""

import math

import numpy as np
import pytest

from online import extraction
from online.extraction import ExtractionState
from tests.bodies import FLOOR_MM, RATE_HZ, SETTINGS, arena_of, draw, run

ARENA = arena_of()


def tracked(state: ExtractionState, frame: np.ndarray, x: float, y: float) -> bool:
    found = run(state, frame)
    return not found.missing and math.hypot(found.x_mm - x, found.y_mm - y) < 3


def settled() -> ExtractionState:
    """A mouse at (0, 0) that has walked about for two seconds."""
    state = extraction.init(SETTINGS, ARENA, 1.0, RATE_HZ)
    for step in range(60):
        assert tracked(state, draw(ARENA, [(50 * math.cos(step / 10) - 50, 0, 0.0)]), 50 * math.cos(step / 10) - 50, 0)
    return state


def hand(x: float, y: float, frame: np.ndarray) -> np.ndarray:
    """A hand and arm from the right, fingers as high as a mouse, the arm too high to be one."""
    fingers = draw(ARENA, [(x + 30, y, 0.0)], length=80, width=70, top=60)
    arm = draw(ARENA, [(x + 120, y, 0.0)], length=160, width=60, top=180)
    return np.minimum(np.minimum(frame, fingers), arm)


def test_a_hand_that_comes_near_does_not_take_over() -> None:
    state = settled()
    for x in range(170, 40, -5):
        assert tracked(state, hand(x, 60, draw(ARENA, [(0, 0, 0.0)])), 0, 0)


def test_a_hand_over_the_mouse_makes_it_missing_and_its_leaving_brings_it_back() -> None:
    state = settled()
    mouse = draw(ARENA, [(0, 0, 0.0)])
    palms = [draw(ARENA, [(x, 0, 0.0)], length=100, width=70, top=70) for x in range(150, -1, -6)]
    covered = [run(state, np.minimum(palm, mouse)).missing for palm in palms]
    assert not covered[0]
    assert all(covered[15:])
    assert not run(state, mouse).missing
    assert tracked(state, mouse, 0, 0)


def test_a_mouse_lifted_out_is_missing_and_found_where_it_is_put_back() -> None:
    state = settled()
    run(state, draw(ARENA, [(0, 0, 0.0)]))
    assert all(run(state, draw(ARENA, [])).missing for _ in range(300))
    assert tracked(state, draw(ARENA, [(90, -60, 1.0)]), 90, -60)


def test_droppings_are_never_the_mouse() -> None:
    state = extraction.init(SETTINGS, ARENA, 1.0, RATE_HZ)
    droppings = draw(ARENA, [(x, 40, 0.0) for x in range(-100, 101, 40)], length=9, width=5, top=14)
    assert run(state, droppings).missing
    assert tracked(state, np.minimum(droppings, draw(ARENA, [(0, 38, 0.0)])), 0, 38)


def test_a_mirror_image_at_the_wall_does_not_take_over() -> None:
    state = settled()
    for step in range(80):
        y = 1.0 * min(step, 60)
        image = draw(ARENA, [(0, 168 - y, 0.0)], length=66, width=24, top=22)
        found = run(state, np.minimum(draw(ARENA, [(0, y, 0.0)]), image))
        assert not found.missing
        assert math.hypot(found.x_mm, found.y_mm - y) < 3
    assert found.crop.max() <= 31
    assert (found.crop > 0).sum() < 1.3 * math.pi * 35 * 15 / 1.6**2


@pytest.mark.parametrize("size", [{"length": 110, "width": 60}, {"length": 60, "width": 28}])
def test_a_thing_that_was_taken_for_the_mouse_is_given_up_when_the_mouse_moves(size: dict[str, float]) -> None:
    state = extraction.init(SETTINGS, ARENA, 1.0, RATE_HZ)
    thing = draw(ARENA, [(-90, -60, 0.0)], top=40, **size)
    for _ in range(10):
        run(state, thing)
    for step in range(90):
        x = 40 + 50 * math.sin(step / 8)
        found = run(state, np.minimum(thing, draw(ARENA, [(x, 40, 0.0)])))
    assert math.hypot(found.x_mm - x, found.y_mm - 40) < 3


def test_a_sleeping_mouse_is_not_given_up_for_a_thing() -> None:
    state = settled()
    thing = draw(ARENA, [(-90, -60, 0.0)], top=40, length=110, width=60)
    for step in range(120):
        moving = draw(ARENA, [(40 + 50 * math.sin(step / 8), 80, 0.0)], length=50)
        assert tracked(state, np.minimum(np.minimum(thing, moving), draw(ARENA, [(0, 0, 0.0)])), 0, 0)


def test_a_tether_crosses_the_body_without_moving_it() -> None:
    state = settled()
    rows, columns = np.indices(ARENA.region.shape)
    for step in range(40):
        angle = step * 0.15
        distance = (columns - 159.5) * math.sin(angle) + (rows - 119.5) * math.cos(angle)
        outward = (columns - 159.5) * math.cos(angle) - (rows - 119.5) * math.sin(angle)
        frame = draw(ARENA, [(0, 0, 0.0)])
        frame[(np.abs(distance) < 3) & (outward > -3)] = FLOOR_MM - 200
        frame[(np.abs(np.abs(distance) - 3.5) < 0.5) & (outward > -3)] -= 60
        found = run(state, frame)
        assert math.hypot(found.x_mm, found.y_mm) < 3
        assert abs(math.remainder(found.heading_rad, math.pi)) < 0.15
        assert found.length_mm == pytest.approx(70, abs=7)
