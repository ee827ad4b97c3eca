"""The host's limits in capture time and those of the boards state some numbers each: they are the same."""

import pytest

from protocols.high_time import DUTY_SCALE
from protocols.limits import BINS_A_WINDOW, PulseLimits
from protocols.schema import Limits
from protocols.schema_types import GRID_US
from rig.ttl import limits as board
from rig.ttl import wire
from rig.ttl.protocol import BoardLimits


def test_the_constants_are_equal() -> None:
    assert BINS_A_WINDOW == wire.NUM_DUTY_BINS
    assert DUTY_SCALE == wire.DUTY_SCALE
    assert GRID_US == wire.SLOT_US


@pytest.mark.parametrize("window_ms", [1000.0, 1001.0, 3217.0, 60_000.0, 100_000.0])
def test_the_reach_is_that_of_the_boards_bins(window_ms: float) -> None:
    ours = Limits(max_width_ms=10, max_duty=0.0333, window_ms=window_ms, min_interval_ms=10, max_pulses=10)
    theirs = BoardLimits(10_000, 0.0333, round(window_ms * 1000), 10_000, 10)
    keeper = board.new_keeper(theirs, 0, 0)
    assert PulseLimits(ours, [0]).reach_ns == keeper.bin_us * 1000 * len(keeper.channels[0].bins)
