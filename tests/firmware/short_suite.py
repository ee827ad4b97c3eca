"""What every Etholoop board must do and refuse, and the firmware's mutants that break it.

A rule is a function in `tests/firmware/rules` that takes nothing but a fresh board, in simulated time, and raises
AssertionError when the board breaks it. The emulator and the real firmware go through those of any board
(`BoardInTime`), the real firmware and its mutants also through those of the firmware alone (`SimulatedFirmware`).
"""

import importlib
from collections.abc import Callable
from typing import Any

from tests.firmware.boards_in_time import BoardInTime
from tests.firmware.mutants.mutant import Mutant
from tests.firmware.simulated_firmware import SimulatedFirmware

SUBJECTS = (
    "frames",
    "sessions",
    "arming",
    "heartbeat_and_watchdog",
    "trains",
    "limits",
    "duty",
    "reset",
    "inputs",
    "sync_output",
)


def _rules(board: type) -> tuple[Callable[[Any], None], ...]:
    modules = [importlib.import_module(f"tests.firmware.rules.{subject}") for subject in SUBJECTS]
    return tuple(
        value
        for module in modules
        for value in vars(module).values()
        if callable(value)
        and value.__module__ == module.__name__
        and value.__annotations__ == {"board": board, "return": None}
    )


RULES: tuple[Callable[[BoardInTime], None], ...] = _rules(BoardInTime)
FIRMWARE_RULES: tuple[Callable[[SimulatedFirmware], None], ...] = _rules(SimulatedFirmware)
MUTANTS: tuple[Mutant, ...] = tuple(
    mutant for subject in SUBJECTS for mutant in importlib.import_module(f"tests.firmware.mutants.{subject}").MUTANTS
)
