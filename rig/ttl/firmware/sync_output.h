/* The sync output: barcodes by themselves (their levels: lines.h), or a strobe for each frame. */
#pragma once
#include "hardware.h"
#include "device_time.h"
#include "frames.h"
#include "lines.h"
#include "stimulus_limits.h"

/* 32-bit xorshift (Marsaglia 2003). */
static uint32_t barcode_after(uint32_t state) {
    state ^= state << 13;
    state ^= state >> 17;
    return state ^ state << 5;
}

static uint8_t sync_command(void) {
    uint8_t mode = frame.sync.mode;
    if (mode > SYNCMODE_STROBE || (mode == SYNCMODE_BARCODE && !frame.sync.seed)) return REASON_SYNC_MODE;
    uint32_t first = barcode_after(frame.sync.seed);
    enter_gap();
    cut(SYNC_BIT, REASON_REQUESTED);
    interrupts_breathe();
    enter_gap();
    if (!armed && !sync_mode) beat();
    sync_mode = mode;
    sync_step = 0;
    next_barcode = first;
    lines[SYNC_OUTPUT] = (struct line){0, 0, SLOTS(STROBE_US), 0};
    if (mode == SYNCMODE_BARCODE) add_rise(SYNC_OUTPUT, soonest_slot());
    sei();
    return REASON_NONE;
}

static uint8_t strobe_command(struct wire_time *effect) {
    uint32_t start = 0;
    uint8_t refusal = REASON_NONE;
    enter_gap();
    start = soonest_slot();
    if (sync_mode != SYNCMODE_STROBE) {
        refusal = REASON_SYNC_MODE;
    } else if (active & SYNC_BIT) {
        refusal = REASON_BUSY;
    } else {
        lines[SYNC_OUTPUT].left = 1;
        add_rise(SYNC_OUTPUT, start);
    }
    sei();
    if (!refusal) *effect = time_in_slot(start, RISE_TICKS);
    return refusal;
}
