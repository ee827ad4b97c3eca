"""What a screen says, from messages alone: no textual, no sockets."""

import subprocess
import sys
from pathlib import Path

import pytest

from online.messages import MANUAL_RULE, Event
from rig.tui.alert_lines import alerts, page
from rig.tui.block_panel import blocks
from rig.tui.earlier import read_earlier
from rig.tui.headline import headline_big, headline_small
from rig.tui.health_panel import health
from rig.tui.latency_panel import latency
from rig.tui.lines import width_of
from rig.tui.session_view import SessionView
from rig.tui.side_panel import rules
from rig.tui.stop_record import SETTLED_NS
from rig.tui.syllable_panel import syllables
from tests.tui.messages import MS, frame, healthy, posterior, receipt, status, text, trial, write_session


def test_the_core_needs_no_screen() -> None:
    code = "import sys, rig.tui.session_view, rig.tui.headline, rig.tui.side_panel, rig.tui.launcher; "
    code += "import rig.tui.syllable_panel, rig.tui.depth_picture; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_message_is_counted(view: SessionView) -> None:
    for index in range(40):
        view.take(frame(index, dropped=2 if index == 20 else 0), memoryview(bytes(8)), index)
        view.take(posterior(index, 3, evidence=index != 21), None, index)
    view.take(trial(5, "pulse", 1), None, 0)
    view.take(trial(9, "catch"), None, 0)
    view.take(trial(10, "refused"), None, 0)
    assert view.dropped_by_camera == 2
    assert view.without_evidence == 1
    assert [view.total(o) for o in ("pulse", "catch", "refused")] == [1, 1, 1]
    assert view.counts.by_block["stim", "rear"]["pulse"] == 1
    assert view.rate_hz == pytest.approx(1000 / 33)


def test_totals_come_from_the_session_when_it_speaks(view: SessionView) -> None:
    view.take(trial(5, "pulse", 1), None, 0)
    view.take(status(1, pulses=17), None, 0)
    assert view.total("pulse") == 17
    assert view.total("catch") == 2


def test_pulses_by_hand_are_counted_apart(tmp_path: Path, view: SessionView) -> None:
    by_rule, by_hand = trial(5, "pulse", 1), trial(6, "pulse", 2).replace(rule=MANUAL_RULE)
    refused = trial(7, "refused").replace(rule=MANUAL_RULE)
    write_session(tmp_path, [by_rule, by_hand, refused])
    view.take(by_rule, None, 0)
    assert "by hand" not in text(headline_small(view, 80, "") + headline_big(view, 120, "") + blocks(view, 40, 9))
    view.take_earlier(read_earlier(tmp_path))
    assert view.total("pulse") == 1
    assert [line.split() for line in text(blocks(view, 40, 9)).splitlines()[1:]] == [
        ["stim", "1", "0", "0"],
        ["by", "hand", "1"],
    ]
    view.take(status(1, pulses=1), None, 0)
    assert "▲ 1 +1 by hand  △ 2" in text(headline_small(view, 80, ""))
    assert "▲ 1 +1  △ 2" in text(headline_small(view, 42, "")), "short, where there is no room for words"
    assert "▲ pulses +1 by hand" in text(headline_big(view, 120, ""))


def test_latency_follows_each_pulse_to_the_line(view: SessionView) -> None:
    for index in range(3):
        view.take(posterior(index, 1), None, 0)
        view.take(trial(index, "pulse", index), None, 0)
        view.take(receipt(index, index), None, 0)
    view.take(receipt(7, 99), None, 0)
    rows = {row.stage: row for row in view.latency.rows()}
    assert [rows[s].p50_ms for s in ("arrival", "extracted", "decoded", "decided", "written", "executed", "pulse")] == [
        4.0,
        3.0,
        1.0,
        1.0,
        1.0,
        2.0,
        12.0,
    ]
    assert rows["pulse"].count == 3
    assert "12.0" in text(latency(view, 46, 9))


def test_state_in_one_word(view: SessionView) -> None:
    assert view.state == "waiting"
    view.take(status(10), None, 0)
    assert view.state == "armed"
    view.take(status(11, paused=True), None, 0)
    assert view.state == "paused"
    view.stop.pressed(True, "all lines low", 3.21, now_ns=20)
    view.take(status(19), None, 0)
    assert view.state == "stopped", "a status from before the stop must not hide it"
    assert "3.2 ms" in view.stop.words
    view.take(status(21, armed=False), None, 0)
    assert view.state == "stopped"
    view.take(status(22 + SETTLED_NS), None, 0)
    assert view.state == "armed"
    view.ended = "the session ended"
    assert view.state == "ended"


def test_alerts_stay_until_acknowledged(view: SessionView) -> None:
    for _ in range(3):
        view.take(Event(time_ns=0, source="camera", kind="alert", detail="slow USB"), None, 5)
    view.take(Event(time_ns=0, source="online", kind="note", detail="fine"), None, 5)
    view.take(receipt(1, 1, "refused"), None, 6)
    assert [(a.source, a.times) for a in view.alerts.open] == [("camera", 3), ("board", 1)]
    shown = text(alerts(view, 60, 2, 10**9))
    assert "slow USB (3 times)" in shown
    assert "pulse refused: duty" in shown
    assert "more" not in shown
    assert "slow USB" in text(alerts(view, 60, 1, 0)), "the first, not its consequence"
    assert "and 1 more" in text(alerts(view, 60, 1, 0))
    view.alerts.acknowledge()
    assert view.alerts.open == []
    view.take(Event(time_ns=0, source="camera", kind="alert", detail="slow USB"), None, 7)
    assert len(view.alerts.open) == 1


def test_what_is_acknowledged_and_still_holds_stays_on_the_screen(view: SessionView) -> None:
    view.knows_earlier = True
    view.disk_free_gb = 1.0
    view.look(0)
    view.alerts.acknowledge()
    view.look(0)
    assert view.alerts.open == []
    for lines in (alerts(view, 60, 1, 0), page(view.alerts, 60, 1, 0)[0]):
        assert "disk: less than 2 GB are free" in text(lines)
        assert "still so" in text(lines)
    view.disk_free_gb = 3.0
    view.look(1)
    assert "● no alerts" in text(alerts(view, 60, 1, 0))
    view.disk_free_gb = 1.0
    view.look(2)
    assert len(view.alerts.open) == 1, "it began again"


def test_a_page_of_alerts_shows_each_whole(view: SessionView) -> None:
    for number in range(4):
        view.alerts.raise_("online", f"the {number}. " + "long words " * 8, number)
    lines, shown = page(view.alerts, 80, 5, 0)
    assert [alert.number for alert in shown] == [1, 2]
    assert text(lines).count("words") == 16
    assert all(width_of(line) <= 80 for line in lines)


def test_silence_raises_one_alert_each_time_it_begins(view: SessionView) -> None:
    view.take(healthy("online", 0), None, 0)
    view.take(frame(0), memoryview(bytes(8)), 0)
    view.look(500 * MS)
    assert view.alerts.open == []
    for now in (1100, 1200, 1300):
        view.look(now * MS)
    assert {(a.source, a.text, a.times) for a in view.alerts.open} == {
        ("online", "no heartbeat for a second", 1),
        ("camera", "no frame for a second", 1),
    }
    view.take(healthy("online", 0), None, 1400 * MS)
    view.look(1400 * MS)
    view.look(2600 * MS)
    assert {a.times for a in view.alerts.open if a.source == "online"} == {2}


def test_what_is_older_than_a_second_is_not_shown_as_now(view: SessionView) -> None:
    def words() -> tuple[str, str, str]:
        head = headline_small(view, 120, "") + headline_big(view, 120, "")
        side_words = text(rules(view, 62) + health(view, 62, 0, 0))
        return text(head), side_words, text(syllables(view, 120, 8))

    for index in range(5):
        view.take(posterior(index, 3, 0.75).replace(novelty=0.5), None, index * 33 * MS)
    view.take(status(0, state="bout"), None, 0)
    view.look(200 * MS)
    head, beside, below = words()
    assert "ARMED" in head
    assert "30.3 Hz" in beside
    assert "● rear bout" in beside
    assert "0.75" in below

    view.take(status(1_900 * MS, state="bout"), None, 1_900 * MS)
    view.look(2_000 * MS)
    head, beside, below = words()
    assert "ARMED" in head, "the session speaks, though no frame comes"
    assert "02:05" in head
    assert all(number not in beside for number in ("30.3", "0.42", "0.5"))
    assert "? rear no frames" in beside
    assert "0.75" not in below
    assert "nothing heard now" in below
    assert "█" not in below.splitlines()[1][:42], "no bar"

    view.look(3_000 * MS)
    head, beside, below = words()
    assert view.state == "silent"
    assert "SILENT" in head
    assert "02:05" not in head
    assert "--:--" in head
    assert "? rear not heard" in beside

    view.take(status(3_100 * MS), None, 3_100 * MS)
    view.take(posterior(93, 3, 0.75), None, 3_100 * MS)
    head, beside, below = words()
    assert "ARMED" in head
    assert "0.42" in beside
    assert "0.75" in below
