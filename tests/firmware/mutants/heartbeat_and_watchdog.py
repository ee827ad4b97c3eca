"""Firmware that breaks the rules in `tests/firmware/rules/heartbeat_and_watchdog.py`."""

from tests.firmware.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "no heartbeat needed",
        "silence_drops_the_lines_and_disarms",
        "if (--beat_left_ms == 0) drop_everything(REASON_HEARTBEAT_LOST);",
        "",
    ),
    Mutant(
        "every command is a heartbeat",
        "stale_heartbeats_do_not_keep_it_alive",
        "static void execute_once(void) {\n",
        "static void execute_once(void) {\n    beat_left_ms = 50;\n",
    ),
    Mutant("no watchdog", "watchdog_ends_a_hung_program", "wdt_enable(WDTO_15MS);", "wdt_disable();"),
    Mutant("slow watchdog", "watchdog_ends_a_hung_program", "wdt_enable(WDTO_15MS);", "wdt_enable(WDTO_60MS);"),
    Mutant(
        "watchdog kicked by an interrupt",
        "watchdog_ends_a_hung_loop_whose_interrupts_go_on",
        "    ticked = 1;\n    if (serving)",
        "    ticked = 1;\n    watchdog_kick();\n    if (serving)",
    ),
    Mutant(
        "heartbeat does nothing",
        "far_edge_comes_on_time",
        "    case KIND_HEARTBEAT: beat(); break;",
        "    case KIND_HEARTBEAT: break;",
    ),
    Mutant(
        "heartbeats as seldom as ever allowed",
        "shorter_heartbeat_is_kept",
        "{ beat_left_ms = limits.heartbeat_and_interlock & (uint8_t)~INTERLOCK_FLAG; }",
        "{ beat_left_ms = CEILING_HEARTBEAT_MS; }",
    ),
    Mutant(
        "armed with the heartbeats of before",
        "board_that_was_armed_needs_heartbeats_at_once",
        "        beat();\n        armed = 1;",
        "        armed = 1;",
    ),
    Mutant(
        "arming is a heartbeat",
        "other_commands_are_no_heartbeats",
        "    if (armed) return REASON_NONE;\n    arming_ms",
        "    arming_ms",
    ),
    Mutant(
        "sync is a heartbeat",
        "other_commands_are_no_heartbeats",
        "    if (!armed && !sync_mode) beat();",
        "    beat();",
    ),
    Mutant(
        "silence drops the stimulus only",
        "sync_output_takes_no_stimulus_and_needs_heartbeats",
        "drop_everything(REASON_HEARTBEAT_LOST)",
        "drop(STIMULUS_BITS, REASON_HEARTBEAT_LOST)",
    ),
)
