"""Inputs are reported with their time and disturb nothing; the interlock cuts and forbids."""

from dataclasses import replace

from rig.ttl import wire
from rig.ttl.wire import Kind, Reason, State
from tests.firmware.boards_in_time import LIMITS, BoardInTime, HostInTime
from tests.firmware.rules.common import CLOCK_US, SLOT, armed_host, close
from tests.firmware.simulated_firmware import SimulatedFirmware


def interlock_cuts_and_forbids(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin(interlock=True)
    board.set_input(wire.INTERLOCK_INPUT, 0)
    host.run(2_000)
    assert host.reason(Kind.ARM) is Reason.INTERLOCK
    board.set_input(wire.INTERLOCK_INPUT, 1)
    host.run(2_000)
    host.arm()
    host.pulse(width=200)
    opened_us = board.now_us
    board.set_input(wire.INTERLOCK_INPUT, 0)
    host.run(20_000)
    assert host.is_low()
    assert host.edges[-1][0] - opened_us < 1_500
    board.set_input(wire.INTERLOCK_INPUT, 1)
    host.beat_for(20_000)
    assert host.pulse() is Reason.NOT_ARMED
    assert len(host.edges) == 2


def open_interlock_refuses_at_once(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin(interlock=True)
    for phase_us in (0, 170, 340, 510, 680):
        host.arm()
        host.run(6_000 + phase_us)
        raw = host.bytes_of(Kind.PULSE, 0, 0, 10, 0, 1)
        board.feed(raw)
        host.run(len(raw) * 20 - 30)
        board.set_input(wire.INTERLOCK_INPUT, 0)
        host.run(5_000)
        board.set_input(wire.INTERLOCK_INPUT, 1)
        host.run(2_000)
        assert host.answers[host.sequence].fields["reason"] in (Reason.INTERLOCK, Reason.NOT_ARMED)
    assert host.edges == []


def inputs_are_reported_with_their_time(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin()
    at_us = []
    for level in (0, 1, 0):
        at_us.append(board.now_us)
        board.set_input(1, level)
        host.run(2_345)
    reports = [event.fields for event in host.events if event.kind == Kind.INPUT_CHANGED]
    assert [(report["input"], report["level"]) for report in reports] == [(1, 0), (1, 1), (1, 0)]
    for report, time_us in zip(reports, at_us, strict=True):
        assert abs(report["time_us"] - host.offset_us - time_us) < CLOCK_US


def input_that_chatters_disturbs_nothing(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=20, channel=5, period=100, count=6) is Reason.NONE
    for n in range(3_000):
        if n % 200 == 0:
            host.send(Kind.HEARTBEAT)
        board.set_input(0, n % 2)
        host.run(20)
    pulses = host.pulses_of(5)
    assert [close(width, 20 * SLOT) for _, width in pulses] == [True] * 6
    board.set_input(0, 1)
    host.run(20_000)
    assert host.ask(Kind.STATUS).fields["state"] & State.ARMED
    last = [event.fields for event in host.events if event.kind == Kind.INPUT_CHANGED][-1]
    assert (last["input"], last["level"]) == (0, 1)


def chattering_input_leaves_room_for_reports_of_pulses(board: SimulatedFirmware) -> None:
    host = armed_host(board)
    for n in range(600):
        if n % 50 == 0:
            host.send(Kind.HEARTBEAT)
            host.send(Kind.PULSE, 0, 0, 1, 0, 1)
        board.set_input(0, n % 2)
        host.run(200)
    host.run(60_000)
    kinds = [event.kind for event in host.events]
    assert host.ask(Kind.STATUS).fields["lost_events"] > 0
    assert kinds.count(Kind.TRAIN_ENDED) == len(host.pulses_of(0)) == 12
    assert Kind.DISARMED in kinds


def interlock_is_not_pulled_up(board: SimulatedFirmware) -> None:
    """A broken wire must not read as permission."""
    _, pulled_up = board.pins()
    assert pulled_up == {"PC0", "PC1", "PC2"}


def last_level_of_an_input_is_reported(board: BoardInTime) -> None:
    """Whatever was lost on the way, to the wire or before it; and what comes then has its time again."""
    host = HostInTime(board)
    host.begin()
    for gap_us, count in ((200.0, 301), (3.0, 41)):
        for n in range(count):
            board.set_input(0, n % 2)
            host.run(gap_us)
        host.run(60_000)
        reported = [event.fields for event in host.events if event.kind == Kind.INPUT_CHANGED]
        assert reported[-1]["level"] == 0
        for level in (1, 0, 1):
            at_us = board.now_us
            board.set_input(0, level)
            host.run(4_321)
            assert host.events[-1].fields["level"] == level
            assert abs(host.events[-1].fields["time_us"] - host.offset_us - at_us) < CLOCK_US


def changes_that_come_too_fast_are_counted_as_lost(board: SimulatedFirmware) -> None:
    host = HostInTime(board)
    host.begin()
    for n in range(41):
        board.set_input(0, n % 2)
        host.run(3.0)
    host.run(20_000)
    assert host.ask(Kind.STATUS).fields["lost_events"] > 0


def inputs_that_change_together_leave_room_for_reports_of_pulses(board: SimulatedFirmware) -> None:
    host = HostInTime(board)
    host.begin(replace(LIMITS, max_pulses=1_000, min_interval_us=1_000))
    host.arm()
    asked = []
    for n in range(600):
        if n % 5 == 0:
            host.send(Kind.HEARTBEAT)
            asked.append(host.send(Kind.PULSE, 0, 0, 1, 0, 1))
        for index in range(wire.NUM_INPUTS):
            board.set_input(index, n % 2)
        host.run(600 + 17 * (n % 7))
    host.run(60_000)
    kinds = [event.kind for event in host.events]
    assert kinds.count(Kind.TRAIN_ENDED) == len(host.pulses_of(0)) == len(asked)
    assert all(number in host.answers for number in asked)
    assert Kind.DISARMED in kinds


def inputs_are_reported_beside_edges(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin(replace(LIMITS, max_duty=0.5, min_interval_us=100, max_pulses=1_000))
    host.arm()
    assert host.pulse(width=1, period=3, count=300) is Reason.NONE
    at_us = []
    for n in range(60):
        host.send(Kind.HEARTBEAT)
        at_us.append(board.now_us)
        board.set_input(1, n % 2)
        host.run(1_500 + 7.3 * n)
    host.run(10_000)
    reports = [event.fields for event in host.events if event.kind == Kind.INPUT_CHANGED]
    assert [(report["input"], report["level"]) for report in reports] == [(1, n % 2) for n in range(60)]
    for report, time_us in zip(reports, at_us, strict=True):
        assert abs(report["time_us"] - host.offset_us - time_us) < CLOCK_US


def input_as_fast_as_it_is_reported_hangs_nothing(board: SimulatedFirmware) -> None:
    """Glitches too short to be seen, at the very pace at which the board finds that nothing has changed."""
    host = HostInTime(board)
    host.begin()
    period_us = 14.0
    while period_us < 32.0:
        end_us = board.now_us + 20_000
        while board.now_us < end_us:
            board.set_input(0, 0)
            board.set_input(0, 1)
            board.run_for(period_us)
        assert board.resets == 0
        period_us *= 1.004
