"""Firmware that breaks the rules in `tests/firmware/rules/reset.py`."""

from tests.firmware.mutants.mutant import Mutant

MUTANTS = (
    Mutant("no quiet after a reset", "reset_is_quiet_for_a_window", "uint8_t quiet = 1;", "uint8_t quiet = 0;"),
    Mutant("quiet not checked", "reset_is_quiet_for_a_window", "if (quiet) return REASON_QUIET;", ""),
    Mutant("quiet too short", "reset_is_quiet_for_a_window", "tick_slot + window_slots;", "tick_slot + 100;"),
    Mutant("count lost", "limits_and_count_survive_a_reset", "        pulses = saved.pulses;\n", ""),
    Mutant("limits lost", "limits_and_count_survive_a_reset", "        limits = saved.limits;\n", ""),
    Mutant(
        "count begun anew by its own session",
        "limits_and_count_survive_a_reset",
        "if (frame.header.nonce != stored_session) pulses = 0;",
        "pulses = 0;",
    ),
    Mutant(
        "allowance not stored",
        "count_is_stored_before_the_first_pulse",
        "(armed || arming_ms) && pulses < limits.max_pulses ? limits.max_pulses : pulses;",
        "pulses;",
    ),
    Mutant(
        "armed before it is stored",
        "count_is_stored_before_the_first_pulse",
        "    if (!store_is_settled()) return REASON_STORING;\n",
        "",
    ),
    Mutant("an older record believed", "newest_record_is_believed", " || writing.serial <= saved.serial", ""),
    Mutant(
        "stored limits over a ceiling believed",
        "stored_limits_over_a_ceiling_are_not_believed",
        "if (!limits_fit(&writing.limits)) continue;",
        "",
    ),
    Mutant(
        "damaged store believed",
        "damaged_store_is_not_believed",
        "writing.crc != crc_of(&writing, sizeof writing - CRC_BYTES) || ",
        "",
    ),
    Mutant(
        "records in one place",
        "reset_while_storing_loses_nothing",
        "    record_slot = (uint8_t)((record_slot + 1u) % NUM_RECORDS);\n",
        "",
    ),
    Mutant(
        "records beyond the store",
        "newest_record_is_believed",
        "(record_slot + 1u) % NUM_RECORDS",
        "(record_slot + 1u)",
    ),
    Mutant(
        "arming given up uses the allowance",
        "arming_that_was_given_up_uses_no_allowance",
        "    if (arming_ms) arming_ms--;\n",
        "",
    ),
    Mutant(
        "arming lowers the count",
        "arming_lowers_no_count",
        "(armed || arming_ms) && pulses < limits.max_pulses ?",
        "(armed || arming_ms) ?",
    ),
    Mutant(
        "allowance stored when armed only",
        "count_is_stored_before_the_first_pulse",
        "(armed || arming_ms) && pulses",
        "armed && pulses",
    ),
    Mutant(
        "another count not stored",
        "limits_and_count_survive_a_reset",
        "record->session == saved.session && record->pulses == saved.pulses &&",
        "record->session == saved.session &&",
    ),
    Mutant(
        "other limits not stored",
        "newest_record_is_believed",
        "record->pulses == saved.pulses &&\n           !memcmp(&record->limits, &saved.limits, sizeof record->limits);",
        "record->pulses == saved.pulses;",
    ),
    Mutant("session not stored", "limits_and_count_survive_a_reset", "        stored_session = saved.session;\n", ""),
    Mutant(
        "no light known after a reset",
        "new_window_after_a_reset_is_quiet_too",
        "light_recent = 1;\n\nstatic uint32_t clock",
        "light_recent;\n\nstatic uint32_t clock",
    ),
)
