"""The clock fit finds offset and drift under delays that only ever lengthen a round trip."""

import numpy as np
import pytest

from online.clock_fit import add_exchange, new_clock_fit, to_host_ns, to_ticks


@pytest.mark.parametrize("drift", [0.0, 2e-4, -1.5e-3])
def test_offset_and_drift_are_found(drift: float) -> None:
    rng = np.random.default_rng(1)
    fit = new_clock_fit(1000.0)
    offset_ns = 7_000_000_000_000
    for n in range(2000):
        ticks = 5_000_000 + n * 10_000
        true_ns = offset_ns + round(ticks * 1000 * (1 + drift))
        there, back = 100_000 + rng.exponential(300_000, 2)
        add_exchange(fit, ticks, true_ns + round((back - there) / 2), (there + back) / 2)
    ticks = 5_000_000 + 2000 * 10_000
    true_ns = offset_ns + round(ticks * 1000 * (1 + drift))
    assert abs(to_host_ns(fit, ticks) - true_ns) < 60_000
    assert abs(fit.drift_ppm - drift * 1e6) < 20
    assert abs(to_ticks(fit, to_host_ns(fit, ticks)) - ticks) <= 1


def test_the_first_exchange_alone_already_places_the_clock() -> None:
    fit = new_clock_fit(1000.0)
    add_exchange(fit, 123, 456_000, 1000.0)
    assert to_host_ns(fit, 123) == 456_000
    assert to_host_ns(fit, 1123) == 1_456_000


@pytest.mark.parametrize("jump_ns", [117_000_000, -30_000_000])
def test_a_jump_is_told_and_forgotten_at_once(jump_ns: int) -> None:
    fit = new_clock_fit(1000.0)
    jumps = []
    for n in range(100):
        ticks = n * 10_000
        host_ns = 10**12 + ticks * 1000 + (jump_ns if n >= 50 else 0)
        jumps.append(add_exchange(fit, ticks, host_ns, 200_000))
        assert abs(to_host_ns(fit, ticks) - host_ns) < 200_000
    assert [n for n, jump in enumerate(jumps) if jump] == [50]
    assert abs(jumps[50] - jump_ns) < 200_000
