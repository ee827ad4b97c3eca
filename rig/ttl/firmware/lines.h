/* The clock and the lines: everything that happens by itself, in interrupts.

   Time is counted in slots of 100 us. The tick comes once a millisecond, 50 us after a slot, so that it never meets an
   edge; edges lie on slots. Serving an edge first writes the pins from masks made ready before, then lets other
   interrupts in and makes the next masks; meanwhile nothing else touches the lines (`serving`). All eight lines in one
   slot, and again in the next, must be served in time: so the books (high time, ends) are kept by the main loop, from
   what a line has left to do. */
#pragma once
#include "hardware.h"
#include "wire.h"

#ifndef CLOCK_START_MS
#define CLOCK_START_MS 0ull
#endif
#define SLOTS_PER_MS (1000u / SLOT_US)
#define SLOTS_PER_S (1000000ul / SLOT_US)
#define TICK_OFFSET (TICKS_PER_SLOT / 2u)
#define SYNC_BIT (1u << SYNC_OUTPUT)
#define STIMULUS_BITS (SYNC_BIT - 1u)
#define FALL_TICKS 34u /* every fall comes this long after its slot begins, however it is served */
#define RISE_TICKS 40u /* every rise: later than a fall by more than the jitter, so that no pulse is too wide */
#define GAP_TICKS 76u /* longer than any piece of work that is done with interrupts off */
#define INPUT_TICKS 24u
#define NEAR_SLOTS 10000u /* edges nearer than this are compared by the low half of their slot */
#define FORGET_SLOTS (1ul << 22) /* longer than any window */
#define SLOTS(us) ((uint32_t)((us) / SLOT_US))
#define SLOTS_IN(ticks) ((uint16_t)((uint32_t)(ticks) * 5243u >> 16) >> 4) /* ticks / 200, exact below 40000 */
#define LEAST_LEAD 60u /* ticks between choosing an edge's slot and serving it */

/* What a line does next: `left` falls, each `width` slots after its rise and `rest` before the rise that follows.
   After the last fall `next - rest` is its slot. */
struct line {
    uint32_t next, rest;
    uint16_t width, left;
};

/* The books of a channel; `entered`: high time of its train that is in the bins. */
struct channel {
    uint32_t sequence, entered, last_end, used;
    uint16_t count, edges_per_s, bins[NUM_DUTY_BINS + 1u];
};

static struct line lines[NUM_STIMULUS_OUTPUTS + 1u];
static struct channel channels[NUM_STIMULUS_OUTPUTS];
/* Bits by output. `wide`, `sparse`: the next edge after a rise, after a fall, is far. */
static volatile uint8_t active, near, wide, sparse, rising, high, ended, cut_trains, cut_high;
static uint8_t newest_bin, has_ended, light_recent = 1;

static uint32_t clock_low_us = (uint32_t)(CLOCK_START_MS * 1000u);
static uint32_t clock_high_us = (uint32_t)(CLOCK_START_MS * 1000u >> 32);
static uint32_t tick_slot = (uint32_t)(CLOCK_START_MS * SLOTS_PER_MS);
static uint16_t tick_ticks; /* the timer at `tick_slot` */
static volatile uint8_t ticked;

static uint32_t due_slot;
static volatile uint8_t due_mask, due_set, due_clear, compare_armed, serving, tick_owed, look_owed;

static volatile uint8_t armed, sync_mode, beat_left_ms, interlock, drop_reason, cut_reason;
static volatile uint8_t quiet = 1;
static uint32_t cut_slot, drop_slot, quiet_until, light_end = (uint32_t)(CLOCK_START_MS * SLOTS_PER_MS);

static volatile uint8_t sync_step, sync_owed, barcode_started;
static uint32_t sync_bits, next_barcode, barcode_slot, barcode_shown;

static inline uint8_t interlock_open(void) { return interlock && !(read_inputs() & (1u << INTERLOCK_INPUT)); }

/* Has the edge unit fire at `due_slot`, once that is near; the tick calls again. */
static void arm_compare(void) {
    int32_t ahead = (int32_t)(due_slot - tick_slot);
    compare_armed = due_mask && ahead < 3 * (int32_t)SLOTS_PER_MS;
    if (compare_armed) set_edge_compare(tick_ticks + (uint16_t)ahead * TICKS_PER_SLOT);
}

#define LOOK_AT(output)                                                  \
    if (wanted & 1u << (output)) {                                       \
        uint16_t slot = (uint16_t)lines[output].next;                    \
        if (slot == first) mask |= 1u << (output);                       \
        else if ((int16_t)(slot - first) < 0) first = slot, mask = 1u << (output); \
    }

/* Makes the masks of the next edges ready, none of which lies before `now`; call with interrupts off, or `serving`:
   returns with them off. */
static void find_next_edges(uint16_t now) {
    uint8_t mask = 0, wanted = active & near;
    uint16_t first = now + 3u * NEAR_SLOTS;
    LOOK_AT(0) LOOK_AT(1) LOOK_AT(2) LOOK_AT(3) LOOK_AT(4) LOOK_AT(5) LOOK_AT(6) LOOK_AT(7)
    cli();
    due_slot = mask ? tick_slot + (uint32_t)(int16_t)(first - (uint16_t)tick_slot) : tick_slot;
    due_mask = mask;
    due_set = mask & rising;
    due_clear = mask & (uint8_t)~rising;
    arm_compare();
}

#define STEP(output)                                             \
    if (set & 1u << (output)) {                                  \
        lines[output].next += lines[output].width;               \
    } else if (clear & 1u << (output)) {                         \
        lines[output].next += lines[output].rest;                \
        if (--lines[output].left == 0) done |= 1u << (output);   \
    }

/* What the lines that have just changed do next; a barcode's next level is found by the tick. */
static void step_lines(void) {
    uint8_t set = due_set, clear = due_clear, done = 0;
    if (sync_mode == SYNCMODE_BARCODE && (set | clear) & SYNC_BIT) {
        sync_owed = 1;
        done = SYNC_BIT;
        set &= STIMULUS_BITS;
        clear &= STIMULUS_BITS;
    }
    STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7)
    high = (high | set) & (uint8_t)~clear;
    rising = (rising & (uint8_t)~set) | clear;
    near &= (uint8_t)~((set & wide) | (clear & sparse));
    active &= (uint8_t)~done;
    ended |= done & STIMULUS_BITS;
}

/* The levels after the first edge of a barcode, by step: mark, bits, mark. Step 0 is the first edge itself. */
static void step_sync(void) {
    uint32_t *next = &lines[SYNC_OUTPUT].next, wait = SLOTS(BARCODE_BIT_US);
    uint8_t level = 0;
    if (sync_step == 0) {
        barcode_slot = *next;
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
        wait = barcode_slot + SLOTS(BARCODE_PERIOD_US) - *next;
        level = 1;
    }
    sync_step = sync_step > BARCODE_NUM_BITS + 3u ? 0 : sync_step + 1u;
    *next += wait;
    if (level) rising |= SYNC_BIT;
    else rising &= (uint8_t)~SYNC_BIT;
    if (wait < NEAR_SLOTS) near |= SYNC_BIT;
    else near &= (uint8_t)~SYNC_BIT;
    active |= SYNC_BIT;
    sync_owed = 0;
}

static void tick_lines(void);

static inline void wait_until(uint16_t ticks) {
    while ((int16_t)(timer_now() - edge_compare()) < (int16_t)ticks) {
    }
}

/* Serves the edges that are due, and those that come too soon for the compare unit; call with interrupts off. */
static void serve_edges(void) {
    if (serving) return;
    serving = 1;
    while (compare_armed && (int16_t)(edge_compare() - timer_now()) < 4) {
        wait_until(FALL_TICKS);
        if (due_clear) write_outputs(0, due_clear);
        if (due_set) {
            wait_until(RISE_TICKS);
            write_outputs(due_set, 0);
        }
        sei();
        step_lines();
        find_next_edges((uint16_t)due_slot);
    }
    serving = 0;
    input_pause(0);
    if (tick_owed) tick_lines();
}

EDGE_INTERRUPT { serve_edges(); }

static inline uint8_t edge_is_close(void) {
    return compare_armed && (uint16_t)(edge_compare() + FALL_TICKS - timer_now()) < GAP_TICKS;
}

/* Waits until no edge is close, so that a longer piece of work delays none; returns with interrupts off. */
static void enter_gap(void) {
    cli();
    while (edge_is_close()) interrupts_breathe();
}

/* Begins the pulses of a line; call with interrupts off, as the last thing before they are on again. */
static void add_rise(uint8_t output, uint32_t slot) {
    uint8_t bit = 1u << output;
    lines[output].next = slot;
    active |= bit;
    rising |= bit;
    if (slot - tick_slot >= NEAR_SLOTS) {
        near &= (uint8_t)~bit;
        return;
    }
    near |= bit;
    if (due_mask && (int32_t)(slot - due_slot) > 0) return;
    if (!due_mask || slot != due_slot) due_mask = due_set = due_clear = 0;
    due_slot = slot;
    due_mask |= bit;
    due_set |= bit;
    arm_compare();
    serve_edges();
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
        cut_high |= high & trains;
        cut_trains |= trains;
        cut_reason = reason;
        cut_slot = slot_now() + 1u;
    }
    active &= (uint8_t)~mask;
    high &= (uint8_t)~mask;
    if (mask & SYNC_BIT) sync_owed = 0;
    find_next_edges((uint16_t)tick_slot);
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

/* Edges that were far are near in time: one output is looked at each millisecond. Call with interrupts off. */
static void look_ahead(void) {
    static uint8_t output;
    look_owed = 0;
    uint8_t bit = 1u << output;
    uint8_t found = active & bit && !(near & bit) && lines[output].next - tick_slot < NEAR_SLOTS;
    if (found) near |= bit;
    output = output == SYNC_OUTPUT ? 0 : output + 1u;
    if (sync_owed) step_sync();
    else if (!found) return;
    find_next_edges((uint16_t)tick_slot);
}

static void tick_lines(void) {
    tick_owed = 0;
    if (armed || sync_mode) {
        if (--beat_left_ms == 0) drop_everything(REASON_HEARTBEAT_LOST);
    }
    if (armed && interlock_open()) drop(STIMULUS_BITS, REASON_INTERLOCK);
    if (quiet && (int32_t)(tick_slot - quiet_until) >= 0) quiet = 0;
    if (edge_is_close()) look_owed = 1;
    else look_ahead();
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
