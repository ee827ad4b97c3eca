"""Set-up, summary and list of sessions, driven by keys; the set-up with a real camera process and board."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Button, Input

from rig.bench_pulse import RECORD
from rig.summary import summarise
from rig.tui.browse_screen import BrowseScreen
from rig.tui.dialogs import Choice, PulseQuestion
from rig.tui.digest import digest, list_sessions
from rig.tui.replay_screen import ReplayScreen
from rig.tui.rig_app import RigApp
from rig.tui.setup_screen import SetupScreen
from rig.tui.summary_screen import SummaryScreen
from rig.tui.widgets import LinesPanel
from tests.rigs import write_recording, write_rig
from tests.tui.sessions import write_session


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Entries and private directories of this test alone."""
    path = Path(tempfile.mkdtemp(prefix="el"))
    monkeypatch.setenv("XDG_STATE_HOME", str(path / "state"))
    monkeypatch.setenv("TMPDIR", str(path))
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a finished session and one that was cut off."""
    out = tmp_path_factory.mktemp("data")
    folder = write_session(out / "2025-03-01_10-15-00_m12", 240, dropped=(50,), depth=False)
    summary = summarise(folder) | {"ending": {"reason": "the protocol is over", "failures": [], "line": ""}}
    (folder / "summary.json").write_text(json.dumps(summary))
    write_session(out / "2025-03-02_10-15-00_m12", 6, depth=False)
    return out


def said(screen: Screen[object], panel: str) -> str:
    return screen.query_one(f"#{panel}", LinesPanel).text()


async def until(pilot: Pilot[str], condition: object) -> None:
    assert callable(condition)
    for _ in range(600):
        if condition():
            return
        await pilot.pause(0.05)
    raise AssertionError(f"it did not come to this; {pilot.app.screen}")


def test_a_digest_holds_the_numbers(data: Path) -> None:
    one = digest(data / "2025-03-01_10-15-00_m12")
    assert one.reason == "the protocol is over"
    assert one.duration_min == pytest.approx(239 / 30 / 60, rel=1e-3)
    assert len(one.pulse_min) == one.summary["trials"]["rear-laser"]["pulses"]
    assert one.usage.sum() == pytest.approx(1)
    assert len(one.pulse_latency_ms) == len(one.pulse_min)
    assert one.pulse_latency_ms == pytest.approx(7.5)
    cut = digest(data / "2025-03-02_10-15-00_m12")
    assert any("no summary" in failure for failure in cut.failures)
    assert [listed.failed for listed in list_sessions(data)] == [True, False]
    assert list_sessions(data / "nowhere") == []


@pytest.mark.parametrize(
    "damaged", ["[]", "{", '{"ending": {}}', '{"ending": {}, "frames": {}, "trials": {"a": {}}}', '{"ending": 1}']
)
def test_a_damaged_summary_spoils_its_own_line_alone(data: Path, tmp_path: Path, damaged: str) -> None:
    shutil.copytree(data, tmp_path / "data")
    folder = tmp_path / "data" / "2025-03-01_10-15-00_m12"
    (folder / "summary.json").write_text(damaged)
    assert ["summary.json: " in listed.ending for listed in list_sessions(tmp_path / "data")] == [False, True]
    one = digest(folder)
    assert "damaged" in " ".join(one.failures)
    assert len(one.pulse_min) == one.summary["trials"]["rear-laser"]["pulses"], "its numbers come from the record"


async def test_brackets_in_a_name_are_letters(data: Path, tmp_path: Path) -> None:
    odd = "m1 [b]x[/q]"
    shutil.copytree(data, tmp_path / "data")
    path = tmp_path / "data" / "2025-03-01_10-15-00_m12" / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"subject": odd}))
    app = RigApp({}, plain=False, browse=tmp_path / "data")
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.table.row_count == 2)
        assert isinstance(app.screen, BrowseScreen)
        assert str(app.screen.table.get_row_at(1)[1]) == odd
        app.push_screen(Choice(odd, f"[section] of {odd}", (("y", odd),)))
        await until(pilot, lambda: isinstance(app.screen, Choice))
        app.notify(odd)
        await until(pilot, lambda: shown(app).count(odd) >= 5)
        assert f"[section] of {odd}" in shown(app)


def shown(app: RigApp) -> str:
    return app.export_screenshot().replace("&#160;", " ")


async def test_numbers_that_do_not_fit_are_announced_and_reached(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "2025-03-01_10-15-00_m12/summary.json"
    told = [{"time_s": 1.5, "what": "online: command 7 unanswered for 38 ms"}]
    failed = {"reason": "a device failed", "failures": ["camera: " + "no frame " * 9], "line": "all lines low"}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"alerts": told, "ending": failed}))
    app = RigApp({}, plain=False, browse=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.table.row_count == 2)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, SummaryScreen))
        screen = app.screen
        await until(pilot, lambda: "more" in said(screen, "numbers"))
        first = said(screen, "numbers")
        assert "all lines low" in first
        assert "unanswered" in first
        assert "latency" not in first
        await pilot.press("pagedown", "pagedown", "pagedown")
        assert "without evidence" in said(screen, "numbers")
        assert "↑" in said(screen, "numbers")
        await pilot.press("pageup", "pageup", "pageup")
        await until(pilot, lambda: said(screen, "numbers") == first)
        await pilot.press("j", "k")
        await until(pilot, lambda: said(screen, "numbers") == first)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_from_the_list_to_summary_and_replay(data: Path, size: tuple[int, int]) -> None:
    app = RigApp({}, plain=False, browse=data)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.table.row_count == 2)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, SummaryScreen))
        await pilot.pause()
        assert "the protocol is over" in said(app.screen, "numbers")
        assert "rear-laser" in said(app.screen, "numbers")
        assert "cumulative" in said(app.screen, "pictures")
        assert "share of frames" in said(app.screen, "pictures")
        assert "etholoop watch" in said(app.screen, "steps")
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen))
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen))
        await pilot.press("f2", "escape")
        await until(pilot, lambda: app._exit)


@pytest.mark.xdist_group("live")
async def test_set_up_turns_green_and_starts_nothing_before(tmp_path: Path) -> None:
    write_recording(tmp_path / "rec", 600, rate_hz=30.0)
    files = write_rig(tmp_path, 'driver = "recording"\npath = "rec"', tmp_path, rate_hz=30.0)
    entries = {"rig": str(files.rig), "protocol": str(files.protocol), "out": str(files.out)}
    app = RigApp(entries, plain=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, SetupScreen))
        screen = app.screen
        assert isinstance(screen, SetupScreen)
        await until(pilot, lambda: "✕ subject named" in said(screen, "checks"))
        assert screen.query_one("#start", Button).disabled
        await pilot.press("f9")
        assert app.screen is screen
        await pilot.press(*"m7", "tab", "tab")
        assert screen.focused is screen.query_one("#model", Input)
        screen.query_one("#model", Input).value = str(files.model)
        await until(pilot, lambda: all(check.state == "good" for check in screen.checks.values()))
        await until(pilot, lambda: not screen.query_one("#start", Button).disabled)
        await until(pilot, lambda: "ready" in said(screen, "keys"))
        assert "▀" * 10 in app.export_screenshot(), "the arena is drawn"
        await pilot.press("f8")
        await until(pilot, lambda: isinstance(app.screen, PulseQuestion))
        await pilot.press("1")
        await until(pilot, lambda: (files.out / RECORD).exists())
        assert json.loads((files.out / RECORD).read_text())["outcome"] == "executed"
        files.rig.write_text(files.rig.read_text().replace("[arena]\nfrom_recording = true", "[arena]"))
        await pilot.press("f5")
        await until(pilot, lambda: "etholoop arena" in said(screen, "checks"))
        assert screen.query_one("#start", Button).disabled
        await pilot.press("ctrl+q")
