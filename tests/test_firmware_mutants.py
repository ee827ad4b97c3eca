"""Without any one of its limits and checks the firmware fails the short suite."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.firmware import short_suite
from tests.firmware.faults import run_campaign
from tests.firmware.mutants.mutant import Mutant
from tests.firmware.simulated_firmware import NEAR_WRAP, SimulatedFirmware, build_mutant
from tests.ttl_benches import needs_simavr


def short_run(elf: Path, hint: str) -> Iterator[tuple[str, Callable[[SimulatedFirmware], None]]]:
    """The rules, the likeliest first, then a campaign of faults."""

    def faults(board: SimulatedFirmware) -> None:
        assert run_campaign(board, 0, 500)[0].violations == []

    rules = [*short_suite.RULES, *short_suite.FIRMWARE_RULES]
    rules.sort(key=lambda rule: rule.__name__ != hint)
    yield from ((rule.__name__, rule) for rule in rules)
    yield "faults", faults


def who_notices(elf: Path, hint: str) -> str:
    """The first rule that fails, empty when the mutant passes everything."""
    for name, rule in short_run(elf, hint):
        board = SimulatedFirmware(elf)
        try:
            board.run_until(15_000)
            rule(board)
        except AssertionError:
            return name
        finally:
            board.close()
    return ""


@needs_simavr
@pytest.mark.parametrize("mutant", short_suite.MUTANTS, ids=lambda mutant: mutant.name)
def test_a_missing_check_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    elf = build_mutant(tmp_path, "mutant", mutant.old, mutant.new, *([NEAR_WRAP] if mutant.near_wrap else []))
    assert who_notices(elf, mutant.hint), f"nobody notices: {mutant.name}"


def test_hints_are_rules() -> None:
    names = {rule.__name__ for rule in (*short_suite.RULES, *short_suite.FIRMWARE_RULES)}
    assert {mutant.hint for mutant in short_suite.MUTANTS} <= names
