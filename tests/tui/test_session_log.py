"""The log of a session: what is in it, in which order, and how much of it is kept."""

from pathlib import Path

import pytest

from online.messages import Event
from protocols.parse import parse_protocol
from rig.tui.earlier import read_earlier
from rig.tui.lines import text_of_line, width_of
from rig.tui.log_lines import log_page, log_strip
from rig.tui.session_facts import SessionFacts
from rig.tui.session_log import KEPT, SessionLog
from rig.tui.session_view import SessionView
from tests.tui.messages import MS, command, receipt, status, trial, write_session
from tests.tui.test_block_panel import protocol_text


def event(time_ms: int, kind: str, detail: str, source: str = "supervisor") -> Event:
    return Event.model_validate({"time_ns": time_ms * MS, "source": source, "kind": kind, "detail": detail})


@pytest.fixture
def view() -> SessionView:
    return SessionView(SessionFacts(protocol=parse_protocol(protocol_text(), "p")))


def texts(view: SessionView, trials: bool = True) -> list[str]:
    return [entry.text for entry in view.log.newest(trials=trials)]


def test_everything_worth_a_line_is_in_it_once_in_order_of_time(view: SessionView) -> None:
    view.take(event(-500, "lifecycle", "session starts"), None, 0)
    view.take(trial(3, "pulse", 3), None, 0)
    view.take(receipt(3, 3, "refused"), None, 0)
    view.take(event(130, "note", "wet"), None, 0)
    view.take(event(140, "alert", "slow USB", "camera"), None, 0)
    view.take(command(150, "test_pulse confirmed laser"), None, 0)
    view.alerts.raise_("command", "arm: no answer", 160 * MS)
    view.take(status(65_000 * MS).replace(elapsed_ms=65_000.0), None, 0)
    assert texts(view) == [
        "▸ block stim begins",
        "! command: arm: no answer",
        "· command: test pulse confirmed laser",
        "! camera: slow USB",
        "· note: wet",
        "! board: pulse refused: duty",
        "▲ rear 0.90",
        "▸ block baseline begins",
        "· supervisor: session starts",
    ]
    assert [text for text in texts(view) if text not in texts(view, trials=False)] == ["▲ rear 0.90"]
    lines = [text_of_line(line) for line in log_strip(view, 60, 9)]
    assert lines[0] == "log 01:00  ▸ block stim begins"
    assert lines[-1].split()[0] == "00:00"
    view.take(status(66_000 * MS).replace(elapsed_ms=66_000.0), None, 0)
    assert texts(view).count("▸ block stim begins") == 1


def test_a_screen_that_comes_late_has_the_same_log(tmp_path: Path, view: SessionView) -> None:
    messages = [event(10, "alert", "slow USB"), trial(3, "pulse", 3), receipt(3, 3, "refused"), event(900, "note", "a")]
    write_session(tmp_path, [*messages, trial(40, "catch")])
    for message in [*messages, trial(40, "catch")]:
        view.take(message, None, 0)
    late = SessionView(view.facts)
    late.take(trial(40, "catch"), None, 0)
    late.take(status(125_000 * MS).replace(elapsed_ms=125_000.0), None, 0)
    view.take(status(125_000 * MS).replace(elapsed_ms=125_000.0), None, 0)
    late.take_earlier(read_earlier(tmp_path))
    assert texts(late) == texts(view)
    assert texts(late)[0] == "▸ block washout begins", "also of blocks that began before"


def test_pulses_push_no_note_out_and_nothing_grows_without_bound() -> None:
    log = SessionLog()
    log.add_event(event(0, "note", "wet"))
    for index in range(2 * KEPT):
        log.add_trial(trial(index, "pulse", index))
    assert len(log.newest()) == KEPT + 1
    assert log.newest()[-1].text == "· note: wet"
    for index in range(2 * KEPT):
        log.add_alert("camera", f"{index}", index)
    assert [entry.text for entry in log.newest(2, trials=False)] == [f"! camera: {2 * KEPT - n}" for n in (1, 2)]
    assert len(log.newest()) == 2 * KEPT


def test_a_page_shows_each_entry_whole(view: SessionView) -> None:
    view.take(event(5, "note", "long words " * 20), None, 0)
    for index in range(4):
        view.take(trial(index + 1, "pulse", index), None, 0)
    lines, shown = log_page(view, view.log.newest(), 60, 7)
    assert (len(lines), shown) == (4, 4), "the note would be cut"
    lines, shown = log_page(view, view.log.newest()[3:], 60, 9)
    assert shown == 2
    assert "".join(text_of_line(line) for line in lines).count("words") == 20
    assert all(width_of(line) <= 60 for line in lines)
