"""The screen as a child process: text waits for it, its death is survived and told."""

import subprocess
import sys
from pathlib import Path

import pytest

from rig.tui.launcher import GONE, LiveScreen


def child(code: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdin=stdin)


def test_text_waits_until_the_screen_is_gone(tmp_path: Path) -> None:
    said: list[str] = []
    screens = [child("input()", subprocess.PIPE)]
    screen = LiveScreen(said.append, lambda run_dir: screens[0])
    screen.report("before")
    screen.open(tmp_path)
    screen.report("meanwhile")
    assert said == ["before"]
    assert screens[0].stdin is not None
    screens[0].stdin.write(b"\n")
    screens[0].stdin.close()
    screen.close()
    assert said[:2] == ["before", "meanwhile"]
    screen.report("after")
    assert said[-1] == "after"


def test_a_screen_that_dies_is_told_and_the_session_speaks_on(tmp_path: Path) -> None:
    said: list[str] = []
    screens = [child("import time; time.sleep(600)")]
    screen = LiveScreen(said.append, lambda run_dir: screens[0])
    screen.open(tmp_path)
    screens[0].kill()
    assert screen.watch is not None
    screen.watch.join(20)
    assert said == [GONE]
    screen.report("frames go on")
    screen.close()
    assert said == [GONE, "frames go on"]


def test_a_screen_that_will_not_go_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.tui.launcher.FAREWELL_S", 0.0)
    screens = [child("import time; time.sleep(600)")]
    screen = LiveScreen(lambda line: None, lambda run_dir: screens[0])
    screen.open(tmp_path)
    screen.close()
    assert screens[0].poll() is not None


def test_without_a_screen_nothing_is_held_back() -> None:
    said: list[str] = []
    screen = LiveScreen(said.append)
    screen.report("a line")
    screen.close()
    assert said == ["a line"]
