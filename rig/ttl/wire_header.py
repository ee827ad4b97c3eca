"""Writes the firmware's `wire.h` and `crc32.h` from `rig.ttl.wire`: ``python -m rig.ttl.wire_header``."""

from enum import IntEnum
from pathlib import Path

from online import barcode
from rig.ttl import wire
from rig.ttl.wire import TABLE, Kind, Layout, Outcome, Reason, State, SyncMode

HEADER_PATH = Path(__file__).parent / "firmware" / "wire.h"
CRC_PATH = HEADER_PATH.with_name("crc32.h")
CRC_POLYNOMIAL = 0xEDB88320
C_TYPES = {"u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "u64": "struct wire_time"}
CONSTANTS = {name: value for name, value in vars(wire).items() if name.isupper() and isinstance(value, int)} | {
    "BARCODE_MARK_US": barcode.MARK_US,
    "BARCODE_BIT_US": barcode.BIT_US,
    "BARCODE_NUM_BITS": barcode.NUM_BITS,
    "BARCODE_PERIOD_US": barcode.PERIOD_US,
}


def header_text() -> str:
    """The header."""
    parts = [
        "/* Written by rig.ttl.wire_header from the table in rig/ttl/wire.py; change that, not this. Little-endian. */",
        "#pragma once",
        "#include <stdint.h>",
        "",
        *(f"#define {name} {_literal(value)}" for name, value in CONSTANTS.items()),
        "",
        *(_enumeration(kind) for kind in (Kind, Outcome, Reason, State, SyncMode)),
        "struct wire_time { uint32_t low, high; } __attribute__((packed));",
        "struct wire_header {",
        "    uint16_t magic;",
        "    uint8_t length, kind;",
        "    uint32_t sequence, nonce;",
        "} __attribute__((packed));",
        *(_structure(kind.name, layout) for kind, layout in TABLE.items() if layout.fields),
        _structure("LIMITS", Layout(wire.LIMIT_FIELDS)),
        "",
        "/* Length of a command's payload, 0xFF for what is no command. */",
        "static inline uint8_t command_length(uint8_t kind) {",
        "    switch (kind) {",
        *(f"    case KIND_{kind.name}: return {TABLE[kind].packer.size};" for kind in wire.COMMANDS),
        "    default: return 0xFF;",
        "    }",
        "}",
        "",
        "/* True for commands whose payload begins with expires_us. */",
        "static inline uint8_t command_expires(uint8_t kind) {",
        "    switch (kind) {",
        *(f"    case KIND_{kind.name}:" for kind in wire.COMMANDS if kind in wire.EXPIRING),
        "        return 1;",
        "    default: return 0;",
        "    }",
        "}",
    ]
    return "\n".join(parts) + "\n"


def _literal(value: int) -> str:
    return f"{value}ul" if value > 0xFFFF else f"{value}u"


def _enumeration(kind: type[IntEnum]) -> str:
    members = ", ".join(f"{kind.__name__.upper()}_{member.name} = {member.value}" for member in kind)
    return f"enum {{ {members} }};"


def _structure(name: str, layout: Layout) -> str:
    fields = " ".join(f"{C_TYPES[unit]} {field};" for field, unit in layout.fields)
    return f"struct wire_{name.lower()} {{ {fields} }} __attribute__((packed));"


def crc_entry(index: int) -> int:
    """What one byte does to a reflected CRC-32."""
    for _ in range(8):
        index = index >> 1 ^ (CRC_POLYNOMIAL if index & 1 else 0)
    return index


CRC_TEXT = """/* Written by rig.ttl.wire_header. CRC-32 (IEEE 802.3), reflected: start with all ones, invert the end.
   The hardware's header says where constants live and how they are read; elsewhere they are ordinary memory. */
#pragma once
#include <stdint.h>

#ifndef CONSTANT
#define CONSTANT
#define read_constant(address) (*(address))
#endif

static const uint32_t crc_table[256] CONSTANT = {{
{rows}
}};

static inline uint32_t crc_step(uint32_t crc, uint8_t byte) {{
    return crc >> 8 ^ read_constant(&crc_table[(uint8_t)crc ^ byte]);
}}
"""


def crc_text() -> str:
    """The header with the CRC."""
    rows = [", ".join(f"{crc_entry(n):#010x}" for n in range(row, row + 8)) for row in range(0, 256, 8)]
    return CRC_TEXT.format(rows="\n".join(f"    {row}," for row in rows))


def main() -> None:
    """Write the headers."""
    HEADER_PATH.write_text(header_text())
    CRC_PATH.write_text(crc_text())


if __name__ == "__main__":
    main()
