"""The emulator and the real firmware keep the same rules, in simulated time."""

from collections.abc import Callable, Iterator

import pytest

from rig.ttl import wire
from rig.ttl.limits import ETHOLOOP, edges_per_s, new_host_limits
from rig.ttl.protocol import PulseTrain
from rig.ttl.wire import Reason
from tests.firmware.boards_in_time import BoardInTime, EmulatorInTime
from tests.firmware.rules.sessions import time_goes_on_when_its_low_half_wraps
from tests.firmware.rules.trains import CROWD, FAST_LIMITS, SLOT
from tests.firmware.short_suite import FIRMWARE_RULES, RULES
from tests.firmware.simulated_firmware import NEAR_WRAP, SimulatedFirmware, build_firmware
from tests.ttl_benches import needs_simavr


@pytest.fixture
def firmware() -> Iterator[SimulatedFirmware]:
    board = SimulatedFirmware(build_firmware())
    board.run_until(15_000)
    yield board
    board.close()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_emulator(rule: Callable[[BoardInTime], None]) -> None:
    rule(EmulatorInTime())


@needs_simavr
@pytest.mark.parametrize("rule", [*RULES, *FIRMWARE_RULES], ids=lambda rule: rule.__name__)
def test_firmware(rule: Callable[[BoardInTime], None], firmware: SimulatedFirmware) -> None:
    rule(firmware)


@needs_simavr
def test_firmware_whose_clock_wraps() -> None:
    board = SimulatedFirmware(build_firmware(NEAR_WRAP))
    board.run_until(15_000)
    time_goes_on_when_its_low_half_wraps(board)
    board.close()


def test_the_host_refuses_the_same_crowd_of_trains_as_the_boards() -> None:
    host = new_host_limits(FAST_LIMITS, ETHOLOOP, 0)
    trains = [PulseTrain(channel, SLOT, period * SLOT, count, 200 * SLOT) for channel, period, count, _ in CROWD]
    said = []
    for n, (train, (_, _, _, expected)) in enumerate(zip(trains, CROWD, strict=True)):
        reason = host.admit(train, 3_000 * n)
        assert reason is expected
        said.append(host.explanation(reason, train, 3_000 * n))
    assert "14001 edges per second; the board serves 14000 in time" in said[3]
    assert host.admit(PulseTrain(0, SLOT, 2 * SLOT, 2), 230_000) is Reason.NONE


def test_the_shortest_period_that_limits_allow_is_served_alone() -> None:
    shortest = PulseTrain(0, wire.MIN_WIDTH_US, 2 * wire.MIN_WIDTH_US, 2)
    assert edges_per_s(shortest) <= wire.CEILING_EDGES_PER_S
