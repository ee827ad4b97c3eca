"""Firmware that breaks the rules in `tests/firmware/rules/frames.py`."""

from tests.firmware.mutants.mutant import Mutant

MUTANTS = (
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
)
