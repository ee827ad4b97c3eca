/* Inputs: each change is stamped by an interrupt and reported later, as far as there is room. */
#pragma once
#include "hardware.h"
#include "device_time.h"
#include "lines.h"
#include "sending.h"

#define NUM_INPUT_CHANGES 8u
#define REPORTS_AT_ONCE 4u
#define ROOM_FOR_ANSWERS 96u /* bytes: inputs that chatter leave room for an answer, a train's end and a disarming */

static uint16_t input_ticks[NUM_INPUT_CHANGES]; /* of changes, reported long before the timer comes round (32 ms) */
static uint8_t input_levels[NUM_INPUT_CHANGES];
static volatile uint8_t input_head, input_tail;
static uint8_t reported_levels, missed_change;

INPUT_INTERRUPT {
    uint16_t now = timer_now();
    uint8_t head = input_head, next = (head + 1u) % NUM_INPUT_CHANGES;
    input_ticks[head] = now;
    input_levels[head] = read_inputs();
    if (next == input_tail) input_interrupt(0); /* a line that chatters must not keep the board from its work */
    else input_head = next;
    if (serving || (compare_armed && (uint16_t)(edge_compare() + FALL_TICKS - now) < FALL_TICKS + INPUT_TICKS))
        input_pause(1);
}

static uint8_t has_room_for_changes(void) {
    return serial_space() >= ROOM_FOR_ANSWERS + NUM_INPUTS * (sizeof(struct wire_header) +
                                                               sizeof(struct wire_input_changed) + CRC_BYTES);
}

static void report_levels(uint8_t levels, struct wire_time time) {
    uint8_t changed = levels ^ reported_levels;
    if (!changed) return;
    if (!has_room_for_changes()) {
        missed_change = 1;
        note_loss();
        return;
    }
    reported_levels = levels;
    for (uint8_t input = 0, bit = 1; input < NUM_INPUTS; input++, bit <<= 1) {
        struct wire_input_changed event = {time, input, (levels & bit) != 0};
        if (changed & bit) send_event(KIND_INPUT_CHANGED, &event, sizeof event);
    }
}

/* No more at once than that: changes may come as fast as they are reported. */
static void report_inputs(void) {
    for (uint8_t budget = REPORTS_AT_ONCE; budget && input_tail != input_head; budget--) {
        report_levels(input_levels[input_tail], time_of_ticks(input_ticks[input_tail]));
        input_tail = (input_tail + 1u) % NUM_INPUT_CHANGES;
    }
    WITH_INTERRUPTS_OFF { input_pause(0); }
    if (input_tail != input_head) return;
    if (!input_interrupt_is_on()) {
        input_interrupt(1);
        note_loss();
        missed_change = 1;
    }
    if (missed_change && has_room_for_changes()) {
        missed_change = 0;
        report_levels(read_inputs(), time_now()); /* how they are now, whatever was lost on the way */
    }
}
