/* Written by rig.ttl.wire_header from the table in rig/ttl/wire.py; change that, not this. Little-endian. */
#pragma once
#include <stdint.h>

#define MAGIC 19687u
#define PROTOCOL_VERSION 2u
#define CRC_BYTES 4u
#define MAX_COMMAND_PAYLOAD 23u
#define MAX_REPLY_PAYLOAD 49u
#define PARTIAL_FRAME_TIMEOUT_US 5000u
#define BAUD 500000ul
#define SLOT_US 100u
#define MIN_WIDTH_US 100u
#define MAX_EXPIRY_US 1000000ul
#define NUM_STIMULUS_OUTPUTS 7u
#define SYNC_OUTPUT 7u
#define NUM_INPUTS 4u
#define INTERLOCK_INPUT 3u
#define NUM_DUTY_BINS 32u
#define DUTY_SCALE 10000u
#define CEILING_WIDTH_US 5000000ul
#define CEILING_DUTY 5000u
#define LEAST_WINDOW_MS 1000u
#define CEILING_WINDOW_MS 100000ul
#define LEAST_HEARTBEAT_MS 10u
#define CEILING_PULSES 100000ul
#define CEILING_HEARTBEAT_MS 50u
#define CEILING_PERIOD_US 60000000ul
#define CEILING_DELAY_US 10000000ul
#define CEILING_EDGES_PER_S 14000u
#define STROBE_US 1000u
#define INTERLOCK_FLAG 128u
#define DEFAULT_WIDTH_US 10000u
#define DEFAULT_DUTY 100u
#define DEFAULT_WINDOW_MS 60000u
#define DEFAULT_INTERVAL_US 1000000ul
#define DEFAULT_PULSES 10u
#define BARCODE_MARK_US 10000u
#define BARCODE_BIT_US 20000u
#define BARCODE_NUM_BITS 32u
#define BARCODE_PERIOD_US 5000000ul

enum { KIND_IDENTIFY = 1, KIND_STATUS = 2, KIND_OPEN_SESSION = 3, KIND_SET_LIMITS = 4, KIND_ARM = 5, KIND_DISARM = 6, KIND_STOP = 7, KIND_HEARTBEAT = 8, KIND_PULSE = 9, KIND_SYNC = 10, KIND_STROBE = 11, KIND_IDENTITY = 65, KIND_STATUS_REPORT = 66, KIND_ACKNOWLEDGEMENT = 67, KIND_INPUT_CHANGED = 81, KIND_TRAIN_ENDED = 82, KIND_DISARMED = 83, KIND_BARCODE = 84 };
enum { OUTCOME_EXECUTED = 0, OUTCOME_REFUSED = 1 };
enum { REASON_NONE = 0, REASON_MALFORMED = 1, REASON_WRONG_SESSION = 2, REASON_STALE_SEQUENCE = 3, REASON_EXPIRED = 4, REASON_NOT_DISARMED = 5, REASON_NOT_ARMED = 6, REASON_CEILING = 7, REASON_INTERLOCK = 8, REASON_CHANNEL = 9, REASON_WIDTH = 10, REASON_GRID = 11, REASON_INTERVAL = 12, REASON_COUNT = 13, REASON_DUTY = 14, REASON_BUSY = 15, REASON_QUIET = 16, REASON_STORING = 17, REASON_DELAY = 18, REASON_PERIOD = 19, REASON_SYNC_MODE = 20, REASON_STOPPED = 32, REASON_HEARTBEAT_LOST = 33, REASON_COMPLETED = 34, REASON_REQUESTED = 35 };
enum { STATE_ARMED = 1, STATE_SYNC = 2, STATE_INTERLOCK_OPEN = 4, STATE_QUIET = 8, STATE_DUPLICATE = 16 };
enum { SYNCMODE_OFF = 0, SYNCMODE_BARCODE = 1, SYNCMODE_STROBE = 2 };
struct wire_time { uint32_t low, high; } __attribute__((packed));
struct wire_header {
    uint16_t magic;
    uint8_t length, kind;
    uint32_t sequence, nonce;
} __attribute__((packed));
struct wire_open_session { uint32_t expires_us; } __attribute__((packed));
struct wire_set_limits { uint32_t expires_us; uint32_t max_width_slots; uint16_t max_duty; uint32_t window_ms; uint32_t min_interval_slots; uint32_t max_pulses; uint8_t heartbeat_and_interlock; } __attribute__((packed));
struct wire_arm { uint32_t expires_us; } __attribute__((packed));
struct wire_heartbeat { uint32_t expires_us; } __attribute__((packed));
struct wire_pulse { uint32_t expires_us; uint8_t channel; uint32_t delay_slots; uint32_t width_slots; uint32_t period_slots; uint16_t count; } __attribute__((packed));
struct wire_sync { uint32_t expires_us; uint8_t mode; uint32_t seed; } __attribute__((packed));
struct wire_strobe { uint32_t expires_us; } __attribute__((packed));
struct wire_identity { struct wire_time time_us; uint8_t protocol; uint8_t firmware_major; uint8_t firmware_minor; uint8_t board; uint8_t num_outputs; uint8_t num_inputs; uint16_t slot_us; uint16_t min_width_slots; uint32_t max_width_slots; uint16_t max_duty; uint32_t window_ms; uint32_t max_pulses; uint8_t heartbeat_ms; } __attribute__((packed));
struct wire_status_report { struct wire_time time_us; uint8_t state; uint8_t reset_cause; uint32_t session; uint32_t last_sequence; uint32_t pulses; uint32_t quiet_ms; uint16_t bad_frames; uint16_t lost_events; uint32_t max_width_slots; uint16_t max_duty; uint32_t window_ms; uint32_t min_interval_slots; uint32_t max_pulses; uint8_t heartbeat_and_interlock; } __attribute__((packed));
struct wire_acknowledgement { struct wire_time time_us; uint8_t command; uint8_t outcome; uint8_t reason; uint8_t state; } __attribute__((packed));
struct wire_input_changed { struct wire_time time_us; uint8_t input; uint8_t level; } __attribute__((packed));
struct wire_train_ended { struct wire_time time_us; uint32_t command_sequence; uint8_t channel; uint16_t pulses; uint8_t reason; } __attribute__((packed));
struct wire_disarmed { struct wire_time time_us; uint8_t reason; } __attribute__((packed));
struct wire_barcode { struct wire_time time_us; uint32_t barcode; } __attribute__((packed));
struct wire_limits { uint32_t max_width_slots; uint16_t max_duty; uint32_t window_ms; uint32_t min_interval_slots; uint32_t max_pulses; uint8_t heartbeat_and_interlock; } __attribute__((packed));

/* Length of a command's payload, 0xFF for what is no command. */
static inline uint8_t command_length(uint8_t kind) {
    switch (kind) {
    case KIND_IDENTIFY: return 0;
    case KIND_STATUS: return 0;
    case KIND_OPEN_SESSION: return 4;
    case KIND_SET_LIMITS: return 23;
    case KIND_ARM: return 4;
    case KIND_DISARM: return 0;
    case KIND_STOP: return 0;
    case KIND_HEARTBEAT: return 4;
    case KIND_PULSE: return 19;
    case KIND_SYNC: return 9;
    case KIND_STROBE: return 4;
    default: return 0xFF;
    }
}

/* True for commands whose payload begins with expires_us. */
static inline uint8_t command_expires(uint8_t kind) {
    switch (kind) {
    case KIND_OPEN_SESSION:
    case KIND_SET_LIMITS:
    case KIND_ARM:
    case KIND_HEARTBEAT:
    case KIND_PULSE:
    case KIND_SYNC:
    case KIND_STROBE:
        return 1;
    default: return 0;
    }
}
