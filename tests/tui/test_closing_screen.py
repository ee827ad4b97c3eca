"""While a session is being closed the screen says what happens, and the stop key tells the truth."""

import os
import signal
from pathlib import Path

import pytest
import zmq

from online.messages import Command
from rig.clock import ManualClock
from rig.control import send_command
from rig.supervisor import CLOSING, ENDING
from rig.tui.app import EtholoopApp
from rig.tui.closing_screen import ClosingScreen
from rig.tui.emergency import EmergencyLine
from rig.tui.widgets import LinesPanel
from tests.live_sessions import RECORDING, children_of, wait_for_pulses
from tests.rigs import finish, start, write_recording, write_rig
from tests.tui.terminals import run_dir_in

CHILD = ("session runs; data in x", "ALERT  camera: long past", f"{ENDING}the protocol is over", CLOSING["camera"])


class Closing:
    """A session's program that has said some lines, and ends when told."""

    def __init__(self) -> None:
        self.said = list(CHILD)
        self.exit_code: int | None = None

    def lines(self) -> list[str]:
        return list(self.said)


async def test_it_says_what_is_being_closed_and_for_how_long() -> None:
    clock, child = ManualClock(), Closing()
    app = EtholoopApp(clock, plain=False)
    async with app.run_test(size=(80, 24)) as pilot:
        ended: list[bool | None] = []
        screen = ClosingScreen(child, app.palette)  # type: ignore[arg-type]
        app.push_screen(screen, ended.append)
        await pilot.pause()

        def words() -> str:
            screen.look()
            return screen.query_one("#words", LinesPanel).text()

        words()
        clock.advance_ns(3_000_000_000)
        assert "the session is being closed  3 s" in words()
        assert "the protocol is over" in words()
        assert "camera: being closed  3 s" in words()
        assert "long past" not in words()
        child.said += ["ALERT  online: at the end of the session: no answer to DISARM", CLOSING["recorder"]]
        words()
        clock.advance_ns(2_000_000_000)
        assert "▲ ALERT  online: at the end of the session" in words()
        assert "closing the recording  2 s" in words()
        assert "EMERGENCY STOP" not in screen.query_one("#keys", LinesPanel).text(), "there is no line to stop"
        child.exit_code = 0
        screen.look()
        await pilot.pause()
        assert ended == [True]


@pytest.mark.parametrize("key", ["q", "escape", "ctrl+c"])
async def test_one_need_not_wait_for_it(key: str) -> None:
    app = EtholoopApp(ManualClock(), plain=False)
    async with app.run_test() as pilot:
        ended: list[bool | None] = []
        app.push_screen(ClosingScreen(Closing(), app.palette), ended.append)  # type: ignore[arg-type]
        await pilot.pause()
        await pilot.press(key)
        await pilot.pause()
        assert ended == [False]


@pytest.mark.parametrize(("board_answers", "words"), [(True, "line low, confirmed"), (False, "STOP NOT CONFIRMED")])
async def test_the_stop_key_reaches_the_board_when_no_process_is_left(
    private: Path, board_answers: bool, words: str
) -> None:
    clock = ManualClock()
    app = EtholoopApp(clock, plain=False)
    async with app.run_test(size=(80, 24)) as pilot:
        line = EmergencyLine(app.context, private, clock)
        line.timeouts_ms = {"online": 1, "supervisor": 1}
        asked: list[str] = []
        line.last_resort = lambda: asked.append("port") is None and board_answers
        app.emergency = line
        screen = ClosingScreen(Closing(), app.palette)  # type: ignore[arg-type]
        app.push_screen(screen)
        await pilot.pause()
        screen.look()
        assert "EMERGENCY STOP" in screen.query_one("#keys", LinesPanel).text()
        await pilot.press("exclamation_mark")
        for _ in range(2000):
            if words in screen.query_one("#words", LinesPanel).text():
                break
            await pilot.pause(0.01)
        assert words in screen.query_one("#words", LinesPanel).text()
        assert asked == ["port"]


@pytest.mark.xdist_group("live")
def test_a_supervisor_that_closes_a_recording_still_stops(tmp_path: Path, private: Path) -> None:
    write_recording(tmp_path / "rec", 3600)
    files = write_rig(tmp_path, RECORDING, private)
    process = start(files)
    wait_for_pulses(process, files, 1)
    run_dir, recorder = run_dir_in(private), children_of(process.pid)["recorder"]
    os.kill(recorder, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert any(line.startswith(CLOSING["recorder"]) for line in process.stderr)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    command = Command(name="emergency_stop", text="at a screen", sent_time_ns=0)
    reply = send_command(context, run_dir, "supervisor", command, 5000)
    context.destroy(linger=0)
    os.kill(recorder, signal.SIGCONT)
    code, _, err = finish(process)
    assert reply.ok, reply.detail
    assert "driven over the port" in reply.detail
    assert code == 0, err
    assert "the summary is being written" in err
