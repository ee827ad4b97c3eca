"""Keys of set-up, start and list that need no session."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from online.files.bundle import save_bundle
from rig.clock import ManualClock
from rig.tui.app import EtholoopApp
from rig.tui.browse_screen import BrowseScreen
from rig.tui.cards_screen import CardsScreen
from rig.tui.rig_app import RigApp
from rig.tui.session_child import SessionChild
from rig.tui.setup_screen import SetupScreen
from rig.tui.starting_screen import StartingScreen
from rig.tui.widgets import LinesPanel
from tests.rigs import tiny_model


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, private: Path) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(private / "state"))
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    return private


async def until(pilot: Pilot[str], condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError(f"it did not come to this: {pilot.app.screen}")


async def test_the_keys_of_the_set_up(tmp_path: Path) -> None:
    app = RigApp({"out": str(tmp_path)}, plain=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, SetupScreen))
        screen = app.screen
        assert isinstance(screen, SetupScreen)
        fields = [widget.id for widget in screen.query(Input)]
        assert screen.focused is not None
        assert screen.focused.id == fields[0]
        for key, place in (("tab", 1), ("down", 2), ("up", 1), ("shift+tab", 0)):
            await pilot.press(key)
            assert screen.focused.id == fields[place]
        await pilot.press("f4")
        await pilot.pause()
        assert app.screen is screen, "no model, no cards"
        await pilot.press("f8", "f9")
        await pilot.pause()
        assert app.screen is screen, "nothing pulses and nothing starts before all is green"
        assert not list(tmp_path.iterdir())
        save_bundle(tmp_path / "tiny.model.h5", tiny_model())
        screen.query_one("#model", Input).value = str(tmp_path / "tiny.model.h5")
        await pilot.press("f4")
        await until(pilot, lambda: isinstance(app.screen, CardsScreen))
        await pilot.press("q")
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen))
        await pilot.press("w", "enter", "r", "q")
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: app._exit)


class PretendedChild(SessionChild):
    """A session that says what a test wants."""

    def __init__(self) -> None:
        self.said: list[str] = ["camera: opening"]
        self.code: int | None = None
        self.stopped = False

    def lines(self) -> list[str]:
        return self.said

    @property
    def exit_code(self) -> int | None:
        return self.code

    def stop(self) -> None:
        self.stopped = True


async def test_a_session_that_cannot_start_says_why_and_leads_back() -> None:
    clock, child, answers = ManualClock(), PretendedChild(), []
    app = EtholoopApp(clock, plain=False)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = StartingScreen(child, app.palette)
        app.push_screen(screen, answers.append)
        await until(pilot, lambda: screen.is_attached and "camera: opening" in _words(screen))
        assert "is starting  0 s" in _words(screen)
        clock.advance_ns(7_000_000_000)
        await until(pilot, lambda: "◌ camera: opening  7 s" in _words(screen))
        child.said = ["camera: opening", "online: opening the board"]
        await until(pilot, lambda: "◌ online: opening the board  0 s" in _words(screen))
        assert "is starting  7 s" in _words(screen)
        assert "● camera: opening" in _words(screen)
        reason = ["etholoop: no camera is connected: " + "look " * 40 + "at the cable", "  and at the plug"]
        child.said, child.code = child.said + reason, 4
        await until(pilot, lambda: "could not start" in _words(screen))
        assert all(word in _words(screen) for word in ("no camera is connected", "cable", "and at the plug"))
        await pilot.press("escape")
        await until(pilot, lambda: answers == [False])
        assert child.stopped
        child.said = ["watch or control it elsewhere: etholoop attach /tmp/etholoop-x"]
        app.push_screen(StartingScreen(child, app.palette), answers.append)
        await until(pilot, lambda: answers == [False, True])


def _words(screen: StartingScreen) -> str:
    return "".join(panel.text() for panel in screen.query(LinesPanel))
