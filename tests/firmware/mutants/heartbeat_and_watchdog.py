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
)
