"""Under seal neither the screen nor a file of the running session tells the arm."""

from pathlib import Path

import numpy as np
import pytest

from offline.blinding_commands import distinguishable
from online.errors import ConfigError
from online.files.assignment import seal
from protocols.engine import status
from protocols.materials import Materials
from protocols.parse import parse_protocol
from rig.cameras.configuration import SimulatedConfig
from rig.configuration import ArenaConfig, RigConfig
from rig.launch import Launch
from rig.session_run import sealed_assignment
from rig.ttl.configuration import BoardConfig
from rig.tui.recorded_status import RecordedStatus
from rig.tui.session_facts import SessionFacts
from rig.tui.session_view import SessionView
from tests.protocols.helpers import HEAD, RULE, engine, run
from tests.protocols.test_rules import ARMS, SHAM, alike

SEAL = '[assignment]\nsealed = "a.sealed"\n'
OPEN_TO_ALL = '[assignment]\nsubjects = { mouse = "sham", rat = "paired" }\n'
OPEN = HEAD + alike(RULE + SHAM) + ARMS + OPEN_TO_ALL
SEALED = HEAD + alike(RULE + SHAM) + ARMS + SEAL


def test_the_screen_is_not_told_the_target_of_a_sealed_arm() -> None:
    for text, target in ((OPEN, (1,)), (SEALED, ())):
        state = engine(text, Materials(arm="sham"))
        run(state, [0.9])
        (rule,) = status(state).rules
        assert rule.target == target
        assert (rule.threshold == rule.threshold) is bool(target)
        assert (rule.target_probability == rule.target_probability) is bool(target)


def test_what_a_child_is_told_at_its_start_holds_the_arm_only_under_seal(tmp_path: Path) -> None:
    (tmp_path / "a.sealed").write_text(seal({"mouse": "sham", "rat": "paired"}, b"s" * 32))
    text = sealed_assignment(parse_protocol(SEALED, "p"), tmp_path)
    assert sealed_assignment(parse_protocol(OPEN, "p"), tmp_path) is None
    launch = Launch(
        run_dir=tmp_path,
        rig=RigConfig(
            camera=SimulatedConfig(driver="simulated"),
            arena=ArenaConfig(file=tmp_path / "arena.toml"),
            board=BoardConfig(port="simulated", channels={"laser": 0}),
        ),
        model=tmp_path,
        protocol=tmp_path,
        subject="mouse",
        session_name="session",
        materials="{}",
        sealed=text,
    )
    written = launch.save().read_text()
    assert '"sham"' not in written
    assert Launch.load(tmp_path).own_arm == "sham"


def test_arms_that_would_be_shown_under_different_names_are_refused_under_seal() -> None:
    with pytest.raises(ConfigError, match="key 'sealed': under seal the arms must have equally many rules"):
        parse_protocol(HEAD + RULE + SHAM + ARMS + SEAL, "p")
    with pytest.raises(ConfigError, match="equally many rules"):
        parse_protocol(SEALED.replace('rules = ["nothing"]', ""), "p")
    parse_protocol(HEAD + RULE + SHAM + ARMS + OPEN_TO_ALL, "p")


def test_what_the_seal_cannot_hide_is_said_when_it_is_made() -> None:
    protocol = parse_protocol(SEALED, "p")
    (line,) = distinguishable(protocol.arms, protocol.rules)
    assert "catch_probability" in line
    same = parse_protocol(SEALED.replace("catch_probability = 1.0", "catch_probability = 0.0"), "p")
    assert distinguishable(same.arms, same.rules) == []


THIRD = RULE.replace('"reward"', '"third"\nalias = "reward"')


@pytest.mark.parametrize("arms", ["", ARMS + OPEN_TO_ALL, ARMS.replace('"reward"', '"reward", "third"') + OPEN_TO_ALL])
def test_one_subjects_rules_are_not_shown_under_one_name(arms: str) -> None:
    text = HEAD + RULE + SHAM + THIRD + arms
    parse_protocol(text.replace('alias = "reward"', 'alias = "other"'), "p")
    with pytest.raises(ConfigError, match="only rules of different arms may share it"):
        parse_protocol(text, "p")


def test_record_and_screen_are_told_neither_target_nor_bout_under_seal() -> None:
    feeds = [0.7, 0.9, 0.9]
    told = []
    for text in (OPEN, SEALED):
        state, near = engine(text.replace("= 200", "= 0") + "", Materials(arm="paired"), subject="rat"), []
        decisions = []
        for feed in feeds:
            decisions += run(state, [feed])
            near += [tuple(miss) for miss in state.near]
        told.append((decisions, near, status(state).rules[0]))
    (open_decisions, open_near, open_rule), (decisions, near, rule) = told
    assert [d.outcome for _, d in decisions] == [d.outcome for _, d in open_decisions] == ["pulse"]
    assert [miss[3] for miss in near] == [miss[3] for miss in open_near] == ["below enter", "once per bout"]
    assert open_decisions[0][1].target_probability == 0.9
    assert open_rule.state == "bout"
    assert rule.state == "waiting"
    assert all(d.target_probability != d.target_probability and d.detail == "" for _, d in decisions)
    assert all(value != value for miss in near for value in (miss[1], miss[2], miss[5], miss[6]))


def test_a_replayed_screen_shows_no_target_under_seal() -> None:
    for text, shown in ((OPEN, True), (SEALED, False)):
        recorded = RecordedStatus(parse_protocol(text, "p"), {})
        view = SessionView(SessionFacts())
        view.ethogram.prepend(np.zeros(1, np.int64), np.array([[0.1, 0.8, 0.1]], np.float32), np.ones(1, bool))
        rule = recorded.at(view, 0, 0, (True, False)).rules[0]
        assert bool(rule.target) is shown
        assert (rule.target_probability == rule.target_probability) is shown
