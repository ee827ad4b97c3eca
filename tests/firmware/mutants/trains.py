"""Firmware that breaks the rules in `tests/firmware/rules/trains.py`."""

from tests.firmware.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "falls later than rises",
        "crowds_are_in_time_and_no_pulse_is_too_wide",
        "        wait_until(FALL_TICKS);\n",
        "        wait_until(due_set ? FALL_TICKS : RISE_TICKS + 10u);\n",
    ),
    Mutant(
        "no gap for longer work",
        "crowds_are_in_time_and_no_pulse_is_too_wide",
        "    while (edge_is_close()) interrupts_breathe();\n",
        "",
    ),
    Mutant(
        "far edges never looked for",
        "far_edge_comes_on_time",
        "    if (edge_is_close()) look_owed = 1;\n    else look_ahead();\n",
        "",
    ),
    Mutant(
        "any number of edges",
        "edges_of_all_trains_together_are_limited",
        "    if (edges_under_way() + edges_per_s(pulse) > CEILING_EDGES_PER_S) return REASON_BUSY;\n",
        "",
    ),
    Mutant(
        "edges rounded down",
        "edges_of_all_trains_together_are_limited",
        "(2ul * SLOTS_PER_S + pulse->period_slots - 1u)",
        "(2ul * SLOTS_PER_S)",
    ),
    Mutant(
        "edges of trains that have ended counted",
        "edges_of_all_trains_together_are_limited",
        "        if (active & bit) sum += ",
        "        sum += ",
    ),
    Mutant("busy channel taken", "busy_channel_refuses", "(active | ended | cut_trains) & bit)", "0)"),
    Mutant("endless train", "train_is_finite_and_regular", "if (--lines[output].left == 0) done", "if (0) done"),
)
