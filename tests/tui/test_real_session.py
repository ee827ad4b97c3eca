"""The screen on a terminal of its own, beside a real session: keys, the line, death of the screen."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from offline.replay.recorded import read_session
from online.files.session_file import SessionReader
from online.files.tables import text_of
from online.messages import MANUAL_RULE, Command, Reply
from rig.control import send_command
from tests.rigs import RigFiles, edges, finish, start, write_recording, write_rig
from tests.tui.terminals import Terminal, run_dir_in

pytestmark = pytest.mark.xdist_group("live")  # one live session at a time


@pytest.fixture
def session(tmp_path: Path, private: Path) -> Iterator[tuple[RigFiles, "subprocess.Popen[str]"]]:
    write_recording(tmp_path / "rec", 2400, rate_hz=30.0)
    files = write_rig(tmp_path, 'driver = "recording"\npath = "rec"', private, rate_hz=30.0)
    process = start(files)
    yield files, process
    if process.poll() is None:
        process.kill()
        process.communicate()


def wait(condition: Callable[[], bool]) -> None:
    for _ in range(12_000):
        if condition():
            return
        select.select([], [], [], 0.02)
    raise AssertionError("it did not come to this")


def pulses(files: RigFiles) -> int:
    pins = list(files.private.glob("etholoop-*/pins.csv"))
    return pins[0].read_text().count(",0,1\n") if pins else 0


def commands(folder: Path) -> list[str]:
    with SessionReader(folder) as record:
        rows = record.table("events/rows")
    return [text_of(row["detail"]) for row in rows if text_of(row["kind"]) == "command"]


def asked(files: RigFiles, name: str) -> Reply:
    """The online process's answer to a command without words."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        command = Command.model_validate({"name": name, "text": "", "sent_time_ns": 0})
        return send_command(context, run_dir_in(files.private), "online", command, 5000)
    finally:
        context.destroy(linger=0)


def see_off(terminal: Terminal) -> None:
    """Wait until the screen has gone; one that shows a stop or alerts waits for a key."""
    terminal.until(lambda: terminal.process.poll() is not None or b"q goes on" in terminal.drawn)
    if terminal.process.poll() is None:
        terminal.type("q")
        terminal.until(lambda: terminal.process.poll() is not None)


def check_manual_trial(folder: Path, summary: dict[str, Any]) -> None:
    """One trial of no rule, with its receipt; it counts nowhere as the protocol's."""
    with SessionReader(folder) as record:
        trials, receipts = record.table("pulses/trials"), record.table("pulses/receipts")
    (manual,) = [row for row in trials if text_of(row["rule"]) == MANUAL_RULE]
    assert text_of(manual["outcome"]) == "pulse"
    assert int(manual["command_sequence"]) in receipts["command_sequence"].tolist()
    assert summary["trials"][MANUAL_RULE]["pulses"] == 1
    assert len(read_session(folder).trials) == len(trials) - 1, "a replay of the protocol knows nothing of it"


def test_keys_reach_the_session_and_a_killed_screen_ends_nothing(
    session: tuple[RigFiles, "subprocess.Popen[str]"],
) -> None:
    files, process = session
    wait(lambda: pulses(files) >= 2)
    terminal = Terminal("rig.tui.live", str(run_dir_in(files.private)))
    terminal.until(lambda: b"either" in terminal.drawn)
    terminal.type("!")
    terminal.until(lambda: b"confirmed" in terminal.drawn)
    stopped = pulses(files)
    terminal.type("a")
    terminal.until(lambda: pulses(files) > stopped + 1)
    assert not asked(files, "test_pulse").ok, "while a session runs it must be confirmed"
    terminal.type("t")
    terminal.until(lambda: b"Test pulse?" in terminal.drawn)
    terminal.type("1")
    terminal.until(lambda: b"laser pulsed" in terminal.drawn)
    os.kill(terminal.process.pid, signal.SIGKILL)
    terminal.close()
    before = pulses(files)
    wait(lambda: pulses(files) > before + 1)
    terminal = Terminal("rig.tui.live", str(run_dir_in(files.private)))
    terminal.until(lambda: b"either" in terminal.drawn)
    terminal.type("q")
    terminal.until(lambda: b"End the session?" in terminal.drawn)
    terminal.type("y")
    see_off(terminal)
    terminal.close()
    code, out, err = finish(process)
    assert code == 0, err
    summary = json.loads(out)
    assert "operator" in summary["ending"]["reason"]
    assert edges(Path(summary["folder"]))[-1][1] == 0
    said = commands(Path(summary["folder"]))
    assert [words.split()[:2] for words in said[:2]] == [["emergency_stop", "at"], ["arm", "at"]], "and where"
    assert said[2:4] == ["test_pulse", "test_pulse confirmed laser"]
    check_manual_trial(Path(summary["folder"]), summary)


def test_a_hung_online_process_is_cut_off(session: tuple[RigFiles, "subprocess.Popen[str]"]) -> None:
    files, process = session
    wait(lambda: pulses(files) >= 2)
    terminal = Terminal("rig.tui.live", str(run_dir_in(files.private)))
    terminal.until(lambda: b"either" in terminal.drawn)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    online = next(c for c in children if b"online_process" in Path(f"/proc/{c}/cmdline").read_bytes())
    os.kill(int(online), signal.SIGSTOP)
    terminal.type("!")
    code, out, err = finish(process)
    see_off(terminal)
    terminal.close()
    assert code == 5, err
    summary = json.loads(out)
    assert "all lines low" in summary["ending"]["line"]
    assert "emergency stop by the operator" in summary["ending"]["reason"]
    assert edges(Path(summary["folder"]))[-1][1] == 0
