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
        "longer_work_waits_for_a_gap",
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
    # an input's interrupt waits while an edge is near or being served
    Mutant("inputs before edges", "edges_come_before_inputs", "        input_pause(1);", "        {}"),
    Mutant(
        "inputs while an edge is served",
        "edges_come_before_inputs",
        "if (serving || (compare_armed && (uint16_t)(edge_compare() + FALL_TICKS - now)",
        "if ((compare_armed && (uint16_t)(edge_compare() + FALL_TICKS - now)",
    ),
    Mutant(
        "inputs just before an edge",
        "edges_come_before_inputs",
        " || (compare_armed && (uint16_t)(edge_compare() + FALL_TICKS - now) < FALL_TICKS + INPUT_TICKS))",
        ")",
    ),
    Mutant(
        "bytes without end",
        "edges_come_before_inputs",
        "for (uint8_t budget = BYTES_AT_ONCE; budget && serial_waiting(); budget--) {",
        "while (serial_waiting()) {",
    ),
    # far edges beside near ones
    Mutant("far edges pass for near ones", "far_edges_come_on_time_beside_near_ones", "active & near;", "active;"),
    Mutant(
        "far starts pass for near ones",
        "far_edges_come_on_time_beside_near_ones",
        "    if (slot - tick_slot >= NEAR_SLOTS) {\n        near &= (uint8_t)~bit;\n        return;\n    }\n",
        "",
    ),
    Mutant(
        "far starts left as near as the edge before",
        "far_edges_come_on_time_beside_near_ones",
        "    if (slot - tick_slot >= NEAR_SLOTS) {\n        near &= (uint8_t)~bit;\n",
        "    if (slot - tick_slot >= NEAR_SLOTS) {\n",
    ),
    Mutant(
        "ends of wide pulses pass for near ones",
        "far_edges_come_on_time_beside_near_ones",
        "(set & wide) | (clear & sparse)",
        "(clear & sparse)",
    ),
    Mutant(
        "pulses of sparse trains pass for near ones",
        "far_edges_come_on_time_beside_near_ones",
        "(set & wide) | (clear & sparse)",
        "(set & wide)",
    ),
    Mutant(
        "far edges looked for late",
        "far_edge_comes_on_time",
        "lines[output].next - tick_slot < NEAR_SLOTS;",
        "lines[output].next - tick_slot < 1u;",
    ),
    # the tick, and the next edge
    Mutant(
        "a tick lost while an edge is served",
        "crowds_that_meet_the_tick_need_heartbeats",
        "    if (tick_owed) tick_lines();\n",
        "",
    ),
    Mutant(
        "a tick in the midst of serving",
        "crowds_that_meet_the_tick_need_heartbeats",
        "    if (serving) tick_owed = 1;\n    else tick_lines();",
        "    tick_lines();",
    ),
    Mutant(
        "a later start put before the edge that is due",
        "crowds_are_in_time_and_no_pulse_is_too_wide",
        "    if (due_mask && (int32_t)(slot - due_slot) > 0) return;\n",
        "",
    ),
    Mutant(
        "an earlier start takes the others with it",
        "trains_on_two_channels_do_not_meet",
        "    if (!due_mask || slot != due_slot) due_mask = due_set = due_clear = 0;\n",
        "",
    ),
    Mutant(
        "answers without the pin's time",
        "pulse_has_its_width_and_time",
        "    *effect = time_in_slot(start, RISE_TICKS);\n    return",
        "    return",
    ),
)
