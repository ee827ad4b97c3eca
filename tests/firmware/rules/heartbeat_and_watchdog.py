"""A host that falls silent, and a firmware that hangs: lines fall by themselves."""

from dataclasses import replace

from rig.ttl.wire import Kind, Reason
from tests.firmware.boards_in_time import LIMITS, BoardInTime, HostInTime
from tests.firmware.rules.common import LONGEST_SILENCE_US, armed_host
from tests.firmware.simulated_firmware import SimulatedFirmware

WATCHDOG_US = 30_000.0


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


def stale_heartbeats_do_not_keep_it_alive(board: BoardInTime) -> None:
    host = armed_host(board)
    host.pulse(width=10, period=100, count=20)
    beats = [host.bytes_of(Kind.HEARTBEAT, expires_in_us=25_000) for _ in range(8)]
    for beat in beats:
        host.run(30_000)
        board.feed(beat)
    assert host.is_low()
    assert max(time_us for time_us, _, _ in host.edges) - host.edges[0][0] < 2 * LONGEST_SILENCE_US


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


def shorter_heartbeat_is_kept(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin(replace(LIMITS, heartbeat_timeout_us=20_000))
    host.arm()
    assert host.pulse(width=10, period=100, count=20) is Reason.NONE
    host.send(Kind.HEARTBEAT)
    last_us = board.now_us
    host.run(100_000)
    assert host.is_low()
    assert host.edges[-1][0] < last_us + 22_000


def board_that_was_armed_needs_heartbeats_at_once(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin()
    host.arm()
    armed_us = host.answers[host.sequence].fields["time_us"]
    host.run(100_000)
    lost_us = [event.fields["time_us"] for event in host.events if event.kind == Kind.DISARMED]
    assert len(lost_us) == 1
    assert lost_us[0] - armed_us < LONGEST_SILENCE_US


def other_commands_are_no_heartbeats(board: BoardInTime) -> None:
    host = armed_host(board)
    last_us = board.now_us
    assert host.pulse(width=10, period=100, count=20) is Reason.NONE
    for _ in range(10):
        for kind, values in ((Kind.ARM, ()), (Kind.SYNC, (0, 0)), (Kind.PULSE, (0, 0, 0, 0, 1)), (Kind.STATUS, ())):
            if board.now_us < last_us + 45_000 or kind is not Kind.ARM:
                host.ask(kind, *values)
    assert host.edges[-1][0] < last_us + LONGEST_SILENCE_US
    assert host.pulse() is Reason.NOT_ARMED
