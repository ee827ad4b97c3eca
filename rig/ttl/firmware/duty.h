/* How long each channel was high over the sliding window, in bins. */
#pragma once
#include <string.h>

#include "hardware.h"
#include "lines.h"
#include "stimulus_limits.h"

static uint32_t bin_end;

/* Enters what a train was high until a slot; `line` as it was then, `is_high` when it was in a pulse. The last `late`
   slots are of the next bin: that much is left for it, high or not, so that nothing is forgotten too early. */
static void enter_high_time(struct channel *channel, const struct line *line, uint8_t is_high, uint32_t until,
                            uint32_t late) {
    uint32_t total = (uint32_t)(uint16_t)(channel->count - line->left) * line->width;
    if (is_high) total += until - (line->next - line->width);
    uint32_t fresh = total - channel->entered;
    total -= fresh < late ? fresh : late;
    channel->bins[newest_bin] += (uint16_t)(total - channel->entered);
    channel->used += total - channel->entered;
    channel->entered = total;
}

static void enter_train_under_way(uint8_t output, uint8_t bit) {
    struct line line;
    uint32_t now = 0;
    uint8_t is_active = 0, is_high = 0;
    WITH_INTERRUPTS_OFF {
        line = lines[output];
        is_active = active & bit;
        is_high = high & bit;
        now = slot_now();
    }
    if (is_active) enter_high_time(&channels[output], &line, is_high, now, now - bin_end);
}

static void close_bins(void) {
    for (;;) {
        uint32_t now = 0;
        WITH_INTERRUPTS_OFF { now = slot_now(); }
        if ((int32_t)(now - bin_end) < 0) return;
        for (uint8_t output = 0, bit = 1; output < SYNC_OUTPUT; output++, bit <<= 1) enter_train_under_way(output, bit);
        bin_end += bin_slots;
        newest_bin = newest_bin == NUM_DUTY_BINS ? 0 : newest_bin + 1u;
        for (uint8_t output = 0, bit = 1; output < SYNC_OUTPUT; output++, bit <<= 1) {
            struct channel *channel = &channels[output];
            channel->used -= channel->bins[newest_bin];
            channel->bins[newest_bin] = 0;
            if ((int32_t)(now - channel->last_end - FORGET_SLOTS) > 0) has_ended &= (uint8_t)~bit;
        }
        if ((int32_t)(now - light_end - FORGET_SLOTS) > 0) light_recent = 0;
    }
}

/* Forgets the bins: nothing may pulse until the new window has passed since the last light or the reset. */
static void change_window(void) {
    for (uint8_t output = 0; output < SYNC_OUTPUT; output++) {
        channels[output].used = 0;
        memset(channels[output].bins, 0, sizeof channels[output].bins);
    }
    WITH_INTERRUPTS_OFF {
        bin_end = slot_now() + bin_slots;
        quiet_until = light_end + window_slots;
        quiet = light_recent && (int32_t)(quiet_until - slot_now()) > 0;
    }
}
