"""Who acknowledged which alert, and when, is in the record, and every screen of the session and a replay know it."""

from pathlib import Path

import pytest

from online.messages import Event
from rig.acknowledgement import acknowledgement_of, words_of
from rig.summary import as_text, summarise
from rig.tui.session_facts import SessionFacts
from rig.tui.session_view import SessionView
from tests.test_session_file import write
from tests.tui.test_live_screen import rehearsal, run_dir

__all__ = ["run_dir"]
SECOND_NS = 10**9


def event(second: int, kind: str, detail: str, source: str = "supervisor") -> Event:
    return Event.model_validate({"time_ns": second * SECOND_NS, "source": source, "kind": kind, "detail": detail})


def view_of(*events: Event) -> SessionView:
    view = SessionView(SessionFacts())
    for happened in events:
        view.take(happened, None, happened.time_ns)
    return view


SLOW = "USB: link is slow"
SAID = f"acknowledge {words_of('at pts/3', 'camera', SLOW)}"


def test_words_are_read_again() -> None:
    said = acknowledgement_of(SAID)
    assert said is not None
    assert (said.place, said.source, said.text) == ("at pts/3", "camera", SLOW)
    assert said.means("camera", SLOW)
    assert not said.means("online", SLOW)
    assert not said.means("camera", SLOW + "er")
    cut = acknowledgement_of("acknowledge at pts/3: camera: USB: li…")
    assert cut is not None
    assert cut.means("camera", SLOW)
    assert acknowledgement_of("arm at pts/3") is None
    assert acknowledgement_of("acknowledge nothing") is None


def test_what_was_acknowledged_elsewhere_is_not_asked_for_again() -> None:
    view = view_of(event(1, "alert", SLOW, "camera"), event(1, "alert", SLOW, "online"), event(5, "command", SAID))
    assert [alert.source for alert in view.alerts.open] == ["online"]
    assert view.log.newest(1)[0].text.endswith(SAID)
    view.take(event(7, "alert", SLOW, "camera"), None, 7 * SECOND_NS)
    assert [alert.source for alert in view.alerts.open] == ["online", "camera"], "it came again"


def test_an_alert_that_came_again_before_is_not_taken_for_acknowledged() -> None:
    view = view_of(event(1, "alert", SLOW, "camera"), event(6, "alert", SLOW, "camera"), event(5, "command", SAID))
    assert len(view.alerts.open) == 1


async def test_the_key_has_it_recorded_for_every_alert_that_was_seen(run_dir: Path) -> None:
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        stage.rig.event("camera", "alert", SLOW)
        await stage.until(lambda: bool(stage.view.alerts.open))
        await stage.settle()
        await stage.pilot.press("x")
        await stage.until(lambda: stage.commands("supervisor") == ["acknowledge"])
        ((_, command),) = stage.rig.commands
        assert command.text == words_of(stage.view.here, "camera", SLOW)
        assert stage.view.alerts.open == []


async def test_who_only_looks_has_nothing_recorded(run_dir: Path) -> None:
    async with rehearsal(run_dir, control=False) as stage:
        await stage.play(3)
        stage.rig.event("camera", "alert", SLOW)
        await stage.until(lambda: bool(stage.view.alerts.open))
        await stage.settle()
        await stage.pilot.press("x")
        await stage.until(lambda: not stage.view.alerts.open)
        await stage.settle()
        assert stage.rig.commands == []


async def test_what_could_not_be_recorded_is_said(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.tui.commander.TIMEOUT_MS", 1)
    async with rehearsal(run_dir) as stage:
        await stage.play(3)
        stage.rig.deaf.add("supervisor")
        stage.rig.event("camera", "alert", SLOW)
        await stage.until(lambda: bool(stage.view.alerts.open))
        await stage.settle()
        await stage.pilot.press("x")
        await stage.until(lambda: "acknowledge: not recorded" in " ".join(a.text for a in stage.view.alerts.open))
        await stage.settle()
        await stage.pilot.press("x")
        await stage.until(lambda: not stage.view.alerts.open)


def test_the_summary_tells(tmp_path: Path) -> None:
    path = tmp_path / "session.h5"
    writer = write(path)
    for happened in (
        event(1, "lifecycle", "session starts"),
        event(3, "alert", SLOW, "camera"),
        event(4, "alert", "a board"),
        event(5, "command", SAID),
    ):
        writer.append(happened, None)
    writer.close()
    summary = summarise(path)
    told = {alert["what"]: alert.get("acknowledged") for alert in summary["alerts"]}
    assert told[SLOW]["where"] == "at pts/3"
    assert told["a board"] is None
    assert f"{SLOW}, acknowledged at pts/3 at" in as_text(summary)
