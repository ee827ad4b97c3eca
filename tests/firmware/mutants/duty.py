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
)
