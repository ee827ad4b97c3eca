"""Whose commands are obeyed and when: sessions, sequences, expiry, and the answer to each."""

from rig.ttl.limits import limit_values
from rig.ttl.wire import Kind, Reason, State
from tests.firmware.boards_in_time import LIMITS, BoardInTime, HostInTime
from tests.firmware.rules.common import CLOCK_US, armed_host


def every_command_is_answered_with_its_time(board: BoardInTime) -> None:
    host = armed_host(board)
    for kind, values in ((Kind.HEARTBEAT, ()), (Kind.DISARM, ()), (Kind.STOP, ())):
        raw_us = len(host.bytes_of(kind, *values, sequence=0)) * 20
        before_us = board.now_us + host.offset_us
        answer = host.ask(kind, *values)
        assert -CLOCK_US <= answer.fields["time_us"] - before_us - raw_us < 500
        assert answer.nonce == host.nonce


def late_commands_are_refused(board: BoardInTime) -> None:
    host = armed_host(board)
    for expires_in_us in (-10_000, -1_000, 2_000_000, 2_000_000_000):
        assert host.reason(Kind.PULSE, 0, 0, 10, 0, 1, expires_in_us=expires_in_us) is Reason.EXPIRED
        assert host.reason(Kind.HEARTBEAT, expires_in_us=expires_in_us) is Reason.EXPIRED
        assert host.reason(Kind.ARM, expires_in_us=expires_in_us) is Reason.EXPIRED
        host.beat_for(10_000)
    assert host.edges == []


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
