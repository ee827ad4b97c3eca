/* Why a train may not begin, checked in a fixed order. */
#pragma once
#include "hardware.h"
#include "lines.h"
#include "stimulus_limits.h"
#include "wire.h"

static uint32_t most_high(const struct wire_pulse *pulse) {
    if (pulse->count == 1u) return pulse->width_slots;
    uint32_t whole = window_slots / pulse->period_slots, rest = window_slots % pulse->period_slots;
    if (pulse->count <= whole) return pulse->count * pulse->width_slots;
    return whole * pulse->width_slots + (rest < pulse->width_slots ? rest : pulse->width_slots);
}

static uint8_t shape_refusal(const struct wire_pulse *pulse) {
    if (pulse->channel >= NUM_STIMULUS_OUTPUTS) return REASON_CHANNEL;
    if (!pulse->count) return REASON_COUNT;
    if (pulse->width_slots < SLOTS(MIN_WIDTH_US) || pulse->width_slots > limits.max_width_slots) return REASON_WIDTH;
    if (pulse->delay_slots > SLOTS(CEILING_DELAY_US)) return REASON_DELAY;
    if (pulse->count == 1u) return REASON_NONE;
    if (pulse->period_slots > SLOTS(CEILING_PERIOD_US)) return REASON_PERIOD;
    if (pulse->period_slots < pulse->width_slots + limits.min_interval_slots) return REASON_INTERVAL;
    return REASON_NONE;
}

/* Rounded up; single pulses come no faster than commands and count nothing. */
static uint16_t edges_per_s(const struct wire_pulse *pulse) {
    if (pulse->count == 1u) return 0;
    return (uint16_t)((2ul * SLOTS_PER_S + pulse->period_slots - 1u) / pulse->period_slots);
}

/* Of the trains under way; more than CEILING_EDGES_PER_S would come late and hold up everything else. */
static uint16_t edges_under_way(void) {
    uint16_t sum = 0;
    for (uint8_t output = 0, bit = 1; output < SYNC_OUTPUT; output++, bit <<= 1)
        if (active & bit) sum += channels[output].edges_per_s;
    return sum;
}

static uint8_t pulse_refusal(const struct wire_pulse *pulse, uint32_t start) {
    uint8_t bit = 1u << pulse->channel;
    if (!armed) return REASON_NOT_ARMED;
    if (interlock_open()) return REASON_INTERLOCK;
    if (pulse->channel < NUM_STIMULUS_OUTPUTS && (active | ended | cut_trains) & bit) return REASON_BUSY;
    uint8_t shape = shape_refusal(pulse);
    if (shape) return shape;
    struct channel *channel = &channels[pulse->channel];
    if (quiet) return REASON_QUIET;
    if (has_ended & bit && (int32_t)(start + pulse->delay_slots - channel->last_end - limits.min_interval_slots) < 0)
        return REASON_INTERVAL;
    if (pulses + pulse->count > limits.max_pulses) return REASON_COUNT;
    if (channel->used + most_high(pulse) > allowed_slots) return REASON_DUTY;
    if (edges_under_way() + edges_per_s(pulse) > CEILING_EDGES_PER_S) return REASON_BUSY;
    return REASON_NONE;
}
