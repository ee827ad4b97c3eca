"""A C program that reads frames with the firmware's own headers, written from the frame table."""

from rig.ttl.wire import TABLE, Kind

HEAD = """
#include <stdio.h>
#include <string.h>
#include "wire.h"
#include "crc32.h"

static void show(struct wire_time time, const char *name) {
    printf(" %s=%llu", name, (unsigned long long)time.high << 32 | time.low);
}

int main(void) {
    unsigned char frame[256];
    char line[600];
    while (fgets(line, sizeof line, stdin)) {
        unsigned size = 0, byte;
        for (char *at = line; sscanf(at, "%2x", &byte) == 1; at += 2) frame[size++] = (unsigned char)byte;
        uint32_t crc = 0xFFFFFFFFu, sent;
        for (unsigned i = 0; i < size - CRC_BYTES; i++) crc = crc_step(crc, frame[i]);
        memcpy(&sent, frame + size - CRC_BYTES, CRC_BYTES);
        struct wire_header header;
        memcpy(&header, frame, sizeof header);
        printf("magic=%d crc=%d size=%d", header.magic == MAGIC, sent == ~crc,
               size == sizeof header + header.length + CRC_BYTES);
        printf(" command=%d expires=%d", command_length(header.kind) == header.length, command_expires(header.kind));
        printf(" sequence=%lu nonce=%lu", (unsigned long)header.sequence, (unsigned long)header.nonce);
        switch (header.kind) {
"""
TAIL = """
        }
        printf("\\n");
    }
    return 0;
}
"""


def program_text() -> str:
    """The program: hexadecimal frames in, one line of named fields out for each."""
    cases = []
    for kind, layout in TABLE.items():
        if not layout.fields:
            continue
        shows = [
            f'show(payload.{name}, "{name}");'
            if unit == "u64"
            else f'printf(" {name}=%lu", (unsigned long)payload.{name});'
            for name, unit in layout.fields
        ]
        cases.append(
            f"case KIND_{kind.name}: {{ struct wire_{kind.name.lower()} payload; "
            f"memcpy(&payload, frame + sizeof header, sizeof payload); {' '.join(shows)} break; }}"
        )
    return HEAD + "\n".join(cases) + TAIL


def expected_line(kind: Kind, sequence: int, nonce: int, values: tuple[int, ...]) -> str:
    """What the program must say of a frame."""
    layout = TABLE[kind]
    expires = layout.fields[:1] == (("expires_us", "u32"),)
    fields = "".join(f" {name}={value}" for (name, _), value in zip(layout.fields, values, strict=True))
    head = f"magic=1 crc=1 size=1 command={int(kind < 0x40)} expires={int(expires)}"
    return f"{head} sequence={sequence} nonce={nonce}{fields}"
