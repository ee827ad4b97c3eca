"""The side of the live screen: rules, health, what fits."""

from dataclasses import replace

import pytest

from online.messages import Event
from rig.tui.block_panel import blocks
from rig.tui.health_panel import health
from rig.tui.lines import width_of
from rig.tui.log_lines import log_strip
from rig.tui.session_view import SessionView
from rig.tui.side_panel import rules, side
from tests.tui.messages import MS, healthy, posterior, status, text, trial


def test_losses_and_processes_that_were_never_heard_are_shown(view: SessionView) -> None:
    view.take(healthy("recorder", 0, lost=4, alive=False), None, 0)
    view.look(1)
    assert view.messages_lost == 4
    assert "lost 4" in text(health(view, 60, 1, 0))
    assert "○ camera" in text(health(view, 60, 1, 0)), "unknown is unhealthy"


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


@pytest.mark.parametrize("height", [3, 8, 12, 40])
def test_the_side_fits_and_keeps_what_matters(view: SessionView, height: int) -> None:
    view.take(status(0), None, 0)
    lines = side(view, 36, height, 0, 0)
    assert len(lines) <= height
    assert "rear" in text(lines)
