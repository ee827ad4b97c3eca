"""The whole log of a session, on a screen of its own: at every size, by keys, over a session that goes on or ends."""

from pathlib import Path

import pytest

from rig.tui.log_screen import LogScreen
from rig.tui.widgets import LinesPanel
from tests.fake_rig_files import FRAME_NS, write_files
from tests.tui.test_live_screen import Rehearsal, rehearsal, toasts


@pytest.fixture
def run_dir(private: Path) -> Path:
    write_files(private)
    return private


def page_of(stage: Rehearsal) -> str:
    screen = stage.app.screen
    assert isinstance(screen, LogScreen)
    screen.draw()
    return screen.query_one("#whole-log", LinesPanel).text()


@pytest.mark.parametrize(("size", "control"), [((80, 24), True), ((120, 40), True), ((200, 60), False)])
async def test_the_whole_log_opens_over_the_session(run_dir: Path, size: tuple[int, int], control: bool) -> None:
    async with rehearsal(run_dir, size, control) as stage:
        await stage.play(6)
        stage.rig.event("supervisor", "note", "looks well")
        await stage.until(lambda: len(stage.view.events) == 1)
        await stage.settle()
        assert ("looks well" in stage.said("log")) is (size != (80, 24)), "a few lines where there is room"
        assert " l log" in stage.said("keys")
        await stage.pilot.press("l")
        await stage.until(lambda: isinstance(stage.app.screen, LogScreen))
        await stage.pilot.pause()
        assert "· note: looks well" in page_of(stage)
        assert "block stimulation begins" in page_of(stage)
        foot = stage.app.screen.query_one("#keys", LinesPanel).text()
        assert ("EMERGENCY STOP" in foot) is control
        assert "esc back" in foot
        await stage.pilot.press("l")
        await stage.until(lambda: stage.app.screen is stage.app.session)


async def test_the_keys_of_the_log(run_dir: Path) -> None:
    async with rehearsal(run_dir, (80, 24)) as stage:
        await stage.play(6)
        for number in range(60):
            stage.rig.event("supervisor", "note", f"note {number}.")
        stage.clock.advance_ns(FRAME_NS)
        stage.rig.trial("pulse", "", 0.9, stage.clock.now_ns())
        await stage.until(lambda: len(stage.view.events) == 60 and len(stage.view.counts.trials) == 1)
        await stage.pilot.press("l")
        await stage.until(lambda: isinstance(stage.app.screen, LogScreen))
        await stage.pilot.pause()
        assert "▲ rear-laser" in page_of(stage)
        await stage.pilot.press("t")
        assert "▲ rear-laser" not in page_of(stage)
        await stage.pilot.press("t", "down", "down")
        first = page_of(stage).splitlines()[0]
        assert first.endswith("note 58.")
        stage.rig.event("supervisor", "note", "the last one")
        await stage.until(lambda: len(stage.view.events) == 61)
        assert page_of(stage).splitlines()[0] == first, "what is read stays where it is"
        await stage.pilot.press("pagedown")
        assert first not in page_of(stage)
        await stage.pilot.press("pageup")
        assert first in page_of(stage)
        await stage.pilot.press("space", "end")
        assert "block baseline begins" in page_of(stage)
        await stage.pilot.press("home")
        assert "the last one" in page_of(stage)
        await stage.pilot.press("down", "up")
        assert "the last one" in page_of(stage)
        await stage.pilot.press("exclamation_mark")
        await stage.until(lambda: "confirmed" in toasts(stage.app))
        assert not stage.rig.armed
        await stage.pilot.press("escape")
        await stage.until(lambda: stage.app.screen is stage.app.session)


async def test_the_log_goes_with_the_session(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        await stage.pilot.press("l")
        await stage.until(lambda: isinstance(stage.app.screen, LogScreen))
        stage.rig.end()
        await stage.until(lambda: bool(stage.view.ended))
        stage.app.session.go()
        await stage.pilot.pause()
        assert stage.app.return_value == stage.view.ended
