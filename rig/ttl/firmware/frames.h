/* The frame that is being read: found among whatever else comes, checked, and executed (commands.h). */
#pragma once
#include <string.h>

#include "hardware.h"
#include "crc32.h"
#include "wire.h"

static union {
    uint8_t bytes[sizeof(struct wire_header) + MAX_COMMAND_PAYLOAD + CRC_BYTES];
    struct {
        struct wire_header header;
        union {
            uint32_t expires_us;
            struct wire_set_limits set_limits;
            struct wire_pulse pulse;
            struct wire_sync sync;
        };
    } __attribute__((packed));
} frame;
static uint8_t held, checked, byte_age_ms; /* bytes in `frame`, and how many of them may begin one */
static uint32_t frame_crc;
static uint16_t bad_frames;

enum { REJECTED, ACCEPTED, COMPLETE };

static void execute(void);

/* Looks at the next byte of `frame`. */
static uint8_t check_byte(void) {
    uint8_t at = checked++, byte = frame.bytes[at];
    if (at == 0) frame_crc = 0xFFFFFFFFul;
    if (at == 0 && byte != (MAGIC & 0xFF)) return REJECTED;
    if (at == 1 && byte != MAGIC >> 8) return REJECTED;
    if (at == 2 && byte > MAX_COMMAND_PAYLOAD) return REJECTED;
    if (at < sizeof(struct wire_header) || at < sizeof(struct wire_header) + frame.header.length) {
        frame_crc = crc_step(frame_crc, byte);
        return ACCEPTED;
    }
    if (checked < sizeof(struct wire_header) + frame.header.length + CRC_BYTES) return ACCEPTED;
    uint32_t crc;
    memcpy(&crc, &frame.bytes[checked - CRC_BYTES], CRC_BYTES);
    if (crc == ~frame_crc) return COMPLETE;
    if (bad_frames < 0xFFFFu) bad_frames++;
    return REJECTED;
}

static void forget_bytes(uint8_t count) {
    held -= count;
    memmove(frame.bytes, frame.bytes + count, held);
    checked = 0;
}

/* Looks at what is held; where it cannot be a frame, looks for one that begins later in it. */
static void scan(void) {
    while (checked < held) {
        uint8_t verdict = check_byte();
        if (verdict == COMPLETE) execute();
        if (verdict != ACCEPTED) forget_bytes(verdict == COMPLETE ? checked : 1);
    }
}

static void feed(uint8_t byte) {
    frame.bytes[held++] = byte;
    scan();
}

/* The rest of what is held will not come any more: there may be a whole frame behind its first byte. */
static void give_up_frame(void) {
    while (held) {
        forget_bytes(1);
        scan();
    }
}
