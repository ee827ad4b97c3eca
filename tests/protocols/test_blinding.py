"""Under seal neither the screen nor a file of the running session tells the arm."""

from pathlib import Path

import pytest

from offline.blinding_commands import distinguishable
from online.files.assignment import seal
from protocols.engine import status
from protocols.materials import Materials
from protocols.parse import parse_protocol
from rig.cameras.configuration import SimulatedConfig
from rig.configuration import ArenaConfig, RigConfig
from rig.launch import Launch
from rig.session_run import sealed_assignment
from rig.ttl.configuration import BoardConfig
from tests.protocols.helpers import HEAD, RULE, engine, run
from tests.protocols.test_rules import ARMS, SHAM

OPEN = HEAD + RULE + SHAM + ARMS + '[assignment]\nsubjects = { mouse = "sham" }\n'
SEALED = HEAD + RULE + SHAM + ARMS + '[assignment]\nsealed = "a.sealed"\n'


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


@pytest.mark.parametrize("alias", [True, False])
def test_arms_whose_rules_show_different_names_are_told_of(alias: bool) -> None:
    text = SEALED.replace("target = 1", 'alias = "stimulation"\ntarget = 1') if alias else SEALED
    protocol = parse_protocol(text, "p")
    assert bool(distinguishable(protocol.arms, protocol.rules)) is not alias
