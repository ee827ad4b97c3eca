"""On terminals of few colours, or none, everything can be read: as the terminal itself shows it."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from online.errors import ConfigError
from rig.clock import ManualClock
from rig.tui.app import EtholoopApp
from rig.tui.palette import DARK, LIGHT, MONO, PLAIN
from rig.tui.terminal import check_terminal, no_screen
from tests.tui.sessions import write_session
from tests.tui.test_rig_in_tmux import Tmux, tmux

__all__ = ["tmux"]
IN_TMUX = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
ETHOLOOP = [sys.executable, "-c", "from rig.main import main; main()"]
BLACK = {"30", "38;5;0", "38;5;16"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions, to be listed and played."""
    out = tmp_path_factory.mktemp("data")
    for day in (2, 3):
        write_session(out / f"2025-03-0{day}_10-15-00_m12", 60, depth=False)
    return out


def unreadable(drawn: str) -> Iterator[str]:
    """Words that are black on black or on the terminal's own background, as the pane shows them with its attributes."""
    ink = paper = ""
    reverse = False
    for codes, text in re.findall(r"\x1b\[([\d;]*)m([^\x1b]*)", drawn):
        for code in re.findall(r"[34]8;5;\d+|\d+", codes or "0"):
            if code == "0":
                ink, paper, reverse = "", "", False
            elif code == "7":
                reverse = True
            elif re.fullmatch(r"3\d|9\d|38;5;\d+", code):
                ink = code
            elif re.fullmatch(r"4\d|10\d|48;5;\d+", code):
                paper = code
        dark = paper in ("", "49", "40", "48;5;0", "48;5;16")
        if text.strip() and ink in BLACK and dark and not reverse:
            yield text.strip()


@IN_TMUX
@pytest.mark.parametrize("command", ["rig", "browse", "watch"])
@pytest.mark.parametrize(
    "environment",
    [{"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "xterm-256color", "NO_COLOR": "1"}, {"TERM": "linux"},
     {"TERM": "screen"}, {"TERM": "linux", "NO_COLOR": "1"}],
    ids=lambda given: " ".join(given.values()) + (" no colour" if len(given) > 1 else ""),
)  # fmt: skip
def test_no_word_is_black_on_black(
    tmux: Tmux, data: Path, private: Path, environment: dict[str, str], command: str
) -> None:
    folder = str(data / "2025-03-02_10-15-00_m12")
    words = {"rig": ["rig", "--rig", "absent.toml"], "browse": ["browse", str(data)], "watch": ["watch", folder]}
    sign = {"rig": "data folder writable", "browse": "2025-03-03", "watch": "rear-laser"}
    own = {"TMPDIR": str(private), "XDG_STATE_HOME": str(private), "COLORTERM": ""}
    tmux.open(ETHOLOOP + words[command], own | environment, (100, 30))
    tmux.until(lambda shown: sign[command] in shown)
    drawn = tmux._run("capture-pane", "-e", "-p")
    assert list(unreadable(drawn)) == []
    if "NO_COLOR" in environment and "256" not in environment["TERM"]:
        assert not re.search(r"\x1b\[[\d;]*\b(3[0-8]|4[0-8]|9\d|10\d)\b[\d;]*m", drawn), "no colour at all"
    if command == "browse":
        assert re.search(r"\x1b\[[\d;]*(7|4\d|48;5;\d+)m[^\x1b]*2025-03-03", drawn), "the chosen row is seen"


@pytest.mark.parametrize(
    ("no_colour", "few", "palettes"),
    [(False, False, [DARK, LIGHT, PLAIN]), (True, False, [DARK, LIGHT, MONO]), (True, True, [MONO, MONO, MONO])],
)
async def test_colours_change_among_those_that_can_be_read(
    monkeypatch: pytest.MonkeyPatch, no_colour: bool, few: bool, palettes: list[object]
) -> None:
    if no_colour:
        monkeypatch.setenv("NO_COLOR", "1")
    app = EtholoopApp(ManualClock(), plain=few)
    async with app.run_test() as pilot:
        seen = [app.palette]
        for _ in range(2):
            await pilot.press("f2")
            seen.append(app.palette)
    assert seen == palettes


def test_a_terminal_that_can_only_write_lines_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTUAL_DRIVER", raising=False)
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(ConfigError, match="TERM=dumb: a terminal that can only write lines shows no screen"):
        check_terminal()
    done = subprocess.run([*ETHOLOOP, "rig"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("etholoop: TERM=dumb")
    monkeypatch.setenv("TERM", "linux")
    assert no_screen() == ""
