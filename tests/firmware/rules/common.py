"""What the rules share: an armed board, and how close is close."""

from rig.ttl import wire
from rig.ttl.wire import Kind
from tests.firmware.boards_in_time import BoardInTime, HostInTime

JITTER_US = 10.0
CLOCK_US = 100.0  # how well an answer tells the device's clock
HEARTBEAT_US = 50_000.0
LONGEST_SILENCE_US = 51_000.0  # 50 ms, and the tick in which it is noticed
TICK_US = 50  # after each whole millisecond
SLOT = wire.SLOT_US


def armed_host(board: BoardInTime) -> HostInTime:
    """A host with an armed board."""
    host = HostInTime(board)
    host.begin()
    host.arm()
    host.ask(Kind.HEARTBEAT)
    return host


def close(value: float, wanted: float) -> bool:
    """Within the jitter that is allowed."""
    return abs(value - wanted) < JITTER_US


def only_pulse(host: HostInTime, output: int) -> tuple[float, float]:
    """Rise and width of the one pulse that there was."""
    pulses = host.pulses_of(output)
    assert len(pulses) == 1
    return pulses[0]
