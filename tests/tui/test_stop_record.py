"""An emergency stop on the screen, pressed here or elsewhere, from messages alone."""

from pathlib import Path

import pytest

from online.messages import Event
from rig.tui.earlier import read_earlier
from rig.tui.session_view import SessionView
from rig.tui.stop_record import SETTLED_NS
from tests.tui.messages import MS, command, status, write_session


def test_a_stop_without_confirmation_is_an_alert(view: SessionView) -> None:
    view.stop.pressed(False, "no answer within 500 ms", 500.0, now_ns=20)
    view.take(status(30), None, 0)
    assert view.state == "unconfirmed", "it stays until someone arms again"
    assert "NOT CONFIRMED" in view.stop.words
    assert view.alerts.open[0].source == "emergency stop"
    view.stop.cleared()
    assert view.state == "armed"


def test_a_stop_of_another_screen_holds_until_someone_arms(view: SessionView) -> None:
    view.take(status(0), None, 0)
    view.take(command(10, "emergency_stop at pts/9"), None, 0)
    assert view.state == "stopped"
    assert view.stop.elsewhere == "at pts/9"
    assert view.stop.words == "all lines low, stopped at pts/9"
    view.take(status(15 * MS), None, 0)
    assert view.state == "stopped", "a replay's status may be a frame old"
    view.take(command(20, "arm at pts/9"), None, 0)
    assert (view.state, view.stop.elsewhere) == ("armed", "")
    assert [alert.text for alert in view.alerts.open] == [
        "lines low, stopped at pts/9",
        "armed again at pts/9",
    ]
    view.take(command(30, "emergency_stop by the supervisor"), None, 0)
    view.take(status(40 * MS + SETTLED_NS), None, 0)
    assert view.state == "armed", "armed by a status alone, where the event was missed"


def test_a_failed_stop_of_another_screen_is_unconfirmed(view: SessionView) -> None:
    view.take(status(0), None, 0)
    failed = Event(time_ns=9 * MS, source="online", kind="alert", detail="emergency_stop failed: the board is gone")
    for message in (failed, command(10, "emergency_stop at pts/9"), status(SETTLED_NS + 20 * MS)):
        view.take(message, None, 0)
    assert view.state == "unconfirmed"
    assert "cut the power" in view.stop.words
    view.take(command(20, "emergency_stop without the online process; all lines low (driven)", "supervisor"), None, 0)
    assert view.state == "stopped", "the second path had an answer"
    view.take(command(30, "emergency_stop without the online process; no answer", "supervisor"), None, 0)
    assert view.state == "unconfirmed"


def test_this_screens_own_stop_keeps_its_measured_time(view: SessionView) -> None:
    own = SessionView(view.facts, "at pts/1")
    own.take(command(10, "emergency_stop at pts/1"), None, 0)
    assert (own.state, own.stop.elsewhere, own.alerts.open) == ("stopped", "", [])
    own.stop.pressed(True, "", 3.2, 11 * MS)
    own.take(command(12, "emergency_stop at pts/1"), None, 0)
    assert "3.2 ms" in own.stop.words


@pytest.mark.parametrize("armed_again", [False, True])
def test_a_screen_that_comes_late_knows_of_the_stop_that_holds(
    tmp_path: Path, view: SessionView, armed_again: bool
) -> None:
    write_session(tmp_path, [command(10, "arm at pts/1"), command(20, "emergency_stop at pts/9")])
    if armed_again:
        view.take(command(30, "arm at pts/1"), None, 0)
    view.take(status(40 * MS, armed=armed_again), None, 0)
    view.take_earlier(read_earlier(tmp_path))
    assert view.state == ("armed" if armed_again else "stopped")
