"""Firmware that breaks the rules in `tests/firmware/rules/sessions.py`."""

from tests.firmware.mutants.mutant import Mutant

MUTANTS = (
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
    Mutant(
        "duplicates answered as stale",
        "duplicates_are_answered_and_not_repeated",
        "            content = remembered[i].content;\n",
        "            {}\n",
    ),
    Mutant("no session is one", "without_a_session_nothing_is_done", "is_mine = session && frame", "is_mine = frame"),
    Mutant(
        "stop not noted",
        "commands_from_before_a_stop_are_stale",
        "        note_sequence();\n        answer(REASON_NONE",
        "        answer(REASON_NONE",
    ),
    Mutant(
        "sequence noted backwards",
        "old_stop_brings_no_old_command_back",
        "frame.header.nonce == session && frame.header.sequence > last_sequence)",
        "frame.header.nonce == session)",
    ),
    Mutant(
        "sequence of an opening not noted",
        "opening_whose_answer_was_lost_is_answered_again",
        "    last_sequence = frame.header.sequence;\n    memset",
        "    memset",
    ),
    Mutant(
        "answers of the session before",
        "only_what_was_answered_is_answered_again",
        "    memset(remembered, 0, sizeof remembered);\n",
        "",
    ),
    Mutant(
        "answers that were never given",
        "only_what_was_answered_is_answered_again",
        "== frame.header.sequence && remembered[i].content.command)",
        "== frame.header.sequence)",
    ),
    Mutant(
        "refusals of late commands not remembered",
        "only_what_was_answered_is_answered_again",
        "answer(REASON_EXPIRED, effect, 1);",
        "answer(REASON_EXPIRED, effect, 0);",
    ),
    Mutant(
        "late commands executed all the same",
        "late_commands_are_refused",
        "        answer(REASON_EXPIRED, effect, 1);\n        return;",
        "        answer(REASON_EXPIRED, effect, 1);",
    ),
    Mutant(
        "duplicates not marked",
        "duplicates_are_answered_and_not_repeated",
        "    content.state |= STATE_DUPLICATE;\n",
        "",
    ),
    Mutant(
        "answers without room",
        "answers_that_find_no_room_are_lost_whole",
        "    if (serial_space() < sizeof header + length + CRC_BYTES) {",
        "    if (0) {",
    ),
    Mutant(
        "clock that wraps to nothing",
        "time_goes_on_when_its_low_half_wraps",
        "    if (clock_low_us < 1000u) clock_high_us++;\n",
        "",
        near_wrap=True,
    ),
)
