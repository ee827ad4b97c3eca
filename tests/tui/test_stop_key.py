"""Keys of the live screen when answers are late, refused, or come when all is over."""

from pathlib import Path

from textual.widgets import Input, Static

from rig.clock import ManualClock
from rig.tui.app import EtholoopApp
from rig.tui.dialogs import OneLine
from rig.tui.emergency import BenchStop
from rig.tui.help_screen import HelpScreen
from tests.tui.test_live_screen import rehearsal, run_dir, toasts

__all__ = ["run_dir"]


async def test_a_held_stop_key_does_not_hold_up_the_keyboard(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        stage.rig.deaf |= {"online", "supervisor"}
        stage.emergency.timeouts_ms = {"online": 60_000, "supervisor": 60_000}
        for _ in range(30):
            stage.app.stop_now()
        await stage.pilot.press("question_mark")
        await stage.until(lambda: isinstance(stage.app.screen, HelpScreen))
        assert stage.view.stop.since_ns is None, "the first answer is still waited for"
        stage.rig.deaf.clear()
        await stage.until(lambda: stage.view.state == "stopped")
        await stage.until(lambda: not stage.app._stop_wish.is_set())
        assert 1 <= len(stage.commands("online")) <= 2


async def test_arming_goes_by_what_the_session_says_also_while_it_is_paused(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.pilot.press("a")
        await stage.until(lambda: "says nothing" in " ".join(a.text for a in stage.view.alerts.open))
        assert stage.rig.commands == []
        stage.rig.armed = False
        stage.rig.paused = True
        await stage.play(4)
        assert stage.view.state == "paused, disarmed"
        assert "disarmed" in stage.said("head")
        await stage.pilot.press("a")
        await stage.until(lambda: stage.rig.armed)
        await stage.play(4)
        assert stage.view.state == "paused"
        assert stage.commands("online") == ["arm"]


async def test_nothing_is_armed_whose_pulses_nobody_records(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        stage.rig.armed = False
        await stage.play(4)
        stage.rig.silent.add("recorder")
        await stage.play(40)
        assert stage.view.state == "disarmed"
        await stage.pilot.press("a")
        await stage.until(lambda: "recorder is silent" in " ".join(a.text for a in stage.view.alerts.open))
        assert stage.rig.commands == []
        stage.rig.silent.clear()
        await stage.play(4)
        await stage.pilot.press("a")
        await stage.until(lambda: stage.rig.armed)


async def test_a_note_that_the_record_cannot_hold_is_not_cut(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.pilot.press("n")
        await stage.until(lambda: isinstance(stage.app.screen, OneLine))
        stage.app.screen.query_one(Input).value = "ä" * 241
        await stage.pilot.press("enter")
        await stage.until(lambda: "too long by 2" in str(stage.app.screen.query_one("#keys-of-line", Static).render()))
        stage.app.screen.query_one(Input).value = "ä" * 240
        await stage.pilot.press("enter")
        await stage.until(lambda: bool(stage.rig.commands))
        assert stage.rig.commands[0][1].text == "ä" * 240
        await stage.until(lambda: "kept: ää" in toasts(stage.app))


async def test_a_stop_keeps_the_screen_after_the_end(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        await stage.pilot.press("exclamation_mark")
        await stage.until(lambda: stage.view.state == "stopped")
        stage.rig.end()
        await stage.until(lambda: bool(stage.view.ended))
        await stage.settle()
        assert "confirmed" in stage.said("head")
        assert "q goes on" in stage.said("keys")
        await stage.pilot.press("q")
        await stage.until(lambda: stage.app.return_value == stage.view.ended)


async def test_ctrl_q_leaves_no_session_behind_a_question(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        await stage.pilot.press("n")
        await stage.until(lambda: isinstance(stage.app.screen, OneLine))
        await stage.pilot.press("ctrl+q")
        await stage.until(lambda: "a session runs below" in toasts(stage.app))
        assert isinstance(stage.app.screen, OneLine)


async def test_the_stop_key_reaches_a_test_pulse_of_the_set_up() -> None:
    clock = ManualClock(5_000_000)
    app = EtholoopApp(clock, plain=False)
    async with app.run_test(notifications=True) as pilot:
        app.bench_stop = BenchStop(clock)
        app.bench_stop.confirmed_ns = 7_000_000
        app.bench_stop.answered.set()
        await pilot.press("exclamation_mark")
        for _ in range(2000):
            if "confirmed 2.0 ms" in toasts(app):
                break
            await pilot.pause(0.01)
        assert "confirmed 2.0 ms" in toasts(app)
        assert app.bench_stop.wished.is_set()
