"""The sync output shows barcodes or strobes, never a stimulus, and falls silent with the host."""

from online import barcode
from rig.ttl import wire
from rig.ttl.limits import limit_values
from rig.ttl.wire import Kind, Reason, State, SyncMode
from tests.firmware.boards_in_time import LIMITS, BoardInTime, HostInTime
from tests.firmware.rules.common import (
    CLOCK_US,
    HEARTBEAT_US,
    JITTER_US,
    LONGEST_SILENCE_US,
    TICK_US,
    armed_host,
    close,
    only_pulse,
)
from tests.firmware.simulated_firmware import SimulatedFirmware


def barcodes_are_shown_and_reported(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin()
    assert host.reason(Kind.SYNC, int(SyncMode.BARCODE), 4711) is Reason.NONE
    host.beat_for(6_000_000)
    shown = [event.fields for event in host.events if event.kind == Kind.BARCODE]
    first = barcode.next_barcode(4711)
    assert [report["barcode"] for report in shown] == [first, barcode.next_barcode(first)]
    expected, level = [], 0
    time_us = shown[0]["time_us"] - host.offset_us
    for wanted, duration_us in (*barcode.segments(first), (0, 0)):
        if wanted != level:
            expected.append((time_us, wanted))
        level, time_us = wanted, time_us + duration_us
    edges = [(t, lv) for t, output, lv in host.edges if output == wire.SYNC_OUTPUT][: len(expected)]
    assert [lv for _, lv in edges] == [lv for _, lv in expected]
    assert all(abs(t - e) < CLOCK_US for (t, _), (e, _) in zip(edges, expected, strict=True))
    assert abs(shown[1]["time_us"] - shown[0]["time_us"] - barcode.PERIOD_US) < JITTER_US
    host.run(100_000)
    assert host.is_low()


def strobes_mark_frames(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin()
    assert host.reason(Kind.STROBE) is Reason.SYNC_MODE
    assert host.reason(Kind.SYNC, int(SyncMode.STROBE), 0) is Reason.NONE
    times = []
    for _ in range(5):
        times.append(host.ask(Kind.STROBE).fields["time_us"])
        host.beat_for(30_000)
    pulses = host.pulses_of(wire.SYNC_OUTPUT)
    assert all(close(width, wire.STROBE_US) for _, width in pulses)
    assert all(abs(rise + host.offset_us - t) < CLOCK_US for (rise, _), t in zip(pulses, times, strict=True))


def sync_output_takes_no_stimulus_and_needs_heartbeats(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(channel=wire.SYNC_OUTPUT) is Reason.CHANNEL
    host.ask(Kind.DISARM)
    host.reason(Kind.SYNC, int(SyncMode.STROBE), 0)
    host.run(60_000)
    assert host.reason(Kind.STROBE) is Reason.SYNC_MODE
    assert host.edges == []


def unknown_sync_modes_are_refused(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin()
    assert host.reason(Kind.SYNC, 3, 5) is Reason.SYNC_MODE
    assert host.reason(Kind.SYNC, int(SyncMode.BARCODE), 0) is Reason.SYNC_MODE
    host.beat_for(100_000)
    assert host.edges == []


def session_and_limits_stand_while_the_sync_output_runs(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin()
    assert host.reason(Kind.SYNC, int(SyncMode.STROBE), 0) is Reason.NONE
    assert host.reason(Kind.SET_LIMITS, *limit_values(LIMITS, interlock=False)) is Reason.NOT_DISARMED
    assert host.reason(Kind.OPEN_SESSION) is Reason.NOT_DISARMED


def strobe_under_way_is_not_begun_again(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin()
    assert host.reason(Kind.SYNC, int(SyncMode.STROBE), 0) is Reason.NONE
    first, second = host.send(Kind.STROBE), host.send(Kind.STROBE)
    host.run(5_000)
    assert [host.answers[n].fields["reason"] for n in (first, second)] == [Reason.NONE, Reason.BUSY]
    _, width = only_pulse(host, wire.SYNC_OUTPUT)
    assert close(width, wire.STROBE_US)


def stop_ends_the_sync_output(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin()
    assert host.reason(Kind.SYNC, int(SyncMode.BARCODE), 4711) is Reason.NONE
    host.beat_for(50_000)
    assert host.reason(Kind.STOP) is Reason.NONE
    shown = len(host.edges)
    assert not host.ask(Kind.STATUS).fields["state"] & State.SYNC
    host.beat_for(6_000_000)
    assert host.is_low()
    assert len(host.edges) == shown > 0


def at_the_moment_of_silence(host: HostInTime, kind: Kind, values: tuple[int, ...], before_us: float) -> float:
    """In strobe mode: a command whose last byte comes so long before the tick that finds the heartbeat lost."""
    host.ask(Kind.STOP)
    assert host.reason(Kind.SYNC, int(SyncMode.STROBE), 0) is Reason.NONE
    host.run(-(host.board.now_us + host.offset_us) % 1000)  # so that no tick comes while the heartbeat is heard
    heard_us = host.ask(Kind.HEARTBEAT).fields["time_us"]
    lost_us = (heard_us - TICK_US) // 1000 * 1000 + TICK_US + HEARTBEAT_US - host.offset_us
    raw = host.bytes_of(kind, *values, expires_in_us=100_000)
    host.run(lost_us - before_us - len(raw) * 20.0 - host.board.now_us)
    host.edges.clear()
    host.board.feed(raw)
    return lost_us


def strobe_at_the_moment_of_silence_never_begins(board: SimulatedFirmware) -> None:
    host = HostInTime(board)
    host.begin()
    for eighth_us in range(400):
        lost_us = at_the_moment_of_silence(host, Kind.STROBE, (), eighth_us / 8)
        host.run(15_000)
        assert host.is_low()
        assert all(time_us < lost_us + CLOCK_US + wire.STROBE_US * (not level) for time_us, _, level in host.edges)


def barcodes_begun_at_the_moment_of_silence_need_heartbeats(board: SimulatedFirmware) -> None:
    host = HostInTime(board)
    host.begin()
    for before_us in range(0, 80, 3):
        lost_us = at_the_moment_of_silence(host, Kind.SYNC, (int(SyncMode.BARCODE), 99), before_us)
        host.run(300_000)
        assert host.is_low()
        assert all(time_us < lost_us + LONGEST_SILENCE_US + CLOCK_US for time_us, _, _ in host.edges)


def barcodes_go_on_when_the_board_disarms(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin(interlock=True)
    for level in (1, 0):
        host.arm()
        assert host.reason(Kind.SYNC, int(SyncMode.BARCODE), 4711) is Reason.NONE
        host.ask(Kind.HEARTBEAT)
        board.set_input(wire.INTERLOCK_INPUT, level)
        host.reason(Kind.DISARM)
        before = len(host.edges)
        host.beat_for(200_000)
        assert len(host.edges) > before
        state = host.ask(Kind.STATUS).fields["state"]
        assert (state & State.SYNC, state & State.ARMED) == (State.SYNC, 0)
        host.ask(Kind.STOP)


def another_seed_begins_another_barcode(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin()
    for seed in (99, 100, 101):
        assert host.reason(Kind.SYNC, int(SyncMode.BARCODE), seed) is Reason.NONE
        host.beat_for(100_000)
    shown = [event.fields["barcode"] for event in host.events if event.kind == Kind.BARCODE]
    assert shown == [barcode.next_barcode(seed) for seed in (99, 100, 101)]


def stop_at_any_moment_of_a_barcode_ends_it(board: SimulatedFirmware) -> None:
    host = HostInTime(board)
    host.begin()
    for after_us in range(0, 1_300, 25):
        host.send(Kind.SYNC, int(SyncMode.BARCODE), 99)
        host.run((wire.HEADER.size + 9 + wire.CRC_BYTES) * 20 + after_us)
        assert host.reason(Kind.STOP) is Reason.NONE
        shown = len(host.edges)
        host.beat_for(40_000)
        assert host.is_low()
        assert len(host.edges) == shown
