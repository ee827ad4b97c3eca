"""A simulated board whose process is kept waiting by a busy machine: its clock goes on, and nobody suffers for it."""

import os
import signal
from pathlib import Path

import pytest

from rig.ttl import wire
from rig.ttl.limits import limit_values
from rig.ttl.protocol import BoardLimits
from rig.ttl.simulated_board import EmulatedBoard, end_board_process, start_simulated_board
from rig.ttl.wire import Kind, Reason, WireFrame

LIMITS = BoardLimits(max_width_us=300_000, max_duty=0.5, window_us=1_000_000, min_interval_us=10_000, max_pulses=50)
HEARTBEAT_US = 50_000
ARMED_US = 2_000_000
STALL_US = 150_000


class Desk:
    """An armed board, asked at times of our choosing."""

    def __init__(self) -> None:
        self.program = EmulatedBoard(settled=True, loopback={})
        self.sequence = 0
        for kind, values in ((Kind.OPEN_SESSION, ()), (Kind.SET_LIMITS, limit_values(LIMITS, interlock=False))):
            assert self.ask(kind, 1_000, *values)["reason"] == Reason.NONE
        assert self.ask(Kind.ARM, ARMED_US)["reason"] == Reason.NONE

    def ask(self, kind: Kind, time_us: int, *values: int, written_us: int | None = None) -> dict[str, int]:
        """The answer to a command that was written at `written_us` and may take 20 ms."""
        self.sequence += 1
        if kind in wire.EXPIRING:
            values = ((time_us if written_us is None else written_us) + 20_000, *values)
        sent = self.program.step(time_us, wire.encode(WireFrame(kind, self.sequence, 9, values)))
        frames = wire.new_parser(wire.MAX_REPLY_PAYLOAD).feed(sent)
        return next(frame.fields for frame in frames if frame.sequence == self.sequence and frame.kind < 0x50)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_what_came_on_time_counts_as_that_and_is_answered_with_the_true_time(desk: Desk) -> None:
    late_us = ARMED_US + STALL_US
    assert desk.program.excuse(STALL_US, heard=True) == 0
    answer = desk.ask(Kind.HEARTBEAT, late_us, written_us=ARMED_US + 10_000)
    assert (answer["reason"], answer["time_us"]) == (Reason.NONE, late_us)
    desk.program.excuse(0, heard=True)
    assert desk.ask(Kind.PULSE, late_us + 1_000, 0, 0, 10, 0, 1)["reason"] == Reason.NONE


def test_silence_counts_from_the_last_heartbeat_whenever_it_is_noticed(desk: Desk) -> None:
    assert desk.ask(Kind.PULSE, ARMED_US, 0, 0, 3_000, 0, 1)["reason"] == Reason.NONE
    desk.program.excuse(STALL_US, heard=False)
    desk.program.step(ARMED_US + STALL_US, b"")
    rise, fall = desk.program.take_edges()
    assert (rise.level, fall.level) == (1, 0)
    assert fall.time_us == ARMED_US + HEARTBEAT_US


def test_without_an_excuse_late_commands_are_late(desk: Desk) -> None:
    late_us = ARMED_US + 40_000
    assert desk.ask(Kind.PULSE, late_us, 0, 0, 10, 0, 1, written_us=ARMED_US)["reason"] == Reason.EXPIRED


def test_a_board_that_is_stopped_and_hears_nothing_ends_too(tmp_path: Path) -> None:
    process, _ = start_simulated_board(tmp_path / "pins.csv")
    os.kill(process.pid, signal.SIGSTOP)
    end_board_process(process)
    assert process.poll() is not None
