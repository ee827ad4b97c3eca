"""The live screen driven by keys and by messages through real sockets."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import zmq
from textual.containers import Vertical
from textual.pilot import Pilot
from textual.widgets import Input, Static
from textual.widgets._toast import Toast

from rig.clock import ManualClock
from rig.tui.alerts_screen import AlertsScreen
from rig.tui.app import EtholoopApp
from rig.tui.dialogs import Choice, PulseQuestion
from rig.tui.emergency import EmergencyLine
from rig.tui.help_screen import HelpScreen
from rig.tui.live import LiveApp
from rig.tui.live_feed import LiveFeed
from rig.tui.widgets import LinesPanel, PicturePanel
from tests.fake_rig import FakeRig
from tests.fake_rig_files import FRAME_NS, write_files


@pytest.fixture
def run_dir() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="eth-"))
    write_files(path)
    yield path
    shutil.rmtree(path, ignore_errors=True)


class Rehearsal:
    """A fake rig and a screen on one clock, turned by hand."""

    def __init__(self, rig: FakeRig, app: LiveApp, pilot: Pilot[str], clock: ManualClock) -> None:
        self.rig = rig
        self.app = app
        self.view = app.session.view
        feed = app.session.source
        assert isinstance(feed, LiveFeed)
        self.feed = feed
        self.pilot = pilot
        self.clock = clock

    async def until(self, condition: Callable[[], bool], also: Callable[[], None] = lambda: None) -> None:
        for _ in range(2000):
            if condition():
                return
            also()
            self.rig.serve()
            self.app.session.tick()
            await asyncio.sleep(0.001)
        raise AssertionError("it did not come to this")

    async def play(self, frames: int) -> None:
        """Let frames pass, each with all that follows from it taken before the next, and have everything redrawn."""
        for _ in range(frames):
            before = {name: publisher.sequence for name, publisher in self.rig.publishers.items()}
            self.clock.advance_ns(FRAME_NS)
            self.rig.step()
            await self.until(lambda before=before: self.all_taken(before))  # type: ignore[misc]
        await self.settle()

    def all_taken(self, before: dict[str, int]) -> bool:
        """Whether the screen has all that the rig sent on each stream since it had sent so many messages."""
        heard, sent = self.feed._subscribers, {name: p.sequence for name, p in self.rig.publishers.items()}
        return all(heard[name]._next == sent[name] for name in heard if sent[name] > before[name])

    async def settle(self) -> None:
        for _ in range(8):
            self.app.session.tick()
        await self.pilot.pause()

    @property
    def emergency(self) -> EmergencyLine:
        assert self.app.emergency is not None
        return self.app.emergency

    def said(self, panel: str) -> str:
        return self.app.session.query_one(f"#{panel}", LinesPanel).text()

    def commands(self, process: str) -> list[str]:
        return [command.name for addressee, command in self.rig.commands if addressee == process]


@asynccontextmanager
async def rehearsal(run_dir: Path, size: tuple[int, int] = (120, 40), control: bool = True) -> AsyncIterator[Rehearsal]:
    clock = ManualClock()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    rig = FakeRig(run_dir, clock, context)
    app = LiveApp(run_dir, clock, plain=False, control=control)
    try:
        async with app.run_test(size=size, notifications=True) as pilot:
            stage = Rehearsal(rig, app, pilot, clock)
            await stage.until(lambda: stage.feed.hears_all, rig.probe)
            yield stage
    finally:
        rig.close()
        context.destroy(linger=0)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_the_session_is_shown(run_dir: Path, size: tuple[int, int]) -> None:
    async with rehearsal(run_dir, size) as stage:
        await stage.play(40)
        stage.rig.trial("pulse", "", 0.9, stage.clock.now_ns())
        stage.rig.trial("catch", "", 0.9, stage.clock.now_ns())
        await stage.until(lambda: stage.view.counts.commands["executed"] >= 1)
        await stage.settle()
        assert "stimulation" in stage.said("head")
        assert "▸ 3 rear" in stage.said("syllables")
        assert "still" in stage.said("syllables")
        assert "rear-laser" in stage.said("side")
        assert all(f"● {process}" in stage.said("side") for process in ("camera", "online", "recorder"))
        assert "30.0 Hz" in stage.said("side")
        assert "▲" in stage.said("syllables").splitlines()[-1].split("│")[1]
        assert "EMERGENCY STOP" in stage.said("keys")
        assert "no alerts" in stage.said("alerts")
        shot = stage.app.export_screenshot()
        assert "▀" * 10 in shot, "pictures are drawn"


async def test_emergency_stop_goes_to_the_online_process_and_its_time_is_shown(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(6)
        await stage.pilot.press("exclamation_mark")
        await stage.until(lambda: stage.view.state == "stopped")
        assert stage.commands("online") == ["emergency_stop"]
        shown = [part for line in stage.app.session.query_one("#head", LinesPanel)._lines for part in line]
        assert not any(role == "good" for _, role in shown), "what is shown as armed is gone at once"
        await stage.settle()
        assert "confirmed" in stage.said("head")
        assert not stage.rig.armed
        await stage.pilot.press("a")
        await stage.until(lambda: stage.rig.armed)
        stage.clock.advance_ns(FRAME_NS)
        await stage.play(4)
        assert stage.view.state == "armed"


async def test_emergency_stop_works_while_a_note_is_typed(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        await stage.pilot.press("n", "h", "exclamation_mark")
        await stage.until(lambda: stage.view.state == "stopped")
        assert stage.app.screen.query_one(Input).value == "h"
        await stage.until(lambda: "confirmed" in toasts(stage.app))


def toasts(app: EtholoopApp) -> str:
    """What is said over the uppermost screen."""
    return " ".join(str(toast.render()) for toast in app.screen.query(Toast))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
@pytest.mark.parametrize("over", ["n", "q", "t", "question_mark"])
async def test_a_stop_is_told_over_whatever_lies_above(run_dir: Path, size: tuple[int, int], over: str) -> None:
    async with rehearsal(run_dir, size) as stage:
        await stage.play(3)
        stage.rig.deaf |= {"online", "supervisor"}
        stage.emergency.timeouts_ms = {"online": 5, "supervisor": 5}
        await stage.pilot.press(over)
        await stage.until(lambda: stage.app.screen is not stage.app.session)
        await stage.pilot.press("exclamation_mark")
        await stage.until(lambda: "NOT CONFIRMED" in toasts(stage.app))


@pytest.mark.parametrize("key", ["n", "q", "t"])
async def test_the_session_is_seen_behind_a_question(run_dir: Path, key: str) -> None:
    async with rehearsal(run_dir, (80, 24)) as stage:
        await stage.play(3)
        await stage.pilot.press(key)
        await stage.until(lambda: stage.app.screen is not stage.app.session)
        await stage.pilot.pause()
        assert stage.app.screen.query_one(Vertical).region.height < 14
        assert "EMERGENCY" in stage.app.export_screenshot()


async def test_emergency_stop_without_an_answer_says_so(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        stage.emergency.timeouts_ms = {"online": 5, "supervisor": 5}
        await stage.pilot.press("exclamation_mark")
        for _ in range(2000):
            if stage.view.stop.since_ns is not None:
                break
            await asyncio.sleep(0.001)
        await stage.settle()
        assert "NOT CONFIRMED" in stage.said("head")
        assert "emergency stop" in stage.said("alerts")


async def test_a_stop_at_another_screen_is_shown_with_its_place_and_not_armed_over_unasked(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(4)
        stage.rig.armed = False
        stage.rig.event("online", "command", "emergency_stop at pts/9")
        await stage.until(lambda: stage.view.state == "stopped")
        await stage.play(9)
        assert stage.view.state == "stopped"
        assert "at pts/9" in stage.said("head")
        assert "emergency stop: lines low, stopped at pts/9" in stage.said("alerts")
        await stage.pilot.press("a")
        await stage.until(lambda: isinstance(stage.app.screen, Choice))
        await stage.pilot.press("n")
        await stage.until(lambda: stage.app.screen is stage.app.session)
        assert stage.rig.commands == []
        await stage.pilot.press("a")
        await stage.until(lambda: isinstance(stage.app.screen, Choice))
        await stage.pilot.press("y")
        await stage.until(lambda: stage.rig.armed)
        assert stage.rig.commands[0][1].text == stage.view.here
        await stage.until(lambda: stage.view.state != "stopped")
        await stage.play(4)
        assert stage.view.state == "armed"
        assert len(stage.view.alerts.open) == 1


async def test_another_screen_that_arms_after_a_stop_is_named(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(4)
        await stage.pilot.press("exclamation_mark")
        await stage.until(lambda: stage.view.state == "stopped" and "after the key" in stage.view.stop.words)
        stage.clock.advance_ns(FRAME_NS)
        stage.rig.armed = True
        stage.rig.event("online", "command", "arm at pts/9")
        await stage.until(lambda: bool(stage.view.alerts.open))
        assert [alert.text for alert in stage.view.alerts.open] == ["armed again at pts/9"]
        assert stage.view.state != "stopped"


async def test_the_supervisor_is_the_second_path(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        stage.emergency.timeouts_ms["online"] = 5
        stage.rig.deaf.add("online")
        await stage.pilot.press("exclamation_mark")
        await stage.until(lambda: stage.view.state == "stopped")
        assert stage.commands("supervisor") == ["emergency_stop"]


async def test_a_note_is_sent_with_its_text(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.pilot.press("n", *"wet", "enter")
        await stage.until(lambda: bool(stage.rig.commands))
        process, command = stage.rig.commands[0]
        assert (process, command.name, command.text) == ("supervisor", "note", "wet")
        await stage.pilot.press("n", *"no", "escape")
        await stage.settle()
        assert len(stage.rig.commands) == 1


async def test_pause_and_disarm(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(4)
        await stage.pilot.press("p")
        await stage.until(lambda: stage.rig.paused)
        await stage.play(4)
        assert stage.view.state == "paused"
        await stage.pilot.press("p")
        await stage.until(lambda: not stage.rig.paused)
        await stage.play(4)
        await stage.pilot.press("a")
        await stage.until(lambda: not stage.rig.armed)
        assert stage.commands("online") == ["pause", "resume", "disarm"]


async def test_a_test_pulse_is_asked_for_and_confirmed(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        for answer in ("n", "escape", "x", "1"):
            await stage.pilot.press("t")
            await stage.pilot.pause()
            assert isinstance(stage.app.screen, PulseQuestion)
            await stage.pilot.press(answer)
            if answer == "x":
                assert isinstance(stage.app.screen, PulseQuestion), "any other key is no answer"
                await stage.pilot.press("escape")
        await stage.until(lambda: bool(stage.rig.commands))
        ((process, command),) = stage.rig.commands
        assert (process, command.name, command.text) == ("online", "test_pulse", "confirmed laser")


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_ending_asks_first(run_dir: Path, key: str) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        await stage.pilot.press(key)
        await stage.pilot.pause()
        await stage.pilot.press("n")
        await stage.settle()
        assert stage.rig.commands == []
        await stage.pilot.press(key)
        await stage.pilot.pause()
        await stage.pilot.press("y")
        await stage.until(lambda: stage.rig.stopped)
        assert stage.commands("supervisor") == ["stop"]


async def test_detaching_leaves_the_session_alone(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        await stage.pilot.press("q")
        await stage.pilot.pause()
        await stage.pilot.press("d")
        await stage.pilot.pause()
        assert stage.app.return_value == "detached; the session goes on"
        assert stage.rig.commands == []


async def test_who_may_only_look_changes_nothing(run_dir: Path) -> None:
    async with rehearsal(run_dir, control=False) as stage:
        await stage.play(3)
        assert "view only" in stage.said("keys")
        await stage.pilot.press("question_mark")
        await stage.until(lambda: isinstance(stage.app.screen, HelpScreen))
        assert "EMERGENCY" not in str(stage.app.screen.query_one("#help-keys", Static).render())
        await stage.pilot.press("escape", "exclamation_mark")
        await stage.until(lambda: "controls no session" in toasts(stage.app))
        await stage.pilot.press("a", "p", "n", "f12", "enter", "q")
        await stage.pilot.pause()
        assert stage.rig.commands == []
        assert stage.app.return_value is not None


async def test_alerts_stay_until_acknowledged(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        stage.rig.event("camera", "alert", "USB link is slow")
        await stage.until(lambda: bool(stage.view.alerts.open))
        await stage.play(30)
        assert "USB link is slow" in stage.said("alerts")
        await stage.pilot.press("x")
        await stage.settle()
        assert "no alerts" in stage.said("alerts")


async def test_only_alerts_that_were_seen_are_acknowledged(run_dir: Path) -> None:
    async with rehearsal(run_dir, (80, 24)) as stage:
        await stage.play(3)
        for number in range(30):
            stage.rig.event("camera", "alert", f"number {number} of many")
        await stage.until(lambda: len(stage.view.alerts.open) == 30)
        await stage.settle()
        assert "number 0 of" in stage.said("alerts")
        assert "and 29 more" in stage.said("alerts")
        await stage.pilot.press("x")
        await stage.until(lambda: isinstance(stage.app.screen, AlertsScreen))
        screen = stage.app.screen
        await stage.until(lambda: any("number 15 of" in panel.text() for panel in screen.query(LinesPanel)))
        shown = screen.query_one("#all-alerts", LinesPanel).text()
        assert "EMERGENCY STOP" in screen.query_one("#keys", LinesPanel).text()
        assert "number 0 of" in shown
        assert "number 29 of" not in shown
        await stage.pilot.press("x")
        await stage.settle()
        left = [alert.text for alert in stage.view.alerts.open]
        assert left
        assert not any(words in shown for words in left)
        assert left[-1] == "number 29 of many"
        await stage.pilot.press("x")
        await stage.until(lambda: stage.app.screen is stage.app.session)
        assert stage.view.alerts.open == []


async def test_an_alert_that_came_after_the_last_drawing_is_not_acknowledged(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        stage.rig.event("camera", "alert", "seen")
        await stage.until(lambda: bool(stage.view.alerts.open))
        await stage.settle()
        stage.view.alerts.raise_("camera", "not seen", stage.clock.now_ns())
        stage.app.session.action_acknowledge()
        assert [alert.text for alert in stage.view.alerts.open] == ["not seen"]
        assert "not seen" in stage.said("alerts")


async def test_the_screen_goes_when_the_session_ends(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        stage.rig.end()
        await stage.until(lambda: bool(stage.view.ended))
        await stage.settle()
        assert stage.view.ended == "the session ended: the protocol is over"
        assert "ENDED" in stage.view.state.upper()
        await stage.pilot.press("q")
        await stage.pilot.pause()
        assert stage.app.return_value == stage.view.ended


async def test_the_screen_goes_when_the_session_vanishes(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        stage.clock.advance_ns(7_000_000_000)
        await stage.until(lambda: bool(stage.view.ended))
        assert "nothing is heard" in stage.view.ended


async def test_a_screen_that_comes_late_counts_only_what_it_missed_itself(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        for publisher in stage.rig.publishers.values():
            publisher.sequence += 500
        await stage.play(5)
        assert stage.feed.lost == 0
        stage.rig.publishers["syllables"].sequence += 2
        await stage.play(1)
        assert stage.feed.lost == 2


async def test_a_dead_camera_leaves_no_number_that_looks_current(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(40)
        assert "30.0 Hz" in stage.said("side")
        stage.clock.advance_ns(2_200_000_000)
        await stage.settle()
        assert "30.0 Hz" not in stage.said("side")
        assert "? rear-laser" in stage.said("side")
        assert "nothing heard now" in stage.said("syllables")
        assert stage.view.state == "silent"
        crop = "".join(words for words, _ in stage.app.session.query_one("#crop", PicturePanel)._heading)
        assert "none for 2 s" in crop, "nor the picture of the mouse"
        await stage.play(4)
        await stage.until(lambda: stage.view.state == "armed")


@pytest.mark.parametrize("times", [1, 2])
async def test_light_and_plain_colours(run_dir: Path, times: int) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        await stage.pilot.press(*["f2"] * times)
        await stage.play(3)
        assert stage.app.palette.name == ("light", "plain")[times - 1]
        assert ("▀" * 10 in stage.app.export_screenshot()) is (times == 1)
