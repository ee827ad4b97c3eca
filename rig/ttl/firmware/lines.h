/* The clock and the lines: everything that happens by itself, in interrupts.

   Time is counted in slots of 100 us. The tick comes once a millisecond, 50 us after a slot, so that it never meets an
   edge; edges lie on slots. Serving an edge first writes the pins from masks made ready before, then lets other
   interrupts in and makes the next masks; meanwhile nothing else touches the lines (`serving`). */
#pragma once

#ifndef CLOCK_START_MS
#define CLOCK_START_MS 0ull
#endif
#define SLOTS_PER_MS (1000u / SLOT_US)
#define SLOTS_PER_S (1000000ul / SLOT_US)
#define TICK_OFFSET (TICKS_PER_SLOT / 2u)
#define SYNC_BIT (1u << SYNC_OUTPUT)
#define STIMULUS_BITS (SYNC_BIT - 1u)
#define ENTRY_TICKS 13u /* every edge comes this long after its slot begins, however it is served */
#define GAP_TICKS 60u
#define NEAR_SLOTS 10000u /* edges nearer than this are compared by the low half of their slot */
#define FORGET_SLOTS (1ul << 22) /* longer than any window */
#define SLOTS(us) ((uint32_t)((us) / SLOT_US))
#define SLOTS_IN(ticks) ((uint16_t)((uint32_t)(ticks) * 5243u >> 16) >> 4) /* ticks / 200, exact below 40000 */
#define LEAST_LEAD 60u /* ticks between choosing an edge's slot and serving it */

struct channel {
    uint32_t sequence, width, period, rise, since, last_end, used;
    uint16_t count, begun, edges_per_s, bins[NUM_DUTY_BINS + 1u];
};

static struct channel channels[NUM_STIMULUS_OUTPUTS];
static uint32_t next_slot[NUM_STIMULUS_OUTPUTS + 1u];
static uint16_t near_slot[NUM_STIMULUS_OUTPUTS + 1u];
static volatile uint8_t active, near, rising, high, ended, has_ended, cut_trains, cut_high; /* bits by output */
static uint8_t newest_bin;

static uint32_t clock_low_us = (uint32_t)(CLOCK_START_MS * 1000u);
static uint32_t clock_high_us = (uint32_t)(CLOCK_START_MS * 1000u >> 32);
static uint32_t tick_slot = (uint32_t)(CLOCK_START_MS * SLOTS_PER_MS);
static uint16_t tick_ticks; /* the timer at `tick_slot` */
static volatile uint8_t ticked;

static uint32_t due_slot;
static volatile uint8_t due_mask, due_set, due_clear, compare_armed, serving, tick_owed;

static volatile uint8_t armed, sync_mode, beat_left_ms, interlock, drop_reason, cut_reason;
static volatile uint8_t quiet = 1, light_recent = 1;
static uint32_t cut_slot, drop_slot, quiet_until, light_end = (uint32_t)(CLOCK_START_MS * SLOTS_PER_MS);

static volatile uint8_t sync_step, barcode_started;
static uint32_t sync_bits, next_barcode, barcode_slot, barcode_shown;

static inline uint8_t interlock_open(void) { return interlock && !(read_inputs() & (1u << INTERLOCK_INPUT)); }

static void enter_high_time(struct channel *channel, uint32_t until) {
    channel->bins[newest_bin] += (uint16_t)(until - channel->since);
    channel->used += until - channel->since;
    channel->since = until;
}

static void end_pulse(struct channel *channel, uint8_t bit, uint32_t slot) {
    enter_high_time(channel, slot);
    channel->last_end = light_end = slot;
    has_ended |= bit;
    light_recent = 1;
}

/* Has the edge unit fire at `due_slot`, once that is near; the tick calls again. */
static void arm_compare(void) {
    int32_t ahead = (int32_t)(due_slot - tick_slot);
    compare_armed = due_mask && ahead < 3 * (int32_t)SLOTS_PER_MS;
    if (compare_armed) set_edge_compare(tick_ticks + (uint16_t)ahead * TICKS_PER_SLOT);
}

static void set_next(uint8_t output, uint8_t bit, uint32_t slot) {
    next_slot[output] = slot;
    near_slot[output] = (uint16_t)slot;
    if (slot - due_slot + NEAR_SLOTS < 2u * NEAR_SLOTS) near |= bit;
    else near &= (uint8_t)~bit;
}

/* Makes the masks of the next edges ready; call with interrupts off, or `serving`: returns with them off. */
static void find_next_edges(void) {
    uint8_t mask = 0, wanted = active & near;
    uint16_t first = 0;
    const uint16_t *next = near_slot;
    for (uint8_t bit = 1; wanted; bit <<= 1, next++) {
        if (!(wanted & bit)) continue;
        wanted ^= bit;
        int16_t after = (int16_t)(*next - first);
        if (!mask || after < 0) {
            first = *next;
            mask = bit;
        } else if (after == 0) {
            mask |= bit;
        }
    }
    cli();
    due_slot = mask ? tick_slot + (uint32_t)(int16_t)(first - (uint16_t)tick_slot) : tick_slot;
    due_mask = mask;
    due_set = mask & rising;
    due_clear = mask & (uint8_t)~rising;
    arm_compare();
}

static void step_train(uint8_t output, uint8_t bit) {
    struct channel *channel = &channels[output];
    if (rising & bit) {
        channel->rise = channel->since = due_slot;
        channel->begun++;
        high |= bit;
        rising &= (uint8_t)~bit;
        set_next(output, bit, due_slot + channel->width);
        return;
    }
    high &= (uint8_t)~bit;
    end_pulse(channel, bit, due_slot);
    if (channel->begun == channel->count) {
        active &= (uint8_t)~bit;
        ended |= bit;
    } else {
        rising |= bit;
        set_next(output, bit, channel->rise + channel->period);
    }
}

/* The levels after the first edge of a barcode, by step: mark, bits, mark. Step 0 is the first edge itself. */
static void step_sync(void) {
    uint32_t wait = SLOTS(BARCODE_BIT_US);
    uint8_t level = 0;
    if (sync_mode == SYNCMODE_STROBE) {
        set_next(SYNC_OUTPUT, SYNC_BIT, due_slot + SLOTS(STROBE_US));
        if (!(rising & SYNC_BIT)) active &= (uint8_t)~SYNC_BIT;
        rising &= (uint8_t)~SYNC_BIT;
        return;
    }
    if (sync_step == 0) {
        barcode_slot = due_slot;
        barcode_shown = sync_bits = next_barcode;
        barcode_started = 1;
        wait = SLOTS(BARCODE_MARK_US);
    } else if (sync_step == 1) {
        wait = SLOTS(BARCODE_MARK_US);
        level = sync_bits & 1;
    } else if (sync_step < BARCODE_NUM_BITS + 1u) {
        sync_bits >>= 1;
        level = sync_bits & 1;
    } else if (sync_step == BARCODE_NUM_BITS + 2u) {
        wait = SLOTS(BARCODE_MARK_US);
        level = 1;
    } else if (sync_step == BARCODE_NUM_BITS + 3u) {
        wait = SLOTS(BARCODE_MARK_US);
    } else if (sync_step > BARCODE_NUM_BITS + 3u) {
        set_next(SYNC_OUTPUT, SYNC_BIT, barcode_slot + SLOTS(BARCODE_PERIOD_US));
        rising |= SYNC_BIT;
        sync_step = 0;
        return;
    }
    if (level) rising |= SYNC_BIT;
    else rising &= (uint8_t)~SYNC_BIT;
    set_next(SYNC_OUTPUT, SYNC_BIT, due_slot + wait);
    sync_step++;
}

static void tick_lines(void);

/* Serves the edges that are due, and those that come too soon for the compare unit; call with interrupts off. */
static void serve_edges(void) {
    if (serving) return;
    serving = 1;
    while (compare_armed && (int16_t)(edge_compare() - timer_now()) < 4) {
        while ((int16_t)(timer_now() - edge_compare()) < (int16_t)ENTRY_TICKS) {
        }
        write_outputs(due_set, due_clear);
        sei();
        uint8_t left = due_mask;
        for (uint8_t output = 0, bit = 1; left & STIMULUS_BITS; output++, bit <<= 1) {
            if (left & bit) step_train(output, bit);
            left &= (uint8_t)~bit;
        }
        if (left) step_sync();
        find_next_edges();
    }
    serving = 0;
    if (tick_owed) tick_lines();
}

EDGE_INTERRUPT { serve_edges(); }

/* Waits until no edge is close, so that a longer piece of work with interrupts off delays none. */
static void await_gap(void) {
    uint8_t close = 1;
    while (close)
        WITH_INTERRUPTS_OFF {
            close = compare_armed && (uint16_t)(edge_compare() + ENTRY_TICKS - timer_now()) < GAP_TICKS;
        }
}

/* Adds an edge to those that are due; call with interrupts off, as the last thing before they are on again. */
static void add_edge(uint8_t output, uint32_t slot, uint8_t level) {
    uint8_t bit = 1u << output;
    if (!due_mask) due_slot = tick_slot;
    set_next(output, bit, slot);
    active |= bit;
    if (level) rising |= bit;
    else rising &= (uint8_t)~bit;
    if (!(near & bit)) return;
    if (!due_mask || (int32_t)(slot - due_slot) <= 0) {
        if (!due_mask || slot != due_slot) due_mask = due_set = due_clear = 0;
        due_slot = slot;
        due_mask |= bit;
        if (level) due_set |= bit;
        else due_clear |= bit;
        arm_compare();
        serve_edges();
    }
}

/* The slot under way, and the first for which an edge can be made ready; call both with interrupts off. */
static uint32_t slot_now(void) { return tick_slot + SLOTS_IN((uint16_t)(timer_now() - tick_ticks)); }
static uint32_t soonest_slot(void) {
    return tick_slot + SLOTS_IN((uint16_t)(timer_now() - tick_ticks) + LEAST_LEAD) + 1u;
}

/* Brings the lines in `mask` low at once and forgets what they were to do; `settle_lines` enters it into the books.
   Call with interrupts off. */
static void cut(uint8_t mask, uint8_t reason) {
    write_outputs(0, mask);
    uint8_t trains = active & mask & STIMULUS_BITS;
    if (trains) {
        cut_high |= high & mask;
        cut_trains |= trains;
        cut_reason = reason;
        cut_slot = slot_now() + 1u;
    }
    active &= (uint8_t)~mask;
    high &= (uint8_t)~mask;
    find_next_edges();
}

static void drop(uint8_t mask, uint8_t reason) {
    cut(mask, reason);
    if (!armed) return;
    armed = 0;
    drop_reason = reason;
    drop_slot = slot_now();
}

static void drop_everything(uint8_t reason) {
    sync_mode = SYNCMODE_OFF;
    drop(0xFF, reason);
}

/* Edges that were far are near in time: one output is looked at each millisecond. */
static void look_ahead(void) {
    static uint8_t output;
    uint8_t bit = 1u << output;
    if (active & bit && !(near & bit) && next_slot[output] - tick_slot < NEAR_SLOTS) {
        near |= bit;
        find_next_edges();
    }
    output = output == SYNC_OUTPUT ? 0 : output + 1u;
}

static void tick_lines(void) {
    tick_owed = 0;
    if (armed || sync_mode) {
        if (--beat_left_ms == 0) drop_everything(REASON_HEARTBEAT_LOST);
    }
    if (armed && interlock_open()) drop(STIMULUS_BITS, REASON_INTERLOCK);
    if (quiet && (int32_t)(tick_slot - quiet_until) >= 0) quiet = 0;
    look_ahead();
    if (!compare_armed) arm_compare();
    else serve_edges();
}

TICK_INTERRUPT {
    tick_ticks += TICKS_PER_MS;
    set_tick_compare(tick_ticks + TICKS_PER_MS + TICK_OFFSET);
    tick_slot += SLOTS_PER_MS;
    clock_low_us += 1000u;
    if (clock_low_us < 1000u) clock_high_us++;
    ticked = 1;
    if (serving) tick_owed = 1;
    else tick_lines();
}
