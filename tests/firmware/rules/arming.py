"""Armed or not: nothing pulses unless armed, and whatever disarms cuts what is under way."""

from dataclasses import replace

from rig.ttl.wire import Kind, Reason, State
from tests.firmware.boards_in_time import LIMITS, BoardInTime, HostInTime
from tests.firmware.rules.common import CLOCK_US, HEARTBEAT_US, TICK_US, armed_host, only_pulse
from tests.firmware.simulated_firmware import SimulatedFirmware


def boots_low_and_disarmed(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.run(20_000)
    state = host.ask(Kind.STATUS).fields["state"]
    assert not state & (State.ARMED | State.SYNC)
    assert state & State.QUIET
    assert host.edges == []


def never_arms_by_itself(board: BoardInTime) -> None:
    host = armed_host(board)
    board.reset()
    host.run(30_000)
    host.find_clock()
    host.ask(Kind.OPEN_SESSION)
    host.beat_for(1_100_000)
    assert not host.ask(Kind.STATUS).fields["state"] & State.ARMED


def nothing_pulses_unless_armed(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin()
    assert host.pulse() is Reason.NOT_ARMED
    host.arm()
    host.ask(Kind.DISARM)
    assert host.pulse() is Reason.NOT_ARMED
    assert host.edges == []


def stop_is_taken_in_every_state_and_from_anyone(board: BoardInTime) -> None:
    host = HostInTime(board)
    assert host.reason(Kind.STOP) is Reason.NONE
    host.begin()
    assert host.reason(Kind.STOP) is Reason.NONE
    host.arm()
    host.pulse(width=200)
    stranger = HostInTime(board, nonce=0)
    assert stranger.reason(Kind.STOP) is Reason.NONE
    edges = host.edges + stranger.edges
    assert len(edges) == 2
    assert edges[1][0] - edges[0][0] < 10_000
    assert host.pulse() is Reason.NOT_ARMED


def disarming_cuts_pulses(board: BoardInTime) -> None:
    host = armed_host(board)
    host.pulse(width=200)
    assert host.reason(Kind.DISARM) is Reason.NONE
    _, width = only_pulse(host, 0)
    assert width < 10_000
    host.run(50_000)
    assert len(host.edges) == 2
    assert host.pulse() is Reason.NOT_ARMED


def pulse_at_the_moment_of_disarming_never_begins(board: SimulatedFirmware) -> None:
    """The last byte of a command arrives at each moment before the tick that finds the heartbeat lost."""
    host = HostInTime(board)
    host.begin(replace(LIMITS, max_pulses=100_000, max_duty=0.5, min_interval_us=100))
    raw_us = len(host.bytes_of(Kind.PULSE, 6, 0, 50, 0, 1)) * 20.0
    for before_us in range(10, 260, 2):
        host.arm()
        host.run(-(board.now_us + host.offset_us) % 1000)  # so that no tick comes while the heartbeat is heard
        heard_us = host.ask(Kind.HEARTBEAT).fields["time_us"]
        lost_us = (heard_us - TICK_US) // 1000 * 1000 + TICK_US + HEARTBEAT_US - host.offset_us
        host.run(lost_us - before_us - raw_us - board.now_us)
        host.send(Kind.PULSE, 6, 0, 50, 0, 1)
        host.run(20_000)
        assert host.is_low()
        assert all(time_us < lost_us + CLOCK_US for time_us, _, _ in host.edges)
        host.edges.clear()
        host.run(20_000)


def nothing_but_the_eight_outputs_is_driven(board: SimulatedFirmware) -> None:
    """Never D0, D1 (the serial port) nor D13 (which the boot loader blinks)."""
    host = armed_host(board)
    assert [host.pulse(channel=channel) for channel in range(7)] == [Reason.NONE] * 7
    driven, _ = board.pins()
    assert driven == {"PD2", "PD3", "PD4", "PD5", "PD6", "PD7", "PB0", "PB1"}


def disarming_is_reported_once(board: BoardInTime) -> None:
    host = armed_host(board)
    for kind in (Kind.DISARM, Kind.DISARM, Kind.STOP):
        assert host.reason(kind) is Reason.NONE
    assert [event.fields["reason"] for event in host.events if event.kind == Kind.DISARMED] == [Reason.REQUESTED]
