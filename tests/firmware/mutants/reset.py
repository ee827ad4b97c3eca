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
)
