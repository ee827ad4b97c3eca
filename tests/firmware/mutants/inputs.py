"""Firmware that breaks the rules in `tests/firmware/rules/inputs.py`."""

from tests.firmware.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "interlock does not cut",
        "interlock_cuts_and_forbids",
        "    if (armed && interlock_open()) drop(STIMULUS_BITS, REASON_INTERLOCK);\n",
        "",
    ),
    Mutant(
        "interlock does not keep from arming",
        "interlock_cuts_and_forbids",
        "    if (interlock_open()) return REASON_INTERLOCK;\n    if (armed) return REASON_NONE;",
        "    if (armed) return REASON_NONE;",
    ),
    Mutant(
        "interlock does not refuse",
        "open_interlock_refuses_at_once",
        "    if (interlock_open()) return REASON_INTERLOCK;\n    if (pulse->",
        "    if (pulse->",
    ),
    Mutant(
        "no end to a chattering input",
        "input_that_chatters_disturbs_nothing",
        "if (next == input_tail) input_interrupt(0);",
        "if (next == input_tail) {}",
    ),
)
