"""Firmware that breaks the rules in `tests/firmware/rules/limits.py`."""

from tests.firmware.mutants.mutant import Mutant

MUTANTS = (
    Mutant("last light forgotten early", "long_interval_is_remembered", "(1ul << 22)", "1ul"),
    Mutant("no pulses counted one", "count_limit_holds", "if (!pulse->count) return REASON_COUNT;", ""),
    Mutant("no least width", "width_limit_holds", "pulse->width_slots < SLOTS(MIN_WIDTH_US) || ", ""),
    Mutant("no widest", "width_limit_holds", " || pulse->width_slots > limits.max_width_slots)", ")"),
    Mutant(
        "no longest delay",
        "ceilings_hold",
        "if (pulse->delay_slots > SLOTS(CEILING_DELAY_US)) return REASON_DELAY;",
        "",
    ),
    Mutant(
        "no longest period",
        "ceilings_hold",
        "if (pulse->period_slots > SLOTS(CEILING_PERIOD_US)) return REASON_PERIOD;",
        "",
    ),
    Mutant(
        "no interval in a train",
        "interval_limit_holds_within_a_train",
        "if (pulse->period_slots < pulse->width_slots + limits.min_interval_slots) return REASON_INTERVAL;",
        "",
    ),
    Mutant(
        "no interval between trains",
        "interval_limit_holds_between_trains",
        "    if (has_ended & bit && (int32_t)",
        "    if (0 && (int32_t)",
    ),
    Mutant(
        "no count",
        "count_limit_holds",
        "if (pulses + pulse->count > limits.max_pulses) return REASON_COUNT;",
        "",
    ),
    Mutant("trains counted once", "count_limit_holds", "pulses += pulse->count;", "pulses += 1;"),
    Mutant(
        "limits set while armed",
        "limits_are_set_only_while_disarmed",
        "    if (armed || sync_mode) return REASON_NOT_DISARMED;\n    if (!limits_fit",
        "    if (!limits_fit",
    ),
    *(
        Mutant(f"no ceiling: {check}", "ceilings_hold", check, "1")
        for check in (
            "wanted->max_width_slots >= SLOTS(MIN_WIDTH_US)",
            "wanted->max_width_slots <= SLOTS(CEILING_WIDTH_US)",
            "wanted->max_duty <= CEILING_DUTY",
            "wanted->window_ms >= LEAST_WINDOW_MS",
            "wanted->window_ms <= CEILING_WINDOW_MS",
            "wanted->min_interval_slots >= SLOTS(MIN_WIDTH_US)",
            "wanted->min_interval_slots <= wanted->window_ms * SLOTS_PER_MS",
            "wanted->max_pulses <= CEILING_PULSES",
            "heartbeat >= LEAST_HEARTBEAT_MS",
            "heartbeat <= CEILING_HEARTBEAT_MS",
        )
    ),
    Mutant(
        "new window at once",
        "new_window_is_quiet_until_it_has_passed",
        "quiet = light_recent && (int32_t)(quiet_until - slot_now()) > 0;",
        "quiet = 0;",
    ),
    Mutant(
        "delay not part of the interval",
        "delay_is_part_of_the_interval",
        "(int32_t)(start + pulse->delay_slots - channel",
        "(int32_t)(start - channel",
    ),
    Mutant(
        "channel free before its train is entered",
        "interval_holds_at_the_very_end_of_a_train",
        "(active | ended | cut_trains) & bit)",
        "(active | cut_trains) & bit)",
    ),
    Mutant("limits not taken", "limits_and_count_survive_a_reset", "    limits = wanted;\n", ""),
    Mutant(
        "limits not applied",
        "duty_limit_holds_over_a_sliding_window",
        "    limits = wanted;\n    apply_limits();",
        "    limits = wanted;",
    ),
)
