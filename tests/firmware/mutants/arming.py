"""Firmware that breaks the rules in `tests/firmware/rules/arming.py`."""

from tests.firmware.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "pulses while disarmed",
        "nothing_pulses_unless_armed",
        "    if (!armed) return REASON_NOT_ARMED;\n    if (interlock_open()) return REASON_INTERLOCK;\n    if (pulse->",
        "    armed = 1;\n    if (interlock_open()) return REASON_INTERLOCK;\n    if (pulse->",
    ),
    Mutant("boots armed", "boots_low_and_disarmed", "volatile uint8_t armed,", "volatile uint8_t armed = 1,"),
    Mutant(
        "stop does nothing",
        "stop_is_taken_in_every_state_and_from_anyone",
        "WITH_INTERRUPTS_OFF { drop_everything(REASON_STOPPED); }",
        "",
    ),
    Mutant(
        "stop only from the session",
        "stop_is_taken_in_every_state_and_from_anyone",
        "} else if (kind == KIND_STOP) {",
        "} else if (kind == KIND_STOP && frame.header.nonce == session) {",
    ),
    Mutant(
        "disarming does nothing",
        "disarming_cuts_pulses",
        "        drop(STIMULUS_BITS, REASON_REQUESTED);\n",
        "",
    ),
    Mutant("dropping does not disarm", "disarming_cuts_pulses", "    armed = 0;\n    drop_reason", "    drop_reason"),
    Mutant("dropping leaves lines", "disarming_cuts_pulses", "    write_outputs(0, mask);\n", ""),
    Mutant("dropping forgets nothing", "silence_drops_the_lines_and_disarms", "    active &= (uint8_t)~mask;\n", ""),
    Mutant(
        "pulse begun after the board has disarmed",
        "pulse_at_the_moment_of_disarming_never_begins",
        "    if (armed) add_rise(pulse->channel, start);\n    else refusal = REASON_NOT_ARMED;",
        "    add_rise(pulse->channel, start);",
    ),
    *(
        Mutant(f"drives {pins}", "nothing_but_the_eight_outputs_is_driven", old, new)
        for pins, old, new in (("D13", "DDRB = 0x03;", "DDRB = 0x23;"), ("D0 and D1", "DDRD = 0xFC;", "DDRD = 0xFF;"))
    ),
    Mutant(
        "disarming said when not armed",
        "disarming_is_reported_once",
        "    if (!armed) return;\n    armed = 0;",
        "    armed = 0;",
    ),
    Mutant(
        "disarming not said",
        "silence_drops_the_lines_and_disarms",
        "        send_event(KIND_DISARMED, &event, sizeof event);",
        "",
    ),
    Mutant(
        "edges due stay due",
        "silence_drops_the_lines_and_disarms",
        "    if (mask & SYNC_BIT) sync_owed = 0;\n    find_next_edges((uint16_t)tick_slot);",
        "    if (mask & SYNC_BIT) sync_owed = 0;\n    cli();",
    ),
)
