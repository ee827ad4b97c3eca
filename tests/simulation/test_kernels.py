"""Fast kernels beside plain references."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from online.simulation.randomness import normal, set_key, uniform
from online.simulation.render import NOTHING, draw_part, measure

PINHOLE = np.array([100.0, 30.5, 20.5])
SHAPE = (40, 60)
FLOOR_MM = 500.0


def test_splitmix64_gives_its_published_numbers() -> None:
    stream = np.array([1234567], np.uint64)
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    drawn = [uniform(stream) for _ in published]
    np.testing.assert_allclose(drawn, [(word >> 11) / 2**53 for word in published], rtol=0, atol=0)


def test_streams_of_different_keys_are_independent_and_normal() -> None:
    stream = np.zeros(1, np.uint64)
    draws = np.empty((3, 4000))
    for row, (seed, index, purpose) in enumerate([(0, 0, 1), (0, 1, 1), (1, 0, 1)]):
        set_key(stream, seed, index, purpose)
        draws[row] = [normal(stream) for _ in range(4000)]
    assert np.abs(draws.mean(1)).max() < 0.06
    assert np.abs(draws.std(1) - 1).max() < 0.04
    assert np.abs(np.corrcoef(draws) - np.eye(3)).max() < 0.06


def plain_distance(part: np.ndarray) -> np.ndarray:
    """Nearest point of the ellipsoid along each pixel's ray, by scaling the world until it is a sphere."""
    x, y, height, yaw, pitch, along, across, up = part
    forward = np.array([np.cos(pitch) * np.cos(yaw), -np.cos(pitch) * np.sin(yaw), -np.sin(pitch)])
    left = np.array([-np.sin(yaw), -np.cos(yaw), 0.0])
    above = np.cross(left, forward)
    axes = np.stack([forward / along, left / across, above / up])
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    rays = np.stack([(columns - PINHOLE[1]) / PINHOLE[0], (rows - PINHOLE[2]) / PINHOLE[0], np.ones(SHAPE)], -1)
    rays, centre = rays @ axes.T, axes @ np.array([x, y, FLOOR_MM - height])
    a, b, c = (rays**2).sum(-1), rays @ centre, centre @ centre - 1
    inside = b**2 - a * c
    return np.where(inside > 0, (b - np.sqrt(np.maximum(inside, 0))) / a, np.nan)


@given(
    st.tuples(
        st.floats(-60, 60),
        st.floats(-40, 40),
        st.floats(5, 80),
        st.floats(-4, 4),
        st.floats(-1.2, 1.2),
        st.floats(3, 25),
        st.floats(3, 25),
        st.floats(3, 25),
    )
)
def test_an_ellipsoid_is_seen_where_it_is(numbers: tuple[float, ...]) -> None:
    part = np.array(numbers)
    surface = np.full(SHAPE, NOTHING, np.float32)
    draw_part(surface, part, FLOOR_MM, PINHOLE)
    expected = plain_distance(part)
    seen = surface < NOTHING
    sure = np.isfinite(expected)
    assert (seen ^ sure).sum() <= 2  # grazing rays
    np.testing.assert_allclose(surface[seen & sure], expected[seen & sure], rtol=1e-4)


def test_parts_blend_smoothly_and_never_sink() -> None:
    one = np.array([0.0, 0.0, 20.0, 0.0, 0.0, 20.0, 15.0, 12.0])
    other = np.array([14.0, 0.0, 18.0, 0.0, 0.0, 20.0, 15.0, 12.0])
    both = np.full(SHAPE, NOTHING, np.float32)
    draw_part(both, one, FLOOR_MM, PINHOLE)
    draw_part(both, other, FLOOR_MM, PINHOLE)
    nearest = np.fmin(plain_distance(one), plain_distance(other))
    seen = np.isfinite(nearest) & (both < NOTHING)
    lift = nearest[seen] - both[seen]
    assert lift.min() > -0.01
    assert 1.0 < lift.max() <= 1.51  # a quarter of the blending depth where both are equally near


def test_a_flat_disc_is_measured() -> None:
    surface = np.full((200, 200), NOTHING, np.float32)
    rows, columns = np.mgrid[:200, :200]
    pinhole = np.array([400.0, 99.5, 99.5])
    x, y = (columns - 99.5) * 470 / 400, (rows - 99.5) * 470 / 400
    surface[((x - 20) / 40) ** 2 + ((y + 10) / 25) ** 2 < 1] = 470.0
    measured = np.zeros(6)
    measure(surface, 500.0, pinhole, (0, 200, 0, 200), measured)
    np.testing.assert_allclose(measured, [np.pi * 40 * 25, 20, -10, 80, 50, 30], rtol=0.02)
