"""What an Etholoop board's answers say of its state, and what the driver makes of it; in simulated time."""

from types import SimpleNamespace

import pytest

from rig.clock import ManualClock
from rig.ttl import emulator, wire
from rig.ttl.emulated_lines import Board, new_board
from rig.ttl.etholoop_board import EtholoopBoard
from rig.ttl.etholoop_link import MAX_UNANSWERED
from rig.ttl.protocol import BoardLimits
from rig.ttl.wire import Kind, State, WireFrame

LIMITS = BoardLimits(max_width_us=300_000, max_duty=0.5, window_us=10_000_000, min_interval_us=10_000, max_pulses=50)
MS = 1_000_000


class Desk:
    """A driver, and an emulated board that answers each write a millisecond later, in the same thread."""

    def __init__(self, board: Board) -> None:
        self.clock = ManualClock()
        self.board = board
        self.driver = EtholoopBoard("/dev/board", self.clock)
        self.driver._port = SimpleNamespace(write=self.write)  # type: ignore[assignment]

    def write(self, data: bytes) -> None:
        self.clock.advance_ns(MS)
        sent = emulator.step(self.board, self.clock.now_ns() // 1000, data)
        self.driver._take(sent, self.clock.now_ns())

    def beat(self, times: int = 1) -> None:
        for _ in range(times):
            self.clock.advance_ns(9 * MS)
            self.driver.beat()


def desk_with(board: Board) -> Desk:
    desk = Desk(board)
    desk.driver._greet()
    desk.driver.configure(LIMITS)
    desk.driver.alerts()
    return desk


@pytest.fixture
def desk() -> Desk:
    desk = desk_with(new_board(settled=True))
    desk.driver.arm()
    return desk


def test_a_board_that_disarmed_without_a_word_is_found_out_by_its_next_answer(desk: Desk) -> None:
    desk.beat(3)
    assert desk.driver.armed
    assert desk.driver.alerts() == []
    desk.board.armed = False
    desk.beat(2)
    assert not desk.driver.armed
    (alert,) = desk.driver.alerts()
    assert "no longer armed" in alert
    desk.driver.arm()
    desk.beat()
    assert desk.driver.armed
    assert desk.driver.alerts() == []


def test_the_reason_is_told_when_it_comes_behind_an_answer(desk: Desk) -> None:
    desk.board.armed = False
    desk.beat()
    desk.driver.alerts()
    event = WireFrame(Kind.DISARMED, 0, desk.driver._nonce, (desk.board.now_us, int(wire.Reason.HEARTBEAT_LOST)))
    desk.driver._take(wire.encode(event), desk.clock.now_ns())
    assert desk.driver.alerts() == ["the board disarmed itself: heartbeat_lost"]


@pytest.mark.parametrize(("after_arm", "state"), [(0, 0), (-1, 0), (1, State.DUPLICATE)])
def test_what_the_board_said_before_it_was_armed_and_repetitions_change_nothing(
    desk: Desk, after_arm: int, state: int
) -> None:
    values = (desk.board.now_us, int(Kind.HEARTBEAT), int(wire.Outcome.EXECUTED), int(wire.Reason.NONE), state)
    sequence = desk.driver._arm_sequence + after_arm
    answer = WireFrame(Kind.ACKNOWLEDGEMENT, sequence, desk.driver._nonce, values)
    desk.driver._take(wire.encode(answer), desk.clock.now_ns())
    assert desk.driver.armed
    assert desk.driver.alerts() == []


def test_a_stop_and_a_disarming_that_were_asked_for_are_no_alert(desk: Desk) -> None:
    desk.driver.stop()
    desk.beat(2)
    desk.driver.arm()
    desk.driver.disarm()
    desk.beat(2)
    assert not desk.driver.armed
    assert desk.driver.alerts() == []


def test_a_strobe_that_is_never_answered_is_told(desk: Desk) -> None:
    desk.driver.set_sync("strobe", 1)
    desk.driver.strobe(6)
    desk.driver._port = SimpleNamespace(write=lambda data: None)  # type: ignore[assignment]
    desk.driver.strobe(7)
    for frame_index in range(8, 8 + MAX_UNANSWERED // 2):
        assert desk.driver.alerts() == []
        desk.driver.beat()
        desk.driver.strobe(frame_index)
    desk.driver.strobe(8 + MAX_UNANSWERED)
    assert desk.driver.alerts() == ["the strobe of frame 7 was never answered: it may not have been shown"]


def test_a_board_counts_as_armed_only_when_its_quiet_after_a_reset_is_over() -> None:
    desk = desk_with(new_board(settled=True))
    desk.board.keeper.quiet_until_us = desk.board.now_us + 200_000
    desk.driver.arm()
    assert not desk.driver.armed
    (alert,) = desk.driver.alerts()
    assert "refuses pulses for 0.2 s more, a duty window, and counts as disarmed until then" in alert
    desk.beat(10)
    assert not desk.driver.armed
    desk.beat(12)
    assert desk.driver.armed
    assert desk.driver.alerts() == []
