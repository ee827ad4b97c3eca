/* The limits in force, and the ceilings under which others may be set. How the board counts is in duty.h, what it
   refuses in refusals.h. */
#pragma once
#include "hardware.h"
#include "lines.h"
#include "wire.h"

static struct wire_limits limits;
static uint32_t window_slots, allowed_slots, bin_slots;
static uint32_t pulses; /* of the session, since it was first opened */

static void apply_limits(void) {
    window_slots = limits.window_ms * SLOTS_PER_MS;
    allowed_slots = limits.window_ms * limits.max_duty / (DUTY_SCALE / SLOTS_PER_MS);
    bin_slots = window_slots / NUM_DUTY_BINS + 1u;
    interlock = limits.heartbeat_and_interlock & INTERLOCK_FLAG;
}

static uint8_t limits_fit(const struct wire_limits *wanted) {
    uint8_t heartbeat = wanted->heartbeat_and_interlock & (uint8_t)~INTERLOCK_FLAG;
    return wanted->max_width_slots >= SLOTS(MIN_WIDTH_US) && wanted->max_width_slots <= SLOTS(CEILING_WIDTH_US) &&
           wanted->max_duty <= CEILING_DUTY && wanted->window_ms >= LEAST_WINDOW_MS &&
           wanted->window_ms <= CEILING_WINDOW_MS && wanted->min_interval_slots >= SLOTS(MIN_WIDTH_US) &&
           wanted->min_interval_slots <= wanted->window_ms * SLOTS_PER_MS && wanted->max_pulses <= CEILING_PULSES &&
           heartbeat >= LEAST_HEARTBEAT_MS && heartbeat <= CEILING_HEARTBEAT_MS;
}

static void beat(void) { beat_left_ms = limits.heartbeat_and_interlock & (uint8_t)~INTERLOCK_FLAG; }
