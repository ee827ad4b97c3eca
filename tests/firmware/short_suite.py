"""What every Etholoop board must do and refuse, one function a rule, in simulated time.

Each function takes a fresh board and raises AssertionError when it breaks the rule. The emulator, the real firmware
and each mutant of it go through all of them.
"""

import struct
from collections.abc import Callable
from dataclasses import replace

from online import barcode
from rig.ttl import wire
from rig.ttl.limits import limit_values
from rig.ttl.wire import Kind, Reason, State, SyncMode
from tests.firmware import crowds
from tests.firmware.boards_in_time import LIMITS, TURN_US, BoardInTime, HostInTime
from tests.firmware.simulated_firmware import SimulatedFirmware

JITTER_US = 10.0
CLOCK_US = 100.0  # how well an answer tells the device's clock
HEARTBEAT_US = 50_000.0
WATCHDOG_US = 30_000.0
LONGEST_SILENCE_US = 51_000.0  # 50 ms, and the tick in which it is noticed
TICK_US = 50  # after each whole millisecond
SLOT = wire.SLOT_US
RECORD_BYTES = 35  # of the store
FAST_LIMITS = replace(LIMITS, max_duty=0.5, min_interval_us=100, max_pulses=3_000)
CROWD = (  # channel, period in slots, count, and the answer; trains that begin together, with a pulse of one slot
    (0, 3, 200, Reason.NONE),  # 6,667 edges per second, rounded up
    (1, 3, 200, Reason.NONE),
    (2, 2, 200, Reason.BUSY),
    (2, 30, 2, Reason.BUSY),  # 667, rounded up: 14,001 together
    (2, 31, 20, Reason.NONE),  # 646
    (3, 0, 1, Reason.NONE),
    (4, 1_000, 2, Reason.NONE),  # 20: 14,000 together
    (5, wire.CEILING_PERIOD_US // SLOT, 2, Reason.BUSY),
    (5, 0, 1, Reason.NONE),
)


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


def boots_low_and_disarmed(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.run(20_000)
    state = host.ask(Kind.STATUS).fields["state"]
    assert not state & (State.ARMED | State.SYNC)
    assert state & State.QUIET
    assert host.edges == []


def pulse_has_its_width_and_time(board: BoardInTime) -> None:
    host = armed_host(board)
    answer = host.ask(Kind.PULSE, 2, 30, 15, 0, 1)
    host.beat_for(10_000)
    rise, width = only_pulse(host, 2)
    assert close(width, 15 * SLOT)
    assert abs(rise + host.offset_us - answer.fields["time_us"]) < CLOCK_US
    ended = next(event for event in host.events if event.kind == Kind.TRAIN_ENDED)
    assert (ended.fields["channel"], ended.fields["pulses"]) == (2, 1)
    assert ended.fields["reason"] == Reason.COMPLETED


def train_is_finite_and_regular(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=20, channel=5, period=100, count=6) is Reason.NONE
    host.beat_for(200_000)
    pulses = host.pulses_of(5)
    assert len(pulses) == 6
    assert all(close(width, 20 * SLOT) for _, width in pulses)
    assert all(close(rise - pulses[0][0], n * 100 * SLOT) for n, (rise, _) in enumerate(pulses))


def trains_on_two_channels_do_not_meet(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=3, channel=0, period=60, count=5) is Reason.NONE
    assert host.pulse(width=7, channel=6, delay=2, period=71, count=4) is Reason.NONE
    host.beat_for(60_000)
    assert [close(width, 3 * SLOT) for _, width in host.pulses_of(0)] == [True] * 5
    assert [close(width, 7 * SLOT) for _, width in host.pulses_of(6)] == [True] * 4


def far_edge_comes_on_time(board: BoardInTime) -> None:
    host = armed_host(board)
    answer = host.ask(Kind.PULSE, 1, 18_000, 10, 0, 1)
    host.beat_for(1_900_000)
    rise, width = only_pulse(host, 1)
    assert close(width, 10 * SLOT)
    assert abs(rise + host.offset_us - answer.fields["time_us"]) < CLOCK_US


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


def duty_limit_holds_over_a_sliding_window(board: BoardInTime) -> None:
    host = armed_host(board)
    for _ in range(9):
        assert host.pulse(width=200) is Reason.NONE
        host.beat_for(30_000)
    assert host.pulse(width=200, period=260, count=2) is Reason.DUTY
    assert host.pulse(width=200) is Reason.NONE
    host.beat_for(30_000)
    assert host.pulse(width=200) is Reason.DUTY
    host.beat_for(500_000)
    assert host.pulse(width=200) is Reason.DUTY
    host.beat_for(270_000)
    assert host.pulse(width=200) is Reason.NONE


def duty_limit_holds_to_the_slot(board: BoardInTime) -> None:
    """At the moment that old light leaves the window, wherever the board's own bins begin and end."""
    host = HostInTime(board)
    limits = replace(LIMITS, max_duty=0.006, window_us=1_011_000, min_interval_us=100, max_pulses=10_000)
    allowed_us = limits.window_us * limits.max_duty // SLOT * SLOT
    bin_us = (limits.window_us // SLOT // wire.NUM_DUTY_BINS + 1) * SLOT
    host.begin(limits)
    bins_us = host.answers[host.sequence].fields["time_us"]  # the bins begin anew with the limits
    host.arm()
    for before_us in range(0, 3_000, 3 * SLOT):
        since_us = (host.board.now_us + host.offset_us - bins_us) % bin_us
        delay = round(2 * bin_us - since_us - 1_000 - before_us) // SLOT
        assert host.pulse(width=10, delay=delay) is Reason.NONE
        host.beat_for(delay * SLOT - 8_000)
        for _ in range(40):  # so that a bin is closed late
            host.send(Kind.STATUS)
        host.run(30_000)
        host.beat_for(20_000)
        old_us = host.pulses_of(0)[-1][0]
        for _ in range(5):
            assert host.pulse(width=10) is Reason.NONE
            host.beat_for(5_000)
        host.beat_for(old_us + limits.window_us - 3_000 - host.board.now_us)
        for n in range(8):
            host.send(Kind.PULSE, 0, 0, 1, 0, 1) if n % 6 else host.send(Kind.HEARTBEAT)
            host.run(710)
        host.beat_for(limits.window_us + 10_000)
    pulses = host.pulses_of(0)
    for n, (rise, width) in enumerate(pulses):
        from_us = rise + width - limits.window_us
        used_us = sum(r + w - max(r, from_us) for r, w in pulses[: n + 1] if r + w > from_us)
        assert used_us <= allowed_us, f"{used_us:.0f} us in a window"


def duty_limit_holds_for_a_long_train(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=100, period=490, count=30) is Reason.DUTY
    assert host.pulse(width=100, period=510, count=30) is Reason.NONE


def duty_counts_pulses_that_were_cut(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin(replace(LIMITS, max_duty=0.1))
    for _ in range(6):
        host.arm()
        host.beat_for(6_000)
        assert host.pulse(width=200) is Reason.NONE
        host.beat_for(12_000)
        assert host.reason(Kind.DISARM) is Reason.NONE
    host.arm()
    host.beat_for(6_000)
    assert host.pulse(width=200) is Reason.DUTY


def duty_and_count_survive_disarming(board: BoardInTime) -> None:
    host = armed_host(board)
    for _ in range(10):
        assert host.pulse(width=200) is Reason.NONE
        host.beat_for(30_000)
    host.ask(Kind.DISARM)
    host.arm()
    host.beat_for(6_000)
    assert host.pulse(width=200) is Reason.DUTY
    assert host.ask(Kind.STATUS).fields["pulses"] == 10


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


def silence_drops_the_lines_and_disarms(board: BoardInTime) -> None:
    host = armed_host(board)
    host.beat_for(20_000)
    assert host.pulse(width=10, period=100, count=20) is Reason.NONE
    host.send(Kind.HEARTBEAT)
    last_us = host.board.now_us
    host.run(300_000)
    assert host.is_low()
    assert max(time_us for time_us, _, _ in host.edges) < last_us + LONGEST_SILENCE_US + 1_000
    assert len(host.edges) >= 8
    assert any(e.kind == Kind.DISARMED and e.fields["reason"] == Reason.HEARTBEAT_LOST for e in host.events)
    host.beat_for(50_000)
    assert host.pulse() is Reason.NOT_ARMED


def heartbeat_of_another_session_is_none(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=10, period=100, count=20) is Reason.NONE
    stranger = HostInTime(board, nonce=78, sequence=1000, offset_us=host.offset_us)
    stranger.beat_for(150_000)
    host.edges += stranger.edges
    assert max(time_us for time_us, _, _ in host.edges) - host.edges[0][0] < LONGEST_SILENCE_US


def late_commands_are_refused(board: BoardInTime) -> None:
    host = armed_host(board)
    for expires_in_us in (-10_000, -1_000, 2_000_000, 2_000_000_000):
        assert host.reason(Kind.PULSE, 0, 0, 10, 0, 1, expires_in_us=expires_in_us) is Reason.EXPIRED
        assert host.reason(Kind.HEARTBEAT, expires_in_us=expires_in_us) is Reason.EXPIRED
        assert host.reason(Kind.ARM, expires_in_us=expires_in_us) is Reason.EXPIRED
        host.beat_for(10_000)
    assert host.edges == []


def stale_heartbeats_do_not_keep_it_alive(board: BoardInTime) -> None:
    host = armed_host(board)
    host.pulse(width=10, period=100, count=20)
    beats = [host.bytes_of(Kind.HEARTBEAT, expires_in_us=25_000) for _ in range(8)]
    for beat in beats:
        host.run(30_000)
        board.feed(beat)
    assert host.is_low()
    assert max(time_us for time_us, _, _ in host.edges) - host.edges[0][0] < 2 * LONGEST_SILENCE_US


def duplicates_are_answered_and_not_repeated(board: BoardInTime) -> None:
    host = armed_host(board)
    raw = host.bytes_of(Kind.PULSE, 0, 0, 10, 0, 1)
    board.feed(raw)
    host.run(3_000)
    first = host.answers[host.sequence]
    host.beat_for(8_000)
    again = host.bytes_of(Kind.PULSE, 0, 0, 10, 0, 1, sequence=first.sequence)
    board.feed(again)
    host.run(5_000)
    second = host.answers[first.sequence]
    assert len(host.pulses_of(0)) == 1
    assert second.fields["state"] & State.DUPLICATE
    assert second.fields["time_us"] == first.fields["time_us"]
    for _ in range(10):
        host.beat_for(10_000)
    assert host.reason(Kind.PULSE, 0, 0, 10, 0, 1, sequence=2) is Reason.STALE_SEQUENCE
    assert len(host.pulses_of(0)) == 1


def commands_of_another_session_are_refused(board: BoardInTime) -> None:
    host = armed_host(board)
    stranger = HostInTime(board, nonce=78, sequence=1000, offset_us=host.offset_us)
    assert stranger.pulse() is Reason.WRONG_SESSION
    assert stranger.reason(Kind.DISARM) is Reason.WRONG_SESSION
    assert stranger.reason(Kind.OPEN_SESSION) is Reason.NOT_DISARMED
    assert stranger.edges == []


def damaged_frames_do_nothing(board: BoardInTime) -> None:
    host = armed_host(board)
    raw = host.bytes_of(Kind.PULSE, 0, 0, 10, 0, 1)
    for at in range(len(raw)):
        for bit in (0, 7):
            damaged = bytearray(raw)
            damaged[at] ^= 1 << bit
            board.feed(bytes(damaged))
            host.send(Kind.HEARTBEAT)
            host.run(3_000)
    assert host.edges == []
    host.run(1_000)
    assert host.ask(Kind.STATUS).fields["bad_frames"] > 0


def frames_with_another_magic_do_nothing(board: BoardInTime) -> None:
    host = armed_host(board)
    for magic in (wire.MAGIC ^ 1, wire.MAGIC ^ 0x100):
        raw = host.bytes_of(Kind.PULSE, 0, 0, 10, 0, 1)
        body = magic.to_bytes(2, "little") + raw[2:-4]
        board.feed(body + wire.zlib.crc32(body).to_bytes(4, "little"))
        host.run(3_000)
        host.ask(Kind.HEARTBEAT)
    assert host.edges == []


def malformed_frames_are_refused(board: BoardInTime) -> None:
    host = armed_host(board)
    for kind, length in ((Kind.PULSE, 4), (Kind.STOP, 1), (0x30, 0), (Kind.HEARTBEAT, 0)):
        host.sequence += 1
        body = wire.HEADER.pack(wire.MAGIC, length, kind, host.sequence, host.nonce) + bytes(length)
        board.feed(body + wire.zlib.crc32(body).to_bytes(4, "little"))
        host.run(3_000)
        assert host.answers[host.sequence].fields["reason"] == Reason.MALFORMED
    assert host.edges == []


def frame_after_garbage_is_found(board: BoardInTime) -> None:
    host = armed_host(board)
    torn = host.bytes_of(Kind.PULSE, 0, 0, 10, 0, 1)[:20]
    whole = host.bytes_of(Kind.PULSE, 1, 0, 10, 0, 1)
    board.feed(b"\xe7\xe7\x4c\xff" + torn + whole)
    host.run(4_000)
    assert [output for _, output, _ in host.edges] == [1, 1]


def half_a_frame_is_forgotten_after_a_pause(board: BoardInTime) -> None:
    host = armed_host(board)
    raw = host.bytes_of(Kind.PULSE, 0, 0, 10, 0, 1, expires_in_us=500_000)
    board.feed(raw[:-2])
    host.run(40_000)
    board.feed(raw[-2:])
    host.run(5_000)
    assert host.edges == []


def stop_behind_half_a_frame_is_found(board: BoardInTime) -> None:
    host = armed_host(board)
    host.pulse(width=200)
    board.feed(host.bytes_of(Kind.PULSE, 0, 0, 10, 0, 1)[:14] + host.bytes_of(Kind.STOP))
    host.run(12_000)
    assert host.is_low()
    assert host.edges[-1][0] - host.edges[0][0] < 12_000


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


def busy_channel_refuses(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=200) is Reason.NONE
    assert host.pulse(width=1) is Reason.BUSY
    assert host.pulse(width=1, channel=1) is Reason.NONE


def edges_of_all_trains_together_are_limited(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin(FAST_LIMITS)
    host.arm()
    for channel, period, count, reason in CROWD:
        host.send(Kind.HEARTBEAT)
        assert host.pulse(width=1, channel=channel, delay=200, period=period, count=count) is reason
    host.beat_for(230_000)
    assert len(host.pulses_of(0)) == 200
    assert host.pulse(width=1, channel=0, period=2, count=2) is Reason.NONE


def reset_is_quiet_for_a_window(board: BoardInTime) -> None:
    host = armed_host(board)
    host.pulse(width=200)
    board.reset()
    host.run(30_000)
    assert host.is_low()
    assert host.pulse() is Reason.WRONG_SESSION
    host.find_clock()
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    assert host.pulse() is Reason.NOT_ARMED
    host.arm()
    host.beat_for(700_000)
    assert host.pulse(channel=1) is Reason.QUIET
    host.beat_for(400_000)
    host.edges.clear()
    host.nonce = 79
    host.ask(Kind.STOP)
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    host.arm()
    assert host.pulse(channel=1) is Reason.NONE


def limits_and_count_survive_a_reset(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=1, period=51, count=30) is Reason.NONE
    host.beat_for(200_000)
    host.ask(Kind.DISARM)
    host.run(250_000)
    board.reset()
    host.run(30_000)
    host.find_clock()
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    status = host.ask(Kind.STATUS).fields
    assert status["pulses"] == 30
    assert status["max_width_slots"] == LIMITS.max_width_us // SLOT
    host.run(1_100_000)
    host.arm()
    assert host.pulse(width=1, period=51, count=11) is Reason.COUNT
    assert host.pulse(width=1, period=51, count=10) is Reason.NONE


def count_is_not_lost_by_a_reset_while_armed(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=1, period=51, count=40) is Reason.NONE
    host.beat_for(230_000)
    board.reset()
    host.run(30_000)
    host.find_clock()
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    host.run(1_100_000)
    host.arm()
    assert host.pulse(width=1) is Reason.COUNT


def count_is_stored_before_the_first_pulse(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=1, period=51, count=40) is Reason.NONE
    board.reset()
    host.run(30_000)
    host.find_clock()
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    host.run(1_100_000)
    host.arm()
    assert host.pulse(width=1) is Reason.COUNT


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


def never_arms_by_itself(board: BoardInTime) -> None:
    host = armed_host(board)
    board.reset()
    host.run(30_000)
    host.find_clock()
    host.ask(Kind.OPEN_SESSION)
    host.beat_for(1_100_000)
    assert not host.ask(Kind.STATUS).fields["state"] & State.ARMED


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


def session_cannot_be_opened_again_by_an_old_frame(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.find_clock()
    opening = host.bytes_of(Kind.OPEN_SESSION)
    board.feed(opening)
    host.run(3_000)
    for _ in range(8):  # as many answers as the board remembers
        host.ask(Kind.SET_LIMITS, *limit_values(LIMITS, interlock=False))
    board.feed(opening)
    host.run(3_000)
    assert host.answers[2].fields["reason"] == Reason.STALE_SEQUENCE
    assert host.reason(Kind.OPEN_SESSION, sequence=0) is Reason.STALE_SEQUENCE
    stranger = HostInTime(board, nonce=0, sequence=50, offset_us=host.offset_us)
    assert stranger.reason(Kind.OPEN_SESSION) is Reason.WRONG_SESSION


def opening_whose_answer_was_lost_is_answered_again(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.find_clock()
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    again = host.ask(Kind.OPEN_SESSION, sequence=host.sequence).fields
    assert (again["reason"], again["state"] & State.DUPLICATE) == (Reason.NONE, State.DUPLICATE)
    assert host.reason(Kind.SET_LIMITS, *limit_values(LIMITS, interlock=False)) is Reason.NONE


def opening_of_long_ago_begins_no_count_anew(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.find_clock()
    old = host.bytes_of(Kind.OPEN_SESSION)
    board.feed(old)
    host.run(3_000)
    host.nonce = 78
    host.begin()
    host.arm()
    assert host.pulse() is Reason.NONE
    host.beat_for(10_000)
    host.ask(Kind.DISARM)
    board.feed(old)
    host.run(3_000)
    status = host.ask(Kind.STATUS).fields
    assert (status["session"], status["pulses"]) == (78, 1)


def every_command_is_answered_with_its_time(board: BoardInTime) -> None:
    host = armed_host(board)
    for kind, values in ((Kind.HEARTBEAT, ()), (Kind.DISARM, ()), (Kind.STOP, ())):
        raw_us = len(host.bytes_of(kind, *values, sequence=0)) * 20
        before_us = board.now_us + host.offset_us
        answer = host.ask(kind, *values)
        assert -CLOCK_US <= answer.fields["time_us"] - before_us - raw_us < 500
        assert answer.nonce == host.nonce


def hung(board: SimulatedFirmware, interrupts_on: bool) -> None:
    host = armed_host(board)
    host.pulse(width=200)
    assert not host.is_low()
    hung_us = board.now_us
    board.hang(interrupts_on)
    host.run(100_000)
    assert host.is_low()
    assert board.resets > 0
    assert host.edges[-1][0] - hung_us < WATCHDOG_US


def watchdog_ends_a_hung_program(board: SimulatedFirmware) -> None:
    hung(board, interrupts_on=False)


def watchdog_ends_a_hung_loop_whose_interrupts_go_on(board: SimulatedFirmware) -> None:
    hung(board, interrupts_on=True)


def damaged_store_is_not_believed(board: SimulatedFirmware) -> None:
    host = HostInTime(board)
    host.begin()
    host.run(250_000)
    good = board.store()
    for at in (4, 8, 12, 20):
        board.reset()
        damaged = bytearray(good)
        for record in range(0, len(good) - RECORD_BYTES, RECORD_BYTES):
            damaged[record + at] ^= 0x5A
        board.set_store(bytes(damaged))
        board.reset()
        host.run(30_000)
        fields = host.ask(Kind.STATUS).fields
        known = (LIMITS.max_width_us, wire.DEFAULT_WIDTH_US)
        assert fields["max_width_slots"] * SLOT in known
        assert fields["pulses"] == 0


def newest_record_is_believed(board: SimulatedFirmware) -> None:
    host = HostInTime(board)
    host.begin()
    for widest in range(30, 65):  # more records than the store has room for
        limits = replace(LIMITS, max_width_us=widest * SLOT)
        assert host.reason(Kind.SET_LIMITS, *limit_values(limits, interlock=False)) is Reason.NONE
        host.run(200_000)
    board.reset()
    host.run(30_000)
    assert host.ask(Kind.STATUS).fields["max_width_slots"] == 64


def pulse_at_the_moment_of_disarming_never_begins(board: SimulatedFirmware) -> None:
    """The last byte of a command arrives at each moment before the tick that finds the heartbeat lost."""
    host = HostInTime(board)
    host.begin(replace(LIMITS, max_pulses=100_000, max_duty=0.5, min_interval_us=100))
    raw_us = len(host.bytes_of(Kind.PULSE, 6, 0, 50, 0, 1)) * 20.0
    for before_us in range(10, 260, 2):
        host.arm()
        heard_us = host.ask(Kind.HEARTBEAT).fields["time_us"]
        lost_us = (heard_us - TICK_US) // 1000 * 1000 + TICK_US + HEARTBEAT_US - host.offset_us
        host.run(lost_us - before_us - raw_us - board.now_us)
        host.send(Kind.PULSE, 6, 0, 50, 0, 1)
        host.run(20_000)
        assert host.is_low()
        assert all(time_us < lost_us + CLOCK_US for time_us, _, _ in host.edges)
        host.edges.clear()
        host.run(20_000)


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


def stored_limits_over_a_ceiling_are_not_believed(board: SimulatedFirmware) -> None:
    good = limit_values(LIMITS, interlock=False)
    for at, value in ((0, wire.CEILING_WIDTH_US // SLOT + 1), (1, wire.CEILING_DUTY + 1), (5, 51)):
        values = (*good[:at], value, *good[at + 1 :])
        record = struct.pack("<III", 1_000, 77, 0) + struct.pack("<IHIIIB", *values)
        record += wire.zlib.crc32(record).to_bytes(4, "little")
        board.set_store(record + board.store()[len(record) :])
        board.reset()
        host = HostInTime(board)
        host.run(30_000)
        fields = host.ask(Kind.STATUS).fields
        assert fields["max_width_slots"] * SLOT == wire.DEFAULT_WIDTH_US
        assert fields["max_duty"] == wire.DEFAULT_DUTY


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


def crowds_are_in_time_and_no_pulse_is_too_wide(board: SimulatedFirmware) -> None:
    host = HostInTime(board)
    host.begin(crowds.LIMITS)
    host.arm()
    phase_us = crowds.calm_phase_us(host)
    for seed, crowd in enumerate(crowds.WORST * 2):
        served = crowds.serve_crowd(host, crowd, seed, phase_us)
        assert board.resets == 0
        assert served.spread_us < JITTER_US
        assert served.excess_us <= 0.0


FIRMWARE_RULES = (
    crowds_are_in_time_and_no_pulse_is_too_wide,
    watchdog_ends_a_hung_program,
    watchdog_ends_a_hung_loop_whose_interrupts_go_on,
    damaged_store_is_not_believed,
    newest_record_is_believed,
    pulse_at_the_moment_of_disarming_never_begins,
    strobe_at_the_moment_of_silence_never_begins,
    barcodes_begun_at_the_moment_of_silence_need_heartbeats,
    stored_limits_over_a_ceiling_are_not_believed,
    chattering_input_leaves_room_for_reports_of_pulses,
    quiet_time_never_runs_below_nothing,
)
NOT_RULES = (armed_host, close, only_pulse, hung, at_the_moment_of_silence, *FIRMWARE_RULES)
RULES: tuple[Callable[[BoardInTime], None], ...] = tuple(
    value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__ and value not in NOT_RULES
)
