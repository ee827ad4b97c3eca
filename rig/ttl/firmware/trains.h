/* Trains of pulses: begun by a command, entered and reported when they have ended. */
#pragma once
#include "hardware.h"
#include "device_time.h"
#include "duty.h"
#include "frames.h"
#include "lines.h"
#include "refusals.h"
#include "sending.h"

/* Enters a train that has ended: into the bins, and when its last light was. Returns how many pulses it began. */
static uint16_t enter_end(uint8_t output, uint8_t bit) {
    struct channel *channel = &channels[output];
    const struct line *line = &lines[output];
    uint8_t is_high = cut_high & bit;
    uint16_t begun = channel->count - line->left + (is_high != 0);
    uint32_t end = is_high ? cut_slot : line->next - line->rest;
    if (!begun) return 0;
    enter_high_time(channel, line, is_high, end, 0);
    channel->last_end = end;
    has_ended |= bit;
    if (!light_recent || (int32_t)(end - light_end) > 0) light_end = end;
    light_recent = 1;
    return begun;
}

/* Enters and reports every train that has ended or was cut short. */
static void settle_lines(void) {
    uint8_t done = ended, cut_short = cut_trains;
    if (done | cut_short) close_bins();
    for (uint8_t output = 0, bit = 1; output < SYNC_OUTPUT && (done | cut_short); output++, bit <<= 1) {
        if (!((done | cut_short) & bit)) continue;
        uint16_t begun = enter_end(output, bit);
        uint8_t is_cut = cut_short & bit;
        struct wire_train_ended event = {is_cut ? time_in_slot(cut_slot, 0)
                                                : time_in_slot(channels[output].last_end, FALL_TICKS),
                                         channels[output].sequence, output, begun,
                                         is_cut ? cut_reason : REASON_COMPLETED};
        send_event(KIND_TRAIN_ENDED, &event, sizeof event);
    }
    WITH_INTERRUPTS_OFF {
        ended &= (uint8_t)~done;
        cut_trains &= (uint8_t)~cut_short;
        cut_high &= (uint8_t)~cut_short;
    }
}

static uint8_t pulse_command(struct wire_time *effect) {
    const struct wire_pulse *pulse = &frame.pulse;
    uint32_t start = 0;
    WITH_INTERRUPTS_OFF { start = soonest_slot(); }
    uint8_t refusal = pulse_refusal(pulse, start);
    if (refusal) return refusal;
    struct channel *channel = &channels[pulse->channel];
    uint8_t bit = 1u << pulse->channel;
    channel->sequence = frame.header.sequence;
    channel->count = pulse->count;
    channel->edges_per_s = edges_per_s(pulse);
    channel->entered = 0;
    uint32_t rest = pulse->period_slots - pulse->width_slots;
    lines[pulse->channel] = (struct line){0, rest, (uint16_t)pulse->width_slots, pulse->count};
    enter_gap();
    if (pulse->width_slots < NEAR_SLOTS) wide &= (uint8_t)~bit;
    else wide |= bit;
    if (rest < NEAR_SLOTS) sparse &= (uint8_t)~bit;
    else sparse |= bit;
    start = soonest_slot() + pulse->delay_slots;
    if (armed) add_rise(pulse->channel, start);
    else refusal = REASON_NOT_ARMED;
    sei();
    if (refusal) return refusal;
    pulses += pulse->count;
    *effect = time_in_slot(start, RISE_TICKS);
    return REASON_NONE;
}
