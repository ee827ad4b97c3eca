"""What the frame loop records of decisions that could not become pulses."""

from pathlib import Path

import pytest

from online.errors import BoardLost
from online.files.session_file import SessionReader
from online.files.tables import is_missing, text_of
from rig.closed_loop import BOARD_LOST, OVERTAKEN
from rig.ttl.protocol import PulseTrain
from tests.protocols.live_loop import Board, Fault, StepClock, run_live
from tests.rigs import PROTOCOL, body_frames, tiny_model

OFTEN = PROTOCOL.replace("refractory_ms = 300", "refractory_ms = 50").replace(
    "catch_probability = 0.25", "catch_probability = 0"
)


class LostBoard(Board):
    """Vanishes at its second pulse."""

    def pulse(self, train: PulseTrain, expires_in_us: int) -> int:
        if self.asked == 1:
            raise BoardLost("the port vanished")
        return super().pulse(train, expires_in_us)


class WatchedBoard(Board):
    """Remembers how long each command had left."""

    def __init__(self, clock: StepClock) -> None:
        super().__init__(clock)
        self.left_us: list[int] = []

    def pulse(self, train: PulseTrain, expires_in_us: int) -> int:
        self.left_us.append(expires_in_us)
        return super().pulse(train, expires_in_us)


def outcomes(folder: Path) -> list[tuple[str, str, bool]]:
    with SessionReader(folder) as session:
        rows = session.table("pulses/trials")
    sent = ~is_missing(rows["command_sequence"])
    return [(text_of(r["outcome"]), text_of(r["reason"]), bool(s)) for r, s in zip(rows, sent, strict=True)]


def test_the_decision_that_found_the_board_gone_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(BoardLost):
        run_live(tmp_path / "s", OFTEN, tiny_model(), body_frames(80), {}, LostBoard)
    found = [outcome for outcome in outcomes(tmp_path / "s") if outcome[1] in ("", BOARD_LOST)]
    assert found == [("pulse", "", True), ("refused", BOARD_LOST, False)]


def test_a_pulse_whose_deadline_has_passed_is_never_written(tmp_path: Path) -> None:
    boards: list[WatchedBoard] = []

    def board_of(clock: StepClock) -> WatchedBoard:
        boards.append(WatchedBoard(clock))
        return boards[0]

    stalls = {n: Fault(stall_ns=19_000_000) for n in range(20, 160)}  # later by 2.3 ms a frame
    run_live(tmp_path / "s", OFTEN, tiny_model(), body_frames(160), stalls, board_of)
    found = outcomes(tmp_path / "s")
    overtaken = [outcome for outcome in found if outcome[1] == OVERTAKEN]
    assert overtaken
    assert len(boards[0].left_us) == sum(sent for *_, sent in found)
    assert min(boards[0].left_us) > 0
