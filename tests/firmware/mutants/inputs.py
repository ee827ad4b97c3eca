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
        "edges_come_before_inputs",
        "if (next == input_tail) input_interrupt(0);",
        "if (next == input_tail) {}",
    ),
    Mutant("interlock pulled up", "interlock_is_not_pulled_up", "PORTC = 0x07;", "PORTC = 0x0F;"),
    Mutant(
        "interlock never asked for",
        "interlock_cuts_and_forbids",
        "    interlock = limits.heartbeat_and_interlock & INTERLOCK_FLAG;\n",
        "",
    ),
    Mutant(
        "reports without end",
        "input_as_fast_as_it_is_reported_hangs_nothing",
        "for (uint8_t budget = REPORTS_AT_ONCE; budget && input_tail != input_head; budget--) {",
        "while (input_tail != input_head) {",
    ),
    Mutant(
        "inputs paused for ever",
        "inputs_are_reported_beside_edges",
        "{ PCICR = on ? 0 : 1 << PCIE1; }",
        "{ if (on) PCICR = 0; }",
    ),
    Mutant(
        "input not listened to again",
        "last_level_of_an_input_is_reported",
        "        input_interrupt(1);\n        note_loss();",
        "        note_loss();",
    ),
    Mutant(
        "last level not reported when changes came too fast",
        "last_level_of_an_input_is_reported",
        "        note_loss();\n        missed_change = 1;\n    }",
        "        note_loss();\n    }",
    ),
    Mutant(
        "last level not reported when the wire was full",
        "last_level_of_an_input_is_reported",
        "        missed_change = 1;\n        note_loss();\n        return;",
        "        note_loss();\n        return;",
    ),
    Mutant(
        "lost changes not counted",
        "changes_that_come_too_fast_are_counted_as_lost",
        "        input_interrupt(1);\n        note_loss();",
        "        input_interrupt(1);",
    ),
    Mutant(
        "inputs take all room",
        "inputs_that_change_together_leave_room_for_reports_of_pulses",
        "#define ROOM_FOR_ANSWERS 96u",
        "#define ROOM_FOR_ANSWERS 0u",
    ),
    Mutant(
        "a change's time without what has passed since the tick",
        "inputs_are_reported_beside_edges",
        "(uint16_t)(ticks - at_tick + OLDEST_TICKS) / 2u;",
        "OLDEST_TICKS / 2u;",
    ),
)
