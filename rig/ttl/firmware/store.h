/* What outlives a reset: the limits, and how many pulses the session has had. */
#pragma once
#include <string.h>

#include "hardware.h"
#include "crc32.h"
#include "duty.h"
#include "lines.h"
#include "stimulus_limits.h"

#define STORE_PATIENCE_MS 500u

struct record {
    uint32_t serial, session, pulses;
    struct wire_limits limits;
    uint32_t crc;
} __attribute__((packed));
#define NUM_RECORDS (STORAGE_BYTES / sizeof(struct record))

static uint32_t stored_session;
static struct record saved, writing;
static uint8_t write_left, record_slot;
static uint16_t arming_ms;

static uint32_t crc_of(const void *data, uint8_t length) {
    uint32_t crc = 0xFFFFFFFFul;
    for (const uint8_t *byte = data; length; length--) crc = crc_step(crc, *byte++);
    return ~crc;
}

/* While armed, the store says that the whole allowance is used; disarming writes what really was. */
static void wanted_record(struct record *record) {
    record->session = stored_session;
    record->pulses = (armed || arming_ms) && pulses < limits.max_pulses ? limits.max_pulses : pulses;
    record->limits = limits;
}

static uint8_t is_saved(const struct record *record) {
    return record->session == saved.session && record->pulses == saved.pulses &&
           !memcmp(&record->limits, &saved.limits, sizeof record->limits);
}

static uint8_t store_is_settled(void) {
    struct record wanted;
    wanted_record(&wanted);
    return !write_left && is_saved(&wanted);
}

static void store_step(void) {
    if (!storage_ready()) return;
    if (write_left) {
        uint8_t at = (uint8_t)(sizeof writing - write_left);
        storage_write(record_slot * sizeof writing + at, ((const uint8_t *)&writing)[at]);
        if (--write_left == 0) saved = writing;
        return;
    }
    wanted_record(&writing);
    if (is_saved(&writing)) return;
    writing.serial = saved.serial + 1u;
    writing.crc = crc_of(&writing, sizeof writing - CRC_BYTES);
    record_slot = (uint8_t)((record_slot + 1u) % NUM_RECORDS);
    write_left = sizeof writing;
}

static void load_store(void) {
    limits = (struct wire_limits){SLOTS(DEFAULT_WIDTH_US), DEFAULT_DUTY, DEFAULT_WINDOW_MS, SLOTS(DEFAULT_INTERVAL_US),
                                  DEFAULT_PULSES, CEILING_HEARTBEAT_MS};
    for (uint8_t slot = 0; slot < NUM_RECORDS; slot++) {
        watchdog_kick();
        for (uint8_t i = 0; i < sizeof writing; i++)
            ((uint8_t *)&writing)[i] = storage_read(slot * sizeof writing + i);
        if (writing.crc != crc_of(&writing, sizeof writing - CRC_BYTES) || writing.serial <= saved.serial) continue;
        if (!limits_fit(&writing.limits)) continue; /* of a firmware with other ceilings */
        saved = writing;
        record_slot = slot;
    }
    if (saved.serial) {
        limits = saved.limits;
        stored_session = saved.session;
        pulses = saved.pulses;
    }
    apply_limits();
    quiet_until = tick_slot + window_slots;
    bin_end = tick_slot + bin_slots;
}
