"""Width, interval and count are limited; limits are set only while disarmed and under the ceilings."""

from dataclasses import replace

from rig.ttl import wire
from rig.ttl.limits import limit_values
from rig.ttl.wire import Kind, Reason
from tests.firmware.boards_in_time import LIMITS, TURN_US, BoardInTime, HostInTime
from tests.firmware.rules.common import SLOT, armed_host
from tests.firmware.simulated_firmware import SimulatedFirmware


def width_limit_holds(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=LIMITS.max_width_us // SLOT + 1) is Reason.WIDTH
    assert host.pulse(width=0) is Reason.WIDTH
    assert host.pulse(width=LIMITS.max_width_us // SLOT) is Reason.NONE


def interval_limit_holds_between_trains(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=1) is Reason.NONE
    assert host.pulse(width=1) is Reason.INTERVAL
    host.beat_for(4_000)
    assert host.pulse(width=1) is Reason.NONE


def long_interval_is_remembered(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin(replace(LIMITS, min_interval_us=800_000))
    host.arm()
    assert host.pulse() is Reason.NONE
    for _ in range(7):
        host.beat_for(100_000)
        assert host.pulse() is Reason.INTERVAL
    host.beat_for(150_000)
    assert host.pulse() is Reason.NONE


def interval_limit_holds_within_a_train(board: BoardInTime) -> None:
    host = armed_host(board)
    least = LIMITS.min_interval_us // SLOT
    assert host.pulse(width=10, period=10 + least - 1, count=2) is Reason.INTERVAL
    assert host.pulse(width=10, period=10 + least, count=2) is Reason.NONE


def count_limit_holds(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=1, period=51, count=39) is Reason.NONE
    host.beat_for(230_000)
    assert host.pulse(width=1, period=51, count=2) is Reason.COUNT
    assert host.pulse(width=1) is Reason.NONE
    host.beat_for(10_000)
    assert host.pulse(width=1) is Reason.COUNT
    assert host.pulse(count=0) is Reason.COUNT


def limits_are_set_only_while_disarmed(board: BoardInTime) -> None:
    host = armed_host(board)
    values = limit_values(LIMITS, interlock=False)
    assert host.reason(Kind.SET_LIMITS, *values) is Reason.NOT_DISARMED
    host.ask(Kind.DISARM)
    assert host.reason(Kind.SET_LIMITS, *values) is Reason.NONE


def ceilings_hold(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin()
    good = dict(zip((name for name, _ in wire.LIMIT_FIELDS), limit_values(LIMITS, False), strict=True))
    for name, value in (
        ("max_width_slots", wire.CEILING_WIDTH_US // SLOT + 1),
        ("max_width_slots", 0),
        ("max_duty", wire.CEILING_DUTY + 1),
        ("window_ms", wire.CEILING_WINDOW_MS + 1),
        ("window_ms", wire.LEAST_WINDOW_MS - 1),
        ("min_interval_slots", 0),
        ("min_interval_slots", LIMITS.window_us // SLOT + 1),
        ("max_pulses", wire.CEILING_PULSES + 1),
        ("heartbeat_and_interlock", wire.CEILING_HEARTBEAT_MS + 1),
        ("heartbeat_and_interlock", wire.LEAST_HEARTBEAT_MS - 1),
    ):
        assert host.reason(Kind.SET_LIMITS, *(good | {name: value}).values()) is Reason.CEILING, name
    host.arm()
    assert host.reason(Kind.PULSE, 0, wire.CEILING_DELAY_US // SLOT + 1, 1, 0, 1) is Reason.DELAY
    assert host.reason(Kind.PULSE, 0, 0, 1, wire.CEILING_PERIOD_US // SLOT + 1, 2) is Reason.PERIOD
    assert host.reason(Kind.PULSE, wire.NUM_STIMULUS_OUTPUTS, 0, 1, 0, 1) is Reason.CHANNEL


def new_window_is_quiet_until_it_has_passed(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=10) is Reason.NONE
    host.beat_for(10_000)
    host.ask(Kind.DISARM)
    longer = replace(LIMITS, window_us=1_500_000)
    assert host.reason(Kind.SET_LIMITS, *limit_values(longer, interlock=False)) is Reason.NONE
    host.arm()
    host.beat_for(1_200_000)
    assert host.pulse(width=10) is Reason.QUIET
    host.beat_for(300_000)
    assert host.pulse(width=10) is Reason.NONE


def quiet_time_never_runs_below_nothing(board: SimulatedFirmware) -> None:
    host = HostInTime(board)
    host.begin()
    for n in range(8):
        host.arm()
        host.beat_for(10_000 + 317 * n)
        assert host.pulse(width=7) is Reason.NONE
        host.beat_for(5_000)
        host.ask(Kind.DISARM)
        longer = replace(LIMITS, window_us=1_000_000 + 1_000 * (n + 1))
        assert host.reason(Kind.SET_LIMITS, *limit_values(longer, interlock=False)) is Reason.NONE
        quiet_ms = host.ask(Kind.STATUS).fields["quiet_ms"]
        host.run(quiet_ms * 1000 - TURN_US - 4_000)
        asked = []
        for _ in range(8):
            asked.append(host.send(Kind.STATUS))
            host.run(1_450)
        host.run(5_000)
        assert all(host.answers[number].fields["quiet_ms"] < 20 for number in asked)


def delay_is_part_of_the_interval(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=1) is Reason.NONE
    assert host.pulse(width=1, delay=LIMITS.min_interval_us // SLOT) is Reason.NONE


def interval_holds_at_the_very_end_of_a_train(board: SimulatedFirmware) -> None:
    """A command that is looked at while the train before it ends."""
    host = HostInTime(board)
    host.begin(replace(LIMITS, max_pulses=10_000, max_duty=0.5))
    host.arm()
    command_us = len(host.bytes_of(Kind.PULSE, 0, 0, 1, 0, 1, sequence=0)) * 20
    for after_us in range(-260, 140, 2):
        host.ask(Kind.HEARTBEAT)
        start_us = host.ask(Kind.PULSE, 0, 0, 80, 0, 1).fields["time_us"]
        host.run(start_us - host.offset_us + 80 * SLOT + after_us - command_us - board.now_us)
        number = host.send(Kind.PULSE, 0, 0, 1, 0, 1)
        host.beat_for(15_000)
        assert host.answers[number].fields["reason"] in (Reason.BUSY, Reason.INTERVAL)
