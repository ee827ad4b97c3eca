"""Help, the palette of commands, and the keys at the foot: on every screen."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.app import App
from textual.command import CommandPalette
from textual.pilot import Pilot
from textual.widgets import Static

from rig.clock import ManualClock
from rig.tui.alerts import AlertBoard
from rig.tui.alerts_screen import AlertsScreen
from rig.tui.app import EtholoopApp
from rig.tui.browse_screen import BrowseScreen
from rig.tui.digest import digest
from rig.tui.foot import COMMON, KeyWords, keys
from rig.tui.help_screen import HelpScreen
from rig.tui.lines import text_of_line
from rig.tui.log_screen import PAIRS, LogScreen
from rig.tui.replay_screen import ReplayScreen, replay_screen
from rig.tui.session_facts import SessionFacts
from rig.tui.session_screen import SessionScreen
from rig.tui.session_view import SessionView
from rig.tui.setup_screen import KEYS, SetupScreen
from rig.tui.summary_screen import SummaryScreen
from rig.tui.widgets import LinesPanel
from tests.tui.sessions import write_session


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_session(tmp_path_factory.mktemp("data") / "2025-03-01_m12", 60, depth=False)


def a_replay(app: EtholoopApp, folder: Path) -> ReplayScreen:
    return replay_screen(app, folder, 1.0)


def a_set_up(app: EtholoopApp, folder: Path) -> SetupScreen:
    return SetupScreen({}, app.palette)


def a_summary(app: EtholoopApp, folder: Path) -> SummaryScreen:
    return SummaryScreen(digest(folder), app.palette)


def a_list(app: EtholoopApp, folder: Path) -> BrowseScreen:
    return BrowseScreen(folder.parent, app.palette)


def all_alerts(app: EtholoopApp, folder: Path) -> AlertsScreen:
    return AlertsScreen(AlertBoard, app.clock.now_ns, lambda numbers: None, app.palette, control=True)


def whole_log(app: EtholoopApp, folder: Path) -> LogScreen:
    return LogScreen(SessionView(SessionFacts()), app.palette, "stop")


SCREENS = [
    (a_replay, "faster", "ribbon"),
    (a_set_up, "start", "region of interest"),
    (a_summary, "watch again", "paths"),
    (a_list, "read again", "newest first"),
    (all_alerts, "acknowledge these", "take their place"),
    (whole_log, "a page older", "starts of blocks"),
]


async def until(pilot: Pilot[str], condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError(f"it did not come to this: {pilot.app.screen}")


def words_of(app: App[str]) -> str:
    return "\n".join(str(part.render()) for part in app.screen.query(Static))


@pytest.mark.parametrize(("make", "key", "words"), SCREENS)
async def test_every_screen_has_help_and_commands(
    folder: Path, make: Callable[..., ReplayScreen], key: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder.parent))
    app = EtholoopApp(ManualClock(), plain=False)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = make(app, folder)
        app.push_screen(screen)
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        shown = words_of(app)
        assert key in shown
        assert words in shown or words == "paths"
        assert "colours" in shown
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        commands = [command.title for command in app.get_system_commands(screen)]
        assert {key, "help", "colours"} <= set(commands)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"colours")
        await pilot.pause(0.3)
        await pilot.press("enter")
        await until(pilot, lambda: app.palette.name == "light")
        if not isinstance(screen, SetupScreen):
            await until(pilot, lambda: app.screen is screen)
            assert "? help" in screen.query_one("#keys", LinesPanel).text()
            await pilot.press("question_mark")
            await until(pilot, lambda: isinstance(app.screen, HelpScreen))


@pytest.mark.parametrize(
    ("words", "aside"),
    [
        (KeyWords((*SessionScreen.CONTROL_KEYS, *COMMON), "stop"), ""),
        (KeyWords((*SessionScreen.LOOK_KEYS, *COMMON), "view"), ""),
        (KeyWords((*ReplayScreen.LOOK_KEYS, *COMMON), ""), "replay x1 00:12/12:34"),
        (KeyWords(PAIRS, "stop"), ""),
        (KEYS, "ready"),
    ],
)
def test_all_keys_are_shown_on_a_narrow_screen(words: KeyWords, aside: str) -> None:
    shown = text_of_line(keys(80, words, aside))
    assert len(shown) <= 80
    left_out = [key for key, _ in words.pairs if f" {key} " not in shown]
    assert left_out in ([], ["F2"])
