"""What a screen says, from messages alone: no textual, no sockets."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from online.files.session_file import SessionShape, SessionWriter
from online.messages import (
    MANUAL_RULE,
    Event,
    Frame,
    Health,
    InputHealth,
    Message,
    PulseReceipt,
    RuleStatus,
    SessionStatus,
    Syllables,
    Trial,
)
from rig.tui.alert_lines import alerts, page
from rig.tui.big_text import big
from rig.tui.block_panel import blocks
from rig.tui.earlier import read_earlier
from rig.tui.ethogram import SPAN_NS, Ethogram
from rig.tui.foot import KeyWords, keys
from rig.tui.headline import headline_big, headline_small
from rig.tui.health_panel import health
from rig.tui.latency_panel import latency
from rig.tui.lines import bar, fit, history, minutes, text_of_line, width_of
from rig.tui.log_lines import log_strip
from rig.tui.session_facts import SessionFacts
from rig.tui.session_view import SessionView
from rig.tui.side_panel import rules, side
from rig.tui.stop_record import SETTLED_NS
from rig.tui.syllable_panel import syllables

MS = 1_000_000
K = 6


def frame(index: int, dropped: int = 0) -> Frame:
    now = index * 33 * MS
    return Frame(
        frame_index=index,
        dropped_before=dropped,
        frame_number=index,
        device_time_ns=now,
        capture_time_ns=now,
        arrival_time_ns=now + 4 * MS,
        published_time_ns=now + 4 * MS,
        height=2,
        width=2,
        truth=None,
    )


def posterior(index: int, leading: int, probability: float = 0.9, evidence: bool = True) -> Syllables:
    now = index * 33 * MS
    values = np.full(K, (1 - probability) / (K - 1))
    values[leading] = probability
    return Syllables(
        frame_index=index,
        capture_time_ns=now,
        arrival_time_ns=now + 4 * MS,
        extracted_time_ns=now + 7 * MS,
        decoded_time_ns=now + 8 * MS,
        has_evidence=evidence,
        log_evidence=-1.0 if evidence else None,
        phase=0,
        posterior=values,
        scores=np.zeros(2),
        further=np.zeros(0),
        novelty=None,
    )


def trial(index: int, outcome: str, sequence: int | None = None) -> Trial:
    now = index * 33 * MS
    return Trial.model_validate(
        {
            "frame_index": index,
            "rule": "rear",
            "trial_number": 1,
            "outcome": outcome,
            "reason": "",
            "target_probability": 0.9,
            "threshold": 0.8,
            "block": "stim",
            "output": "laser",
            "channel": 0,
            "width_us": 1000,
            "period_us": 2000,
            "count": 1,
            "delay_us": 0,
            "detail": "",
            "command_sequence": sequence,
            "capture_time_ns": now,
            "arrival_time_ns": now + 4 * MS,
            "extracted_time_ns": now + 7 * MS,
            "decoded_time_ns": now + 8 * MS,
            "decided_time_ns": now + 9 * MS,
            "written_time_ns": None if sequence is None else now + 10 * MS,
        }
    )


def receipt(index: int, sequence: int, outcome: str = "executed") -> PulseReceipt:
    executed = index * 33 * MS + 12 * MS if outcome == "executed" else None
    return PulseReceipt.model_validate(
        {
            "command_sequence": sequence,
            "outcome": outcome,
            "reason": "" if executed else "duty",
            "device_time_us": 1,
            "executed_time_ns": executed,
            "received_time_ns": index * 33 * MS + 13 * MS,
        }
    )


def status(
    time_ns: int, armed: bool = True, paused: bool = False, pulses: int = 0, state: str = "waiting"
) -> SessionStatus:
    rule = RuleStatus(
        name="rear",
        state=state,
        target=(3,),
        threshold=0.8,
        target_probability=0.42,
        dwell_ms=0.0,
        refractory_left_ms=700.0,
        pulses=pulses,
        catches=2,
        refused=1,
    )
    return SessionStatus(
        time_ns=time_ns,
        armed=armed,
        paused=paused,
        block="stim",
        block_left_ms=125_000,
        elapsed_ms=60_000,
        duration_ms=185_000,
        frames=10,
        rules=(rule,),
    )


def healthy(process: str, time_ns: int, lost: int = 0, alive: bool = True) -> Health:
    item = InputHealth(stream="frames", alive=alive, valid=True, rate_hz=30.0, received=9, lost=lost)
    return Health(process=process, beat=1, time_ns=time_ns, state="running", inputs=(item,), detail="")


@pytest.fixture
def view() -> SessionView:
    return SessionView(SessionFacts(subject="m1", names={3: "rear", 1: "walk"}))


def text(lines: list[tuple[tuple[str, str], ...]]) -> str:
    return "\n".join(text_of_line(line) for line in lines)


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
    assert view.by_block["stim", "rear"]["pulse"] == 1
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


def test_a_stop_without_confirmation_is_an_alert(view: SessionView) -> None:
    view.stop.pressed(False, "no answer within 500 ms", 500.0, now_ns=20)
    view.take(status(30), None, 0)
    assert view.state == "unconfirmed", "it stays until someone arms again"
    assert "NOT CONFIRMED" in view.stop.words
    assert view.alerts.open[0].source == "emergency stop"
    view.stop.cleared()
    assert view.state == "armed"


def command(time_ms: int, detail: str, source: str = "online") -> Event:
    return Event.model_validate({"time_ns": time_ms * MS, "source": source, "kind": "command", "detail": detail})


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


def test_losses_and_processes_that_were_never_heard_are_shown(view: SessionView) -> None:
    view.take(healthy("recorder", 0, lost=4, alive=False), None, 0)
    view.look(1)
    assert view.messages_lost == 4
    assert "lost 4" in text(health(view, 60, 1, 0))
    assert "○ camera" in text(health(view, 60, 1, 0)), "unknown is unhealthy"


def test_counts_of_the_session_are_not_zero_before_its_past_is_known(tmp_path: Path, view: SessionView) -> None:
    words = text(health(view, 62, 0, 0))
    assert "dropped -" in words
    assert "blind -" in words
    view.take(frame(7, dropped=3), None, 0)
    assert "dropped 3+" in text(health(view, 62, 0, 0)), "heard losses are never hidden"
    write_session(tmp_path, history_of(10))
    view.take_earlier(read_earlier(tmp_path))
    words = text(health(view, 62, 0, 0))
    assert f"dropped {view.dropped_by_camera} " in words
    assert f"blind {view.without_evidence}" in words


def write_session(path: Path, messages: list[Message]) -> None:
    shape = SessionShape(2, 2, K, 0, 2, 80, record_depth=False, compression_level=0)
    writer = SessionWriter(path / "session.h5", shape, {}, {"subject": "m1"})
    for message in messages:
        writer.append(message, memoryview(bytes(8)) if isinstance(message, Frame) else None)
    writer.close()


def history_of(count: int) -> list[Message]:
    messages: list[Message] = []
    for index in range(count):
        messages += [frame(index, dropped=int(index % 7 == 3)), posterior(index, index % K, evidence=index % 7 != 3)]
        if index % 5 == 0:
            messages += [trial(index, "pulse", index), receipt(index, index)]
        if index % 20 == 2:
            messages.append(Event(time_ns=index * 33 * MS, source="online", kind="note", detail=f"{index}"))
    return messages


@pytest.mark.parametrize("heard_from", [0, 90, 199])
def test_a_screen_that_comes_late_knows_what_happened(tmp_path: Path, view: SessionView, heard_from: int) -> None:
    messages = history_of(100)
    write_session(tmp_path, messages)
    whole = SessionView(view.facts)
    for message in messages:
        whole.take(message, None, 0)
    for message in messages[heard_from:]:
        view.take(message, None, 0)
    view.take_earlier(read_earlier(tmp_path))
    for one in (whole, view):
        assert one.ethogram.newest_ns == 99 * 33 * MS
    assert view.by_block == whole.by_block
    assert view.commands == whole.commands
    assert [t.frame_index for t in view.trials] == [t.frame_index for t in whole.trials]
    assert sorted(e.text for e in view.log.newest()) == sorted(e.text for e in whole.log.newest())
    assert view.dropped_by_camera == whole.dropped_by_camera
    assert view.without_evidence == whole.without_evidence
    rows = list(range(K))
    np.testing.assert_array_equal(view.ethogram.ribbon(rows, 50)[0], whole.ethogram.ribbon(rows, 50)[0])


def test_a_screen_that_comes_late_shows_the_alerts_that_nobody_acknowledged(tmp_path: Path, view: SessionView) -> None:
    slow = Event(time_ns=40 * MS, source="camera", kind="alert", detail="slow USB")
    lost = Event(time_ns=50 * MS, source="online", kind="loss", detail="2 messages of 'frames' never came")
    write_session(tmp_path, [slow, receipt(1, 1, "refused"), lost, slow.replace(time_ns=60 * MS)])
    view.take(Event(time_ns=70 * MS, source="recorder", kind="alert", detail="late"), None, 70 * MS)
    view.alerts.acknowledge()
    assert "since this screen was opened" in text(alerts(view, 60, 2, 10**9)), "green only when all is known"
    view.take(lost, None, 80 * MS)
    view.take_earlier(read_earlier(tmp_path))
    assert [(a.source, a.text, a.times) for a in view.alerts.open] == [
        ("camera", "slow USB", 2),
        ("board", "pulse refused: duty", 1),
        ("online", "2 messages of 'frames' never came", 1),
    ]
    assert (view.alerts.open[0].first_ns, view.alerts.open[0].last_ns) == (40 * MS, 60 * MS)
    assert "1:00:00 ago" in text(alerts(view, 60, 3, 3_600_060 * MS))
    view.alerts.acknowledge()
    assert "● no alerts" in text(alerts(view, 60, 2, 10**9))


def test_leading_rows_keep_their_places() -> None:
    ethogram = Ethogram(pinned=(5,))
    for index in range(60):
        ethogram.add(posterior(index, [0, 0, 1, 2][index % 4], 0.9))
    rows = list(ethogram.leading(4))
    assert rows[0] == 5
    assert set(rows) == {5, 0, 1, 2}
    for index in range(60, 600):
        ethogram.add(posterior(index, [4, 2, 1, 4][index % 4], 0.9))
    later = ethogram.leading(4)
    assert set(later) == {5, 1, 2, 4}
    assert [later.index(k) for k in (5, 1, 2)] == [rows.index(k) for k in (5, 1, 2)]
    assert later.index(4) == rows.index(0)


def test_the_ribbon_scrolls_on_a_grid_of_time_and_shows_gaps() -> None:
    ethogram = Ethogram()
    for index in range(900):
        ethogram.add(posterior(index, 2, 0.8, evidence=not 300 <= index < 400))
    image, first, width_ns = ethogram.ribbon([2, 0], 60)
    assert image.shape == (2, 60)
    assert width_ns == SPAN_NS // 60
    missing = np.isnan(image[0])
    assert 5 <= missing.sum() <= 7, "100 frames without evidence are 3.3 s, and the span is not quite full"
    assert np.allclose(image[0][~missing], 0.8)
    assert np.allclose(image[1][~missing], 0.04)
    ethogram.add(posterior(916, 2))
    moved, second, _ = ethogram.ribbon([2, 0], 60)
    np.testing.assert_array_equal(moved[0][: -2 - (second - first)], image[0][second - first : -2])


def test_the_syllable_panel_shows_names_bars_thresholds_and_pulses(view: SessionView) -> None:
    view.take(status(0), None, 0)
    for index in range(30):
        view.take(posterior(index, 3, 0.75), None, 0)
    view.take(trial(29, "pulse", 1), None, 0)
    lines = syllables(view, 100, 8)
    assert len(lines) == 8
    shown = [text_of_line(line) for line in lines]
    assert shown[1].startswith("▸ 3 rear")
    assert "0.75" in shown[1]
    assert "│" in shown[1][22:42], "the threshold is drawn in the bar"
    assert shown[-1].endswith("▲")
    assert {width_of(line) for line in lines} == {100}


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_syllable_that_leads_now_is_named_though_no_row_is_its_own(view: SessionView, width: int) -> None:
    for index in range(30):
        view.take(posterior(index, index % 2, 0.9), None, index)
    assert len(syllables(view, width, 4)) == 4
    view.take(posterior(30, 3, 0.9), None, 30)
    lines = syllables(view, width, 4)
    assert "rear" not in text(lines[1:])
    assert text(lines[:1]).endswith(" now 3 rear 0.90")
    assert {width_of(line) for line in lines} == {width}
    view.take(posterior(31, 4, 0.9), None, 31)
    assert text(syllables(view, width, 4)[:1]).endswith(" now 4 0.90")
    view.take(posterior(32, 4, evidence=False), None, 32)
    assert text(syllables(view, width, 4)[:1]).endswith(" now -")
    view.take(posterior(33, 4), None, 33)
    view.look(2_000 * MS)
    assert text(syllables(view, width, 4)[:1]).endswith(" now -")


def test_rules_show_state_countdown_and_counts(view: SessionView) -> None:
    view.take(status(0, pulses=5, state="refractory"), None, 0)
    shown = text(rules(view, 46))
    assert "refractory 0.7 s" in shown
    assert "▲5" in shown
    assert "P(rear)" in shown
    assert "0.42" in shown


@pytest.mark.parametrize("width", [37, 46, 62])
def test_names_of_targets_are_read_whole(view: SessionView, width: int) -> None:
    facts = replace(view.facts, names={3: "groom face a while"})
    named = SessionView(facts)
    named.take(status(0), None, 0)
    lines = rules(named, width)
    assert all(width_of(line) <= width for line in lines)
    assert ("P(groom face a while)" in text(lines)) is (width > 40)
    assert "P(groom face" in text(lines)


def test_what_a_rule_drew_stands_beside_its_refractory_time(view: SessionView) -> None:
    view.take(status(0, state="refractory"), None, 0)
    view.take(trial(5, "catch", 1), None, 0)
    view.take(trial(6, "refused"), None, 0)
    assert "refractory 0.7 s △" in text(rules(view, 62))


def test_doubts_and_the_disk_stand_beside_the_board(view: SessionView) -> None:
    view.take(posterior(0, 1).replace(novelty=0.97), None, 0)
    view.take(status(0), None, 0)
    view.disk_free_gb = 123.4
    shown = text(health(view, 62, 0, 0))
    assert "● board" in shown
    assert "novelty 0.97  heading -  disk 123 GB" in shown
    assert ("0.97", "warn") in [part for line in health(view, 62, 0, 0) for part in line]
    assert "○ board" in text(health(view, 62, 1_500 * MS, 0)), "nothing is heard of it"
    view.take(status(0).replace(armed=False), None, 0)
    assert "○ board disarmed" in text(health(view, 62, 0, 0))
    view.disk_free_gb = 1.0
    view.look(0)
    assert [alert.source for alert in view.alerts.open] == ["disk"]


def test_counts_by_block_and_a_log(view: SessionView) -> None:
    view.take(trial(5, "pulse", 1), None, 0)
    view.take(trial(6, "refused"), None, 0)
    view.take(Event(time_ns=90 * MS, source="supervisor", kind="note", detail="wet"), None, 0)
    view.knows_earlier = True
    assert text(blocks(view, 40, 9)).splitlines()[1].split() == ["stim", "1", "0", "1"]
    assert [line.split(maxsplit=1)[-1] for line in text(log_strip(view, 60, 2)).splitlines()] == [
        "--:--  ✕ rear 0.90",
        "▲ rear 0.90",
    ]
    view.take(status(60_090 * MS), None, 0)
    assert text(log_strip(view, 60, 9)).splitlines() == [
        "log 00:00  ✕ rear 0.90",
        "    00:00  ▲ rear 0.90",
        "    00:00  · note: wet",
    ]


def test_a_rule_without_a_target_or_not_yet_judged_has_no_number(view: SessionView) -> None:
    known = status(0)
    view.take(known.replace(rules=(known.rules[0].replace(target=(), threshold=float("nan")),)), None, 0)
    assert len(rules(view, 46)) == 2
    view.take(known.replace(rules=(known.rules[0].replace(target_probability=float("nan")),)), None, 0)
    assert text(rules(view, 46)).endswith(" -")


@pytest.mark.parametrize("width", [78, 120, 200])
def test_the_headline_fits(view: SessionView, width: int) -> None:
    view.take(status(0, pulses=123), None, 0)
    view.take(posterior(0, 1), None, 0)
    for line in headline_small(view, width, "") + headline_big(view, width, ""):
        assert width_of(line) <= width
    assert "02:05" in text(headline_small(view, width, ""))
    for scale in (1, 2) if width > 80 else (1,):
        assert "left in stim" in text(headline_big(view, width, "", scale))
        assert "line low" in text(headline_big(view, width, "line low", scale))


@pytest.mark.parametrize("height", [3, 8, 12, 40])
def test_the_side_fits_and_keeps_what_matters(view: SessionView, height: int) -> None:
    view.take(status(0), None, 0)
    lines = side(view, 36, height, 0, 0)
    assert len(lines) <= height
    assert "rear" in text(lines)


def test_emergency_stop_is_always_among_the_keys() -> None:
    words = KeyWords((("q", "end"), ("n", "note")))
    assert text_of_line(keys(20, words)) == " ! EMERGENCY STOP "
    assert text_of_line(keys(30, words)).endswith("q end")
    assert text_of_line(keys(60, words, "replay")).endswith("replay")
    assert "STOP" not in text_of_line(keys(60, KeyWords((), "view")))


def test_bars_have_their_width_and_ticks() -> None:
    for value in (-1.0, 0.0, 0.03, 0.5, 0.999, 1.0, 2.0):
        assert width_of(bar(value, 10)) == 10
    assert text_of_line(bar(0.5, 8)) == "████····"
    assert text_of_line(bar(0.5, 8, (0.25, 1.0))) == "██│█···│"
    assert text_of_line(bar(float("nan"), 4, (float("nan"),))) == "····"
    assert bar(0.5, 8, (0.25,))[1] == ("│", "tick_bar")


def test_small_texts() -> None:
    assert fit("abcdef", 4) == "abc…"
    assert fit("ab", 4) == "ab  "
    assert width_of(((fit("日本語", 4), ""),)) == 4
    assert minutes(61_000) == "01:01"
    assert minutes(3_661_000) == "1:01:01"
    assert text_of_line(history(np.array([0, 0.5, 1, np.nan], np.float32), "bar")) == " ▄▇·"
    assert [len(row) for row in big("12:3")] == [13, 13, 13]
