"""Counts by block: what is known of them, where there is much room and where there is little."""

from dataclasses import replace

import pytest

from protocols.parse import parse_protocol
from rig.tui.block_panel import blocks, num_rows, this_block
from rig.tui.lines import Line, text_of_line, width_of
from rig.tui.session_facts import SessionFacts
from rig.tui.session_view import SessionView
from rig.tui.side_panel import rules, side
from tests.rigs import PROTOCOL
from tests.tui.messages import posterior, status, trial

NAMES = ("baseline", "stim", "washout", "again", "rest")


def protocol_text() -> str:
    """Five blocks of a minute each."""
    tables = [f'[[blocks]]\nname = "{name}"\nduration_ms = 60_000\nrules = ["either"]\n' for name in NAMES]
    return PROTOCOL.replace("duration_ms = 600000\n", "") + "\n".join(tables)


@pytest.fixture
def view() -> SessionView:
    facts = SessionFacts(names={3: "rear"}, protocol=parse_protocol(protocol_text(), "p"), live=True)
    view = SessionView(facts)
    view.knows_earlier = True
    view.take(status(0).replace(elapsed_ms=70_000.0, block_left_ms=50_000.0), None, 0)
    return view


def words(lines: list[Line]) -> list[list[str]]:
    return [text_of_line(line).split() for line in lines]


def test_each_block_has_its_counts_and_its_state(view: SessionView) -> None:
    for index, outcome in enumerate(("pulse", "pulse", "catch", "refused")):
        view.take(trial(index, outcome, index), None, 0)
    view.take(trial(9, "pulse", 9).replace(block="baseline"), None, 0)
    lines = blocks(view, 46, num_rows(view))
    assert words(lines) == [
        ["blocks", "▲", "△", "✕"],
        ["✓", "baseline", "over", "1", "0", "0"],
        ["▸", "stim", "00:50", "left", "2", "1", "1"],
        ["washout", "to", "come", "0", "0", "0"],
        ["again", "to", "come", "0", "0", "0"],
        ["rest", "to", "come", "0", "0", "0"],
    ]
    assert {width_of(line) for line in lines} == {46}
    assert text_of_line(this_block(view, 37)) == "in this block          ▲2   △1   ✕1  "


def test_where_not_all_fit_the_running_block_is_shown(view: SessionView) -> None:
    assert words(blocks(view, 46, 3))[:2] == [
        ["blocks", "2-3", "of", "5", "▲", "△", "✕"],
        words(blocks(view, 46, 6))[2],
    ]
    view.take(status(0).replace(block="rest", elapsed_ms=250_000.0), None, 0)
    assert [line[1] for line in words(blocks(view, 46, 3))[1:]] == ["again", "rest"]


def test_counts_are_not_zero_before_the_past_is_known(view: SessionView) -> None:
    view.knows_earlier = False
    assert text_of_line(this_block(view, 37)).split()[-3:] == ["▲-", "△-", "✕-"]
    view.take(trial(1, "pulse", 1), None, 0)
    assert text_of_line(this_block(view, 37)).split()[-3:] == ["▲1+", "△-", "✕-"]


def test_a_long_name_leaves_room_for_its_counts(view: SessionView) -> None:
    protocol = parse_protocol(protocol_text().replace('"stim"', '"stimulation of the left side"'), "p")
    long = SessionView(replace(view.facts, protocol=protocol))
    for line in blocks(long, 37, 9):
        assert width_of(line) == 37


@pytest.mark.parametrize(("width", "height"), [(37, 12), (46, 19), (62, 25)])
@pytest.mark.parametrize("num_rules", [1, 2, 6])
def test_the_side_shows_counts_by_block_and_latency_at_every_size(
    view: SessionView, width: int, height: int, num_rules: int
) -> None:
    known = status(0).replace(elapsed_ms=70_000.0)
    many = tuple(known.rules[0].replace(name=f"rule {n}") for n in range(num_rules))
    view.take(known.replace(rules=many), None, 0)
    view.take(posterior(0, 1), None, 0)
    view.take(trial(1, "pulse", 1), None, 0)
    shown = [text_of_line(line) for line in side(view, width, height, 0, 0)]
    assert len(shown) <= height
    assert sum("rule " in line for line in shown) == num_rules
    assert any(line.split()[:3] in (["▸", "stim", "02:05"], ["in", "this", "block"]) for line in shown)
    assert any("● recorder" in line or "○ recorder" in line for line in shown)
    assert any("last 10 s" in line for line in shown) or num_rules == 6
    assert all(width_of(line) <= width for line in side(view, width, height, 0, 0))


@pytest.mark.parametrize("state", ["waiting", "dwell", "bout", "refractory", "off"])
@pytest.mark.parametrize("name", ["rear", "rear-laser-of-the-left-side"])
def test_a_rule_keeps_its_counts_whatever_its_state(view: SessionView, state: str, name: str) -> None:
    known = status(0, pulses=123, state=state)
    view.take(known.replace(rules=(known.rules[0].replace(name=name),)), None, 0)
    view.take(trial(5, "catch").replace(rule=name), None, 0)
    line = rules(view, 37)[1]
    assert width_of(line) <= 37
    assert "▲123 △2   ✕1" in text_of_line(line)
    assert ("0.7 s △" in text_of_line(line)) is (state == "refractory")
