"""The firmware with one of its limits or checks taken away, each of which the short suite must notice."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` becomes `new` in the one place where it stands; `hint` is the rule that is likely to notice."""

    name: str
    hint: str
    old: str
    new: str


MUTANTS = (
    # what is a command at all
    Mutant("no CRC", "damaged_frames_do_nothing", "if (crc == ~frame_crc) return COMPLETE;", "return COMPLETE;"),
    *(
        Mutant(f"any magic: {check}", "frames_with_another_magic_do_nothing", check, "if (0)")
        for check in ("if (at == 0 && byte != (MAGIC & 0xFF))", "if (at == 1 && byte != MAGIC >> 8)")
    ),
    Mutant(
        "frames of any length",
        "frame_after_garbage_is_found",
        "if (at == 2 && byte > MAX_COMMAND_PAYLOAD) return REJECTED;",
        "",
    ),
    Mutant(
        "no check of lengths",
        "malformed_frames_are_refused",
        "if (command_length(kind) != frame.header.length) {",
        "if (0) {",
    ),
    Mutant(
        "no giving up of half frames",
        "stop_behind_half_a_frame_is_found",
        "if (byte_age_ms > PARTIAL_FRAME_TIMEOUT_US / 1000u) give_up_frame();",
        "",
    ),
    Mutant(
        "half frames thrown away whole",
        "stop_behind_half_a_frame_is_found",
        "    while (held) {\n        forget_bytes(1);\n        scan();\n    }",
        "    held = checked = 0;",
    ),
    Mutant(
        "no search behind a damaged start",
        "frame_after_garbage_is_found",
        "forget_bytes(verdict == COMPLETE ? checked : 1);",
        "forget_bytes(checked);",
    ),
    # whose command, and when
    Mutant(
        "any session",
        "commands_of_another_session_are_refused",
        "} else if (!is_mine) {",
        "} else if (0) {",
    ),
    Mutant(
        "duplicates executed",
        "duplicates_are_answered_and_not_repeated",
        "} else if (frame.header.sequence <= last_sequence) {",
        "} else if (0) {",
    ),
    Mutant(
        "sequence not noted",
        "duplicates_are_answered_and_not_repeated",
        "        last_sequence = frame.header.sequence;\n}",
        "        {}\n}",
    ),
    Mutant("no expiry", "late_commands_are_refused", "frame.expires_us - now_low > MAX_EXPIRY_US;", "now_low == 1;"),
    Mutant(
        "expiry far ahead taken",
        "late_commands_are_refused",
        "frame.expires_us - now_low > MAX_EXPIRY_US;",
        "(int32_t)(frame.expires_us - now_low) < 0;",
    ),
    Mutant(
        "old frame opens a session",
        "session_cannot_be_opened_again_by_an_old_frame",
        "!(is_mine && frame.header.sequence <= last_sequence)",
        "1",
    ),
    Mutant(
        "opening of long ago taken",
        "opening_of_long_ago_begins_no_count_anew",
        "if (is_late(time_now().low)) return REASON_EXPIRED; ",
        "",
    ),
    Mutant(
        "opening not remembered",
        "opening_whose_answer_was_lost_is_answered_again",
        "answer(open_command(), time_now(), 1);",
        "answer(open_command(), time_now(), 0);",
    ),
    Mutant(
        "session zero",
        "session_cannot_be_opened_again_by_an_old_frame",
        "if (!frame.header.nonce) return REASON_WRONG_SESSION;",
        "",
    ),
    Mutant(
        "session opened while armed",
        "commands_of_another_session_are_refused",
        "    if (armed || sync_mode) return REASON_NOT_DISARMED;\n    if (!frame.header.nonce)",
        "    if (!frame.header.nonce)",
    ),
    # arming
    Mutant(
        "pulses while disarmed",
        "nothing_pulses_unless_armed",
        "    if (!armed) return REASON_NOT_ARMED;\n    if (interlock_open()) return REASON_INTERLOCK;\n    if (pulse->",
        "    armed = 1;\n    if (interlock_open()) return REASON_INTERLOCK;\n    if (pulse->",
    ),
    Mutant("boots armed", "boots_low_and_disarmed", "volatile uint8_t armed,", "volatile uint8_t armed = 1,"),
    Mutant(
        "stop does nothing",
        "stop_is_taken_in_every_state_and_from_anyone",
        "WITH_INTERRUPTS_OFF { drop_everything(REASON_STOPPED); }",
        "",
    ),
    Mutant(
        "stop only from the session",
        "stop_is_taken_in_every_state_and_from_anyone",
        "} else if (kind == KIND_STOP) {",
        "} else if (kind == KIND_STOP && frame.header.nonce == session) {",
    ),
    Mutant(
        "disarming does nothing",
        "disarming_cuts_pulses",
        "        drop(STIMULUS_BITS, REASON_REQUESTED);\n",
        "",
    ),
    Mutant("dropping does not disarm", "disarming_cuts_pulses", "    armed = 0;\n    drop_reason", "    drop_reason"),
    Mutant("dropping leaves lines", "disarming_cuts_pulses", "    write_outputs(0, mask);\n", ""),
    Mutant("dropping forgets nothing", "disarming_cuts_pulses", "    active &= (uint8_t)~mask;\n", ""),
    # heartbeat, watchdog, interlock
    Mutant(
        "no heartbeat needed",
        "silence_drops_the_lines_and_disarms",
        "if (--beat_left_ms == 0) drop_everything(REASON_HEARTBEAT_LOST);",
        "",
    ),
    Mutant(
        "heartbeat only while armed",
        "sync_output_takes_no_stimulus_and_needs_heartbeats",
        "    if (armed || sync_mode) {\n        if (--beat",
        "    if (armed) {\n        if (--beat",
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
        "interlock does not cut",
        "interlock_cuts_and_forbids",
        "    if (armed && interlock_open()) drop(STIMULUS_BITS, REASON_INTERLOCK);\n",
        "",
    ),
    Mutant(
        "interlock does not keep from arming",
        "interlock_cuts_and_forbids",
        "    if (interlock_open()) return REASON_INTERLOCK;\n    if (armed) return REASON_NONE;",
        "    if (armed) return REASON_NONE;",
    ),
    Mutant(
        "interlock does not refuse",
        "open_interlock_refuses_at_once",
        "    if (interlock_open()) return REASON_INTERLOCK;\n    if (pulse->",
        "    if (pulse->",
    ),
    Mutant(
        "pulse begun after the board has disarmed",
        "pulse_at_the_moment_of_disarming_never_begins",
        "    if (armed) add_rise(pulse->channel, start);\n    else refusal = REASON_NOT_ARMED;",
        "    add_rise(pulse->channel, start);",
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
    Mutant(
        "duplicates answered as stale",
        "duplicates_are_answered_and_not_repeated",
        "            content = remembered[i].content;\n",
        "            {}\n",
    ),
    Mutant(
        "no end to a chattering input",
        "input_that_chatters_disturbs_nothing",
        "if (next == input_tail) input_interrupt(0);",
        "if (next == input_tail) {}",
    ),
    # in time
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
    Mutant("last light forgotten early", "long_interval_is_remembered", "(1ul << 22)", "1ul"),
    # sync output
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
    # limits on a train
    Mutant(
        "any channel",
        "sync_output_takes_no_stimulus_and_needs_heartbeats",
        "    if (pulse->channel >= NUM_STIMULUS_OUTPUTS) return REASON_CHANNEL;\n",
        "    if (pulse->channel > NUM_STIMULUS_OUTPUTS) return REASON_CHANNEL;\n",
    ),
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
    # setting limits
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
    # what outlives a reset
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
