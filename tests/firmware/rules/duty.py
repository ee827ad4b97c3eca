"""High time over a sliding window is limited, whatever happens to the pulses."""

from dataclasses import replace
from itertools import product

from rig.ttl import wire
from rig.ttl.limits import limit_values
from rig.ttl.wire import Kind, Reason
from tests.firmware.boards_in_time import LIMITS, BoardInTime, HostInTime
from tests.firmware.rules.common import SLOT, armed_host


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
    whole_us = limits.window_us // SLOT // wire.NUM_DUTY_BINS * SLOT
    host.begin(limits)
    bins_us = host.answers[host.sequence].fields["time_us"]  # the bins begin anew with the limits
    host.arm()
    for before_us, bin_us in product(range(0, 3_000, 3 * SLOT), (whole_us + SLOT, whole_us)):
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


def light_of_a_long_train_leaves_the_window_as_it_came(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=200, period=900, count=10) is Reason.NONE
    host.beat_for(850_000)
    assert host.pulse(width=200) is Reason.DUTY
    host.beat_for(350_000)
    assert host.pulse(width=200) is Reason.NONE


def duty_of_a_train_is_not_overstated(board: BoardInTime) -> None:
    """In the worst window: ten pulses of 150 slots, and 100 slots of the eleventh."""
    host = HostInTime(board)
    host.begin(replace(LIMITS, max_duty=0.16))
    host.arm()
    host.ask(Kind.HEARTBEAT)
    assert host.pulse(width=150, period=990, count=20) is Reason.NONE


def train_cut_before_it_began_counts_for_nothing(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin(replace(LIMITS, max_duty=0.021))
    host.arm()
    host.ask(Kind.HEARTBEAT)
    assert host.pulse(width=200) is Reason.NONE
    host.ask(Kind.DISARM)
    for delay in (8_000, 8_001):
        host.arm()
        host.beat_for(6_000)
        assert host.pulse(width=100, delay=delay) is Reason.NONE
        host.ask(Kind.DISARM)
    ended = [event.fields["pulses"] for event in host.events if event.kind == Kind.TRAIN_ENDED]
    assert ended == [1, 0, 0]
    host.arm()
    host.ask(Kind.HEARTBEAT)
    assert host.pulse(width=20, delay=20) is Reason.NONE
    host.beat_for(20_000)
    assert host.pulse(width=100) is Reason.NONE


def same_window_keeps_what_was_used(board: BoardInTime) -> None:
    host = armed_host(board)
    for _ in range(10):
        assert host.pulse(width=200) is Reason.NONE
        host.beat_for(30_000)
    host.ask(Kind.DISARM)
    assert host.reason(Kind.SET_LIMITS, *limit_values(LIMITS, interlock=False)) is Reason.NONE
    host.arm()
    host.ask(Kind.HEARTBEAT)
    assert host.pulse(width=200) is Reason.DUTY


def new_window_begins_empty(board: BoardInTime) -> None:
    host = armed_host(board)
    longer = replace(LIMITS, window_us=1_500_000)
    for limits in (LIMITS, longer):
        most = round(limits.window_us * limits.max_duty) // 20_000
        for _ in range(most):
            assert host.pulse(width=200) is Reason.NONE
            host.beat_for(26_000)
        host.ask(Kind.DISARM)
        if limits is LIMITS:
            assert host.reason(Kind.SET_LIMITS, *limit_values(longer, interlock=False)) is Reason.NONE
            host.run(longer.window_us)
            host.arm()
            host.ask(Kind.HEARTBEAT)
