/* What each command does, and whether it is done at all: by its length, whose it is, whether it came before and whether
   it is late. */
#pragma once
#include <string.h>

#include "hardware.h"
#include "answers.h"
#include "device_time.h"
#include "duty.h"
#include "frames.h"
#include "lines.h"
#include "stimulus_limits.h"
#include "store.h"
#include "sync_output.h"
#include "trains.h"

static uint8_t limits_command(void) {
    struct wire_limits wanted;
    memcpy(&wanted, (const uint8_t *)&frame.set_limits + sizeof frame.expires_us, sizeof wanted);
    if (armed || sync_mode) return REASON_NOT_DISARMED;
    if (!limits_fit(&wanted)) return REASON_CEILING;
    uint8_t window_differs = wanted.window_ms != limits.window_ms;
    limits = wanted;
    apply_limits();
    if (window_differs) change_window();
    return REASON_NONE;
}

static uint8_t arm_command(void) {
    if (interlock_open()) return REASON_INTERLOCK;
    if (armed) return REASON_NONE;
    arming_ms = STORE_PATIENCE_MS;
    if (!store_is_settled()) return REASON_STORING;
    WITH_INTERRUPTS_OFF {
        beat();
        armed = 1;
        arming_ms = 0;
    }
    return REASON_NONE;
}

static uint8_t is_late(uint32_t now_low) { return frame.expires_us - now_low > MAX_EXPIRY_US; }

static uint8_t open_command(void) {
    if (is_late(time_now().low)) return REASON_EXPIRED; /* else one of long ago could begin the count anew */
    if (armed || sync_mode) return REASON_NOT_DISARMED;
    if (!frame.header.nonce) return REASON_WRONG_SESSION;
    if (frame.header.nonce != stored_session) pulses = 0;
    session = stored_session = frame.header.nonce;
    last_sequence = frame.header.sequence;
    memset(remembered, 0, sizeof remembered);
    return REASON_NONE;
}

static void note_sequence(void) {
    if (session && frame.header.nonce == session && frame.header.sequence > last_sequence)
        last_sequence = frame.header.sequence;
}

static void execute_once(void) {
    struct wire_time effect = time_now();
    uint8_t reason = REASON_NONE;
    note_sequence();
    if (command_expires(frame.header.kind) && is_late(effect.low)) {
        answer(REASON_EXPIRED, effect, 1);
        return;
    }
    switch (frame.header.kind) {
    case KIND_DISARM:
        enter_gap(); /* the sync output goes on */
        drop(STIMULUS_BITS, REASON_REQUESTED);
        sei();
        break;
    case KIND_PULSE: reason = pulse_command(&effect); break;
    case KIND_HEARTBEAT: beat(); break;
    case KIND_ARM: reason = arm_command(); break;
    case KIND_SET_LIMITS: reason = limits_command(); break;
    case KIND_SYNC: reason = sync_command(); break;
    default: reason = strobe_command(&effect); break;
    }
    answer(reason, effect, 1);
}

static void execute(void) {
    uint8_t kind = frame.header.kind, is_mine = session && frame.header.nonce == session;
    settle_lines();
    if (command_length(kind) != frame.header.length) {
        answer(REASON_MALFORMED, time_now(), 0);
    } else if (kind == KIND_IDENTIFY) {
        identify();
    } else if (kind == KIND_STATUS) {
        report_status();
    } else if (kind == KIND_STOP) {
        WITH_INTERRUPTS_OFF { drop_everything(REASON_STOPPED); }
        note_sequence();
        answer(REASON_NONE, time_now(), 1);
    } else if (kind == KIND_OPEN_SESSION && !(is_mine && frame.header.sequence <= last_sequence)) {
        answer(open_command(), time_now(), 1);
    } else if (!is_mine) {
        answer(REASON_WRONG_SESSION, time_now(), 0);
    } else if (frame.header.sequence <= last_sequence) {
        answer_again();
    } else {
        execute_once();
    }
}
