"""Firmware that breaks the rules in `tests/firmware/rules/sync_output.py`."""

from tests.firmware.mutants.mutant import Mutant

MUTANTS = (
    Mutant(
        "heartbeat only while armed",
        "sync_output_takes_no_stimulus_and_needs_heartbeats",
        "    if (armed || sync_mode) {\n        if (--beat",
        "    if (armed) {\n        if (--beat",
    ),
    Mutant(
        "limits set while the sync output runs",
        "session_and_limits_stand_while_the_sync_output_runs",
        "    if (armed || sync_mode) return REASON_NOT_DISARMED;\n    if (!limits_fit",
        "    if (armed) return REASON_NOT_DISARMED;\n    if (!limits_fit",
    ),
    Mutant(
        "session opened while the sync output runs",
        "session_and_limits_stand_while_the_sync_output_runs",
        "    if (armed || sync_mode) return REASON_NOT_DISARMED;\n    if (!frame.header.nonce)",
        "    if (armed) return REASON_NOT_DISARMED;\n    if (!frame.header.nonce)",
    ),
    Mutant("any sync mode", "unknown_sync_modes_are_refused", "mode > SYNCMODE_STROBE || ", ""),
    Mutant(
        "barcodes from nothing",
        "unknown_sync_modes_are_refused",
        " || (mode == SYNCMODE_BARCODE && !frame.sync.seed)",
        "",
    ),
    Mutant(
        "strobes in any mode",
        "strobes_mark_frames",
        "if (sync_mode != SYNCMODE_STROBE) {\n        refusal = REASON_SYNC_MODE;\n    } else if (active",
        "if (active",
    ),
    Mutant(
        "strobe begun twice",
        "strobe_under_way_is_not_begun_again",
        "} else if (active & SYNC_BIT) {",
        "} else if (0) {",
    ),
    Mutant(
        "strobe begun after the sync output has ended",
        "strobe_at_the_moment_of_silence_never_begins",
        "    enter_gap();\n    start = soonest_slot();\n    if (sync_mode !=",
        "    uint8_t mode = sync_mode;\n    interrupts_breathe();\n    enter_gap();\n    start = soonest_slot();\n"
        "    if (mode !=",
    ),
    Mutant(
        "sync output begun with the heartbeats of before",
        "barcodes_begun_at_the_moment_of_silence_need_heartbeats",
        "    if (!armed && !sync_mode) beat();\n",
        "    if (!beat_left_ms) beat_left_ms = 255;\n",
    ),
    Mutant("stop leaves the sync output", "stop_ends_the_sync_output", "    sync_mode = SYNCMODE_OFF;\n", ""),
    Mutant(
        "any channel",
        "sync_output_takes_no_stimulus_and_needs_heartbeats",
        "    if (pulse->channel >= NUM_STIMULUS_OUTPUTS) return REASON_CHANNEL;\n",
        "    if (pulse->channel > NUM_STIMULUS_OUTPUTS) return REASON_CHANNEL;\n",
    ),
    Mutant(
        "an edge owed after the stop",
        "stop_at_any_moment_of_a_barcode_ends_it",
        "    if (mask & SYNC_BIT) sync_owed = 0;\n",
        "",
    ),
    Mutant(
        "disarming ends the sync output",
        "barcodes_go_on_when_the_board_disarms",
        "        drop(STIMULUS_BITS, REASON_REQUESTED);",
        "        drop_everything(REASON_REQUESTED);",
    ),
    Mutant(
        "interlock ends the sync output",
        "barcodes_go_on_when_the_board_disarms",
        "drop(STIMULUS_BITS, REASON_INTERLOCK)",
        "drop_everything(REASON_INTERLOCK)",
    ),
    Mutant(
        "another seed in the midst of a barcode",
        "another_seed_begins_another_barcode",
        "    sync_step = 0;\n    next_barcode",
        "    next_barcode",
    ),
    Mutant(
        "the same barcode again",
        "barcodes_are_shown_and_reported",
        "        next_barcode = barcode_after(barcode_shown);\n",
        "",
    ),
)
