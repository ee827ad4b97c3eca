/* Frames to the host: answers, and events of the session that is open. What finds no room is lost and counted. */
#pragma once
#include "hardware.h"
#include "crc32.h"
#include "wire.h"

static uint32_t session, event_sequence;
static uint16_t lost_events;

static void note_loss(void) {
    if (lost_events < 0xFFFFu) lost_events++;
}

static void send(uint8_t kind, uint32_t sequence, uint32_t nonce, const void *payload, uint8_t length) {
    struct wire_header header = {MAGIC, length, kind, sequence, nonce};
    if (serial_space() < sizeof header + length + CRC_BYTES) {
        note_loss();
        return;
    }
    uint32_t crc = 0xFFFFFFFFul;
    for (uint8_t i = 0; i < sizeof header; i++) {
        crc = crc_step(crc, ((const uint8_t *)&header)[i]);
        serial_put(((const uint8_t *)&header)[i]);
    }
    serial_start();
    for (uint8_t i = 0; i < length; i++) {
        crc = crc_step(crc, ((const uint8_t *)payload)[i]);
        serial_put(((const uint8_t *)payload)[i]);
    }
    crc = ~crc;
    for (uint8_t i = 0; i < CRC_BYTES; i++, crc >>= 8) serial_put((uint8_t)crc);
    serial_start();
}

static void send_event(uint8_t kind, const void *payload, uint8_t length) {
    if (session) send(kind, ++event_sequence, session, payload, length);
}
