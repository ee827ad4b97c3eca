"""Firmware that breaks the rules in `tests/firmware/rules/duty.py`."""

from tests.firmware.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "no duty",
        "duty_limit_holds_over_a_sliding_window",
        "if (channel->used + most_high(pulse) > allowed_slots) return REASON_DUTY;",
        "",
    ),
    Mutant(
        "duty of one pulse of a train",
        "duty_limit_holds_for_a_long_train",
        "channel->used + most_high(pulse) >",
        "channel->used + pulse->width_slots >",
    ),
    Mutant(
        "duty forgotten early",
        "duty_limit_holds_over_a_sliding_window",
        "channel->used -= channel->bins[newest_bin];",
        "channel->used = 0;",
    ),
    Mutant(
        "duty not entered",
        "duty_limit_holds_over_a_sliding_window",
        "    channel->used += total - channel->entered;\n",
        "",
    ),
    Mutant(
        "bins shorter than the window",
        "duty_limit_holds_to_the_slot",
        "newest_bin = newest_bin == NUM_DUTY_BINS ? 0",
        "newest_bin = newest_bin == NUM_DUTY_BINS - 1u ? 0",
    ),
    Mutant(
        "duty of cut pulses not entered",
        "duty_counts_pulses_that_were_cut",
        "    enter_high_time(channel, line, is_high, end, 0);\n",
        "    if (!is_high) enter_high_time(channel, line, is_high, end, 0);\n",
    ),
    Mutant(
        "a train entered at its end",
        "light_of_a_long_train_leaves_the_window_as_it_came",
        "    if (is_active) enter_high_time(&channels[output], &line, is_high, now, now - bin_end);",
        "    (void)is_high, (void)is_active;",
    ),
    Mutant(
        "a pulse entered at its end",
        "duty_counts_pulses_that_were_cut",
        "    if (is_high) total += until - (line->next - line->width);\n",
        "",
    ),
    Mutant(
        "duty of a train overstated",
        "duty_of_a_train_is_not_overstated",
        "(rest < pulse->width_slots ? rest : pulse->width_slots);",
        "pulse->width_slots;",
    ),
    Mutant(
        "the last pulse of the window forgotten",
        "duty_limit_holds_for_a_long_train",
        "    return whole * pulse->width_slots + (",
        "    return whole * pulse->width_slots + 0u * (",
    ),
    Mutant(
        "cut lines taken for high",
        "train_cut_before_it_began_counts_for_nothing",
        "    active &= (uint8_t)~mask;\n    high &= (uint8_t)~mask;",
        "    active &= (uint8_t)~mask;",
    ),
    Mutant(
        "a cut taken for the next",
        "train_cut_before_it_began_counts_for_nothing",
        "        cut_high &= (uint8_t)~cut_short;\n",
        "",
    ),
    Mutant(
        "a train that never began has an end",
        "train_cut_before_it_began_counts_for_nothing",
        "    if (!begun) return 0;\n",
        "",
    ),
    Mutant(
        "bins without slack",
        "duty_limit_holds_to_the_slot",
        "NUM_DUTY_BINS + 1u;\n    interlock",
        "NUM_DUTY_BINS;\n    interlock",
    ),
    Mutant("bins not emptied", "duty_limit_holds_to_the_slot", "            channel->bins[newest_bin] = 0;\n", ""),
    Mutant(
        "setting limits forgets what was used",
        "same_window_keeps_what_was_used",
        "    if (window_differs) change_window();",
        "    change_window();",
    ),
    Mutant(
        "a new window keeps the old bins",
        "new_window_begins_empty",
        "        memset(channels[output].bins, 0, sizeof channels[output].bins);\n",
        "",
    ),
    Mutant("a new window keeps the old sum", "new_window_begins_empty", "        channels[output].used = 0;\n", ""),
)
