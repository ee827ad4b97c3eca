"""Whose commands are obeyed and when: sessions, sequences, expiry, and the answer to each."""

from dataclasses import replace

from rig.ttl import wire
from rig.ttl.limits import limit_values
from rig.ttl.wire import Kind, Reason, State
from tests.firmware.boards_in_time import LIMITS, BoardInTime, HostInTime
from tests.firmware.rules.common import CLOCK_US, armed_host
from tests.firmware.simulated_firmware import SimulatedFirmware


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


def without_a_session_nothing_is_done(board: BoardInTime) -> None:
    host = HostInTime(board, nonce=0)
    host.find_clock()
    for kind in (Kind.ARM, Kind.HEARTBEAT, Kind.DISARM):
        assert host.reason(kind) is Reason.WRONG_SESSION
    assert not host.ask(Kind.STATUS).fields["state"] & State.ARMED


def commands_from_before_a_stop_are_stale(board: BoardInTime) -> None:
    host = armed_host(board)
    host.sequence += 5
    assert host.reason(Kind.STOP) is Reason.NONE
    assert host.reason(Kind.ARM, sequence=host.sequence - 3) is Reason.STALE_SEQUENCE
    assert not host.ask(Kind.STATUS).fields["state"] & State.ARMED


def old_stop_brings_no_old_command_back(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin()
    older, newer = (replace(LIMITS, max_width_us=width_us) for width_us in (4_000, 3_000))
    raw = host.bytes_of(Kind.SET_LIMITS, *limit_values(older, interlock=False), expires_in_us=900_000)
    board.feed(raw)
    host.run(3_000)
    for _ in range(8):  # as many answers as the board remembers
        assert host.reason(Kind.SET_LIMITS, *limit_values(newer, interlock=False)) is Reason.NONE
    assert host.reason(Kind.STOP, sequence=2) is Reason.NONE
    board.feed(raw)
    host.run(3_000)
    assert host.ask(Kind.STATUS).fields["max_width_slots"] * wire.SLOT_US == newer.max_width_us


def only_what_was_answered_is_answered_again(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.find_clock()
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    assert host.reason(Kind.HEARTBEAT, sequence=0) is Reason.STALE_SEQUENCE
    late = host.send(Kind.HEARTBEAT, expires_in_us=-1_000)
    assert host.reason(Kind.HEARTBEAT, sequence=late) is Reason.EXPIRED
    known = host.send(Kind.DISARM)
    host.run(3_000)
    host.nonce, host.sequence = 78, known + 10
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    assert host.reason(Kind.DISARM, sequence=known) is Reason.STALE_SEQUENCE


def answers_that_find_no_room_are_lost_whole(board: SimulatedFirmware) -> None:
    host = armed_host(board)
    parser = wire.new_parser(wire.MAX_REPLY_PAYLOAD)
    for _ in range(60):
        host.send(Kind.STATUS)
    board.run_for(100_000)
    sent = bytes(each.byte for each in board.take_sent())
    frames = parser.feed(sent)
    assert len(frames) < 60
    assert sum(wire.HEADER.size + wire.TABLE[Kind(f.kind)].packer.size + wire.CRC_BYTES for f in frames) == len(sent)
    assert host.ask(Kind.STATUS).fields["lost_events"] > 0


def time_goes_on_when_its_low_half_wraps(board: SimulatedFirmware) -> None:
    """It does on a board whose clock begins shortly before that."""
    host = HostInTime(board)
    host.find_clock()
    for _ in range(60):
        host.run(97_000)
        at_us = board.now_us + (wire.HEADER.size + wire.CRC_BYTES) * 20
        assert abs(host.ask(Kind.STATUS).fields["time_us"] - host.offset_us - at_us) < CLOCK_US
