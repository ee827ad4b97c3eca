/* Answers to commands. The last few are remembered, for commands that come again. */
#pragma once
#include "hardware.h"
#include "device_time.h"
#include "frames.h"
#include "lines.h"
#include "sending.h"
#include "stimulus_limits.h"

#define FIRMWARE_MAJOR 1u
#define FIRMWARE_MINOR 2u
#define NUM_REMEMBERED 8u

struct answer {
    uint32_t sequence;
    struct wire_acknowledgement content;
};

static struct answer remembered[NUM_REMEMBERED];
static uint8_t next_remembered;
static uint32_t last_sequence;

static uint8_t state_byte(void) {
    return (armed ? STATE_ARMED : 0) | (sync_mode ? STATE_SYNC : 0) | (interlock_open() ? STATE_INTERLOCK_OPEN : 0) |
           (quiet ? STATE_QUIET : 0);
}

static void answer(uint8_t reason, struct wire_time effect, uint8_t remember) {
    struct wire_acknowledgement content = {effect, frame.header.kind, reason ? OUTCOME_REFUSED : OUTCOME_EXECUTED,
                                           reason, state_byte()};
    if (remember && session && frame.header.nonce == session) {
        remembered[next_remembered] = (struct answer){frame.header.sequence, content};
        next_remembered = (next_remembered + 1u) % NUM_REMEMBERED;
    }
    send(KIND_ACKNOWLEDGEMENT, frame.header.sequence, frame.header.nonce, &content, sizeof content);
}

static void answer_again(void) {
    struct wire_acknowledgement content = {time_now(), frame.header.kind, OUTCOME_REFUSED, REASON_STALE_SEQUENCE,
                                           state_byte()};
    for (uint8_t i = 0; i < NUM_REMEMBERED; i++)
        if (remembered[i].sequence == frame.header.sequence && remembered[i].content.command)
            content = remembered[i].content;
    content.state |= STATE_DUPLICATE;
    send(KIND_ACKNOWLEDGEMENT, frame.header.sequence, frame.header.nonce, &content, sizeof content);
}

static void identify(void) {
    struct wire_identity identity = {
        time_now(), PROTOCOL_VERSION, FIRMWARE_MAJOR, FIRMWARE_MINOR, BOARD_KIND, NUM_STIMULUS_OUTPUTS + 1u,
        NUM_INPUTS, SLOT_US, SLOTS(MIN_WIDTH_US), SLOTS(CEILING_WIDTH_US), CEILING_DUTY, CEILING_WINDOW_MS,
        CEILING_PULSES, CEILING_HEARTBEAT_MS};
    send(KIND_IDENTITY, frame.header.sequence, frame.header.nonce, &identity, sizeof identity);
}

static void report_status(void) {
    struct wire_status_report status = {
        time_now(), state_byte(), reset_cause, session, last_sequence, pulses, 0, bad_frames, lost_events,
        limits.max_width_slots, limits.max_duty, limits.window_ms, limits.min_interval_slots, limits.max_pulses,
        limits.heartbeat_and_interlock};
    WITH_INTERRUPTS_OFF {
        int32_t left = (int32_t)(quiet_until - slot_now());
        if (quiet) status.quiet_ms = left > 0 ? (uint32_t)left / SLOTS_PER_MS + 1u : 1u;
    }
    send(KIND_STATUS_REPORT, frame.header.sequence, frame.header.nonce, &status, sizeof status);
}
