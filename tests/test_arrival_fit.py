"""The fitted clock of a camera, against one whose offset, drift and delays are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from online import arrival_fit

MS = 1_000_000
LEAST_DELAY_NS = 300_000


def arrivals(drift: float, num_frames: int, seed: int = 0) -> tuple[NDArray[np.int64], ...]:
    """Device times at 30 Hz, true host times, and arrivals: late by 1.5 ms on average, some by up to 40 ms."""
    rng = np.random.default_rng(seed)
    device = 666_649_624_588_800 + (np.arange(num_frames) * (1e9 / 30)).astype(np.int64)
    host = 5_000_000_000_000 + np.rint((device - device[0]) * (1 + drift)).astype(np.int64)
    delay = LEAST_DELAY_NS + rng.exponential(1.5 * MS, num_frames)
    delay += (rng.random(num_frames) < 0.01) * rng.uniform(0, 40 * MS, num_frames)
    delay[:5] += 50 * MS
    return device, host, host + delay.astype(np.int64)


def run(device: NDArray[np.int64], arrival: NDArray[np.int64]) -> NDArray[np.int64]:
    fit = arrival_fit.init()
    return np.array([arrival_fit.step(fit, int(d), int(a)) for d, a in zip(device, arrival, strict=True)])


@pytest.mark.parametrize("drift", [-80e-6, 0.0, 30e-6, 150e-6])
def test_capture_times_are_true_but_for_the_least_delay(drift: float) -> None:
    device, host, arrival = arrivals(drift, 30 * 300)
    error_ns = run(device, arrival) - host - LEAST_DELAY_NS
    assert abs(error_ns[30:]).max() < 2.5 * MS
    assert abs(error_ns[30 * 20 :]).max() < 0.1 * MS


def test_late_first_frames_are_forgotten_at_the_first_punctual_one() -> None:
    device, host, arrival = arrivals(0.0, 60)
    error_ns = run(device, arrival) - host
    assert error_ns[:5].min() > 40 * MS
    assert error_ns[10:].max() < 3 * MS


def test_a_stall_does_not_move_the_clock() -> None:
    device, host, arrival = arrivals(0.0, 30 * 60)
    arrival[1000:1030] += 900 * MS
    error_ns = run(device, arrival) - host - LEAST_DELAY_NS
    assert abs(error_ns[600:]).max() < 0.2 * MS


def test_memory_stays_bounded() -> None:
    fit = arrival_fit.init()
    device, _, arrival = arrivals(50e-6, 30 * 200)
    for d, a in zip(device.tolist(), arrival.tolist(), strict=True):
        arrival_fit.step(fit, d, a)
    assert len(fit.least) == arrival_fit.NUM_BLOCKS
    assert fit.drift == pytest.approx(50e-6, abs=2e-6)


@settings(deadline=None)
@given(
    steps=st.lists(st.integers(1, 3 * arrival_fit.BLOCK_NS), min_size=1, max_size=60),
    delays=st.lists(st.integers(0, 100 * MS), min_size=60, max_size=60),
)
def test_capture_grows_and_never_lies_after_arrival(steps: list[int], delays: list[int]) -> None:
    device = np.cumsum(steps)
    arrival = np.maximum.accumulate(device + np.array(delays[: len(steps)])) + np.arange(len(steps))
    capture = run(device, arrival)
    assert (np.diff(capture) > 0).all()
    assert (capture <= arrival).all()
