/* Firmware of an Etholoop board: pulses that a command asked for, within limits, and nothing else.

   Commands are checked in a fixed order, take effect, and are answered with the time; `rig/ttl/emulator.py` does the
   same in Python, and both are held to the same tests. Every line is low unless armed, and the board disarms when the
   host's heartbeat stops, when the interlock opens, and whenever it starts. */
#include <string.h>

#include "wire.h"
#include "hardware_atmega328p.h"
#include "crc32.h"
#include "lines.h"

#define FIRMWARE_MAJOR 1u
#define FIRMWARE_MINOR 1u
#define NUM_REMEMBERED 8u
#define NUM_INPUT_CHANGES 8u
#define BYTES_AT_ONCE 64u
#define STORE_PATIENCE_MS 500u
#define ROOM_FOR_ANSWERS 96u /* bytes: inputs that chatter leave room for an answer, a train's end and a disarming */

struct record {
    uint32_t serial, session, pulses;
    struct wire_limits limits;
    uint32_t crc;
} __attribute__((packed));
#define NUM_RECORDS (STORAGE_BYTES / sizeof(struct record))

struct answer {
    uint32_t sequence;
    struct wire_acknowledgement content;
};

static struct wire_limits limits;
static uint32_t window_slots, allowed_slots, bin_slots, bin_end;
static uint32_t session, stored_session, last_sequence, pulses;
static struct answer remembered[NUM_REMEMBERED];
static uint8_t next_remembered;
static uint32_t event_sequence;
static uint16_t bad_frames, lost_events;

static struct record saved, writing;
static uint8_t write_left, record_slot;
static uint16_t arming_ms;

static uint16_t input_ticks[NUM_INPUT_CHANGES]; /* of changes, reported long before the timer comes round (32 ms) */
static uint8_t input_levels[NUM_INPUT_CHANGES];
static volatile uint8_t input_head, input_tail;
static uint8_t reported_levels, missed_change;

static union {
    uint8_t bytes[sizeof(struct wire_header) + MAX_COMMAND_PAYLOAD + CRC_BYTES];
    struct {
        struct wire_header header;
        union {
            uint32_t expires_us;
            struct wire_set_limits set_limits;
            struct wire_pulse pulse;
            struct wire_sync sync;
        };
    } __attribute__((packed));
} frame;
static uint8_t held, checked, byte_age_ms; /* bytes in `frame`, and how many of them may begin one */
static uint32_t frame_crc;

static uint32_t crc_of(const void *data, uint8_t length) {
    uint32_t crc = 0xFFFFFFFFul;
    for (const uint8_t *byte = data; length; length--) crc = crc_step(crc, *byte++);
    return ~crc;
}

static struct wire_time time_now(void) {
    struct wire_time now;
    WITH_INTERRUPTS_OFF {
        uint16_t since_us = (uint16_t)(timer_now() - tick_ticks) / 2u;
        now.low = clock_low_us + since_us;
        now.high = clock_high_us + (now.low < since_us);
    }
    return now;
}

/* `ticks` after the beginning of a slot. */
static struct wire_time time_in_slot(uint32_t slot, uint8_t ticks) {
    struct wire_time tick;
    uint32_t at_tick = 0;
    WITH_INTERRUPTS_OFF {
        tick = (struct wire_time){clock_low_us, clock_high_us};
        at_tick = tick_slot;
    }
    int32_t ahead_us = (int32_t)(slot - at_tick) * (int32_t)SLOT_US + ticks / 2u;
    struct wire_time time = {tick.low + (uint32_t)ahead_us, tick.high};
    time.high += ahead_us >= 0 ? time.low < tick.low : -(uint32_t)(time.low > tick.low);
    return time;
}

static void note_loss(void) {
    if (lost_events < 0xFFFFu) lost_events++;
}

static void send(uint8_t kind, uint32_t sequence, uint32_t nonce, const void *payload, uint8_t length) {
    struct wire_header header = {MAGIC, length, kind, sequence, nonce};
    if (serial_space() < sizeof header + length + CRC_BYTES) {
        note_loss();
        return;
    }
    uint32_t crc = 0xFFFFFFFFul;
    for (uint8_t i = 0; i < sizeof header; i++) {
        crc = crc_step(crc, ((const uint8_t *)&header)[i]);
        serial_put(((const uint8_t *)&header)[i]);
    }
    serial_start();
    for (uint8_t i = 0; i < length; i++) {
        crc = crc_step(crc, ((const uint8_t *)payload)[i]);
        serial_put(((const uint8_t *)payload)[i]);
    }
    crc = ~crc;
    for (uint8_t i = 0; i < CRC_BYTES; i++, crc >>= 8) serial_put((uint8_t)crc);
    serial_start();
}

static void send_event(uint8_t kind, const void *payload, uint8_t length) {
    if (session) send(kind, ++event_sequence, session, payload, length);
}

static uint8_t state_byte(void) {
    return (armed ? STATE_ARMED : 0) | (sync_mode ? STATE_SYNC : 0) | (interlock_open() ? STATE_INTERLOCK_OPEN : 0) |
           (quiet ? STATE_QUIET : 0);
}

/* ---- what outlives a reset ---- */

/* While armed, the store says that the whole allowance is used; disarming writes what really was. */
static void wanted_record(struct record *record) {
    record->session = stored_session;
    record->pulses = (armed || arming_ms) && pulses < limits.max_pulses ? limits.max_pulses : pulses;
    record->limits = limits;
}

static uint8_t is_saved(const struct record *record) {
    return record->session == saved.session && record->pulses == saved.pulses &&
           !memcmp(&record->limits, &saved.limits, sizeof record->limits);
}

static uint8_t store_is_settled(void) {
    struct record wanted;
    wanted_record(&wanted);
    return !write_left && is_saved(&wanted);
}

static void store_step(void) {
    if (!storage_ready()) return;
    if (write_left) {
        uint8_t at = (uint8_t)(sizeof writing - write_left);
        storage_write(record_slot * sizeof writing + at, ((const uint8_t *)&writing)[at]);
        if (--write_left == 0) saved = writing;
        return;
    }
    wanted_record(&writing);
    if (is_saved(&writing)) return;
    writing.serial = saved.serial + 1u;
    writing.crc = crc_of(&writing, sizeof writing - CRC_BYTES);
    record_slot = (uint8_t)((record_slot + 1u) % NUM_RECORDS);
    write_left = sizeof writing;
}

static void apply_limits(void) {
    window_slots = limits.window_ms * SLOTS_PER_MS;
    allowed_slots = limits.window_ms * limits.max_duty / (DUTY_SCALE / SLOTS_PER_MS);
    bin_slots = window_slots / NUM_DUTY_BINS + 1u;
    interlock = limits.heartbeat_and_interlock & INTERLOCK_FLAG;
}

static uint8_t limits_fit(const struct wire_limits *wanted) {
    uint8_t heartbeat = wanted->heartbeat_and_interlock & (uint8_t)~INTERLOCK_FLAG;
    return wanted->max_width_slots >= SLOTS(MIN_WIDTH_US) && wanted->max_width_slots <= SLOTS(CEILING_WIDTH_US) &&
           wanted->max_duty <= CEILING_DUTY && wanted->window_ms >= LEAST_WINDOW_MS &&
           wanted->window_ms <= CEILING_WINDOW_MS && wanted->min_interval_slots >= SLOTS(MIN_WIDTH_US) &&
           wanted->min_interval_slots <= wanted->window_ms * SLOTS_PER_MS && wanted->max_pulses <= CEILING_PULSES &&
           heartbeat >= LEAST_HEARTBEAT_MS && heartbeat <= CEILING_HEARTBEAT_MS;
}

static void load_store(void) {
    limits = (struct wire_limits){SLOTS(DEFAULT_WIDTH_US), DEFAULT_DUTY, DEFAULT_WINDOW_MS, SLOTS(DEFAULT_INTERVAL_US),
                                  DEFAULT_PULSES, CEILING_HEARTBEAT_MS};
    for (uint8_t slot = 0; slot < NUM_RECORDS; slot++) {
        watchdog_kick();
        for (uint8_t i = 0; i < sizeof writing; i++)
            ((uint8_t *)&writing)[i] = storage_read(slot * sizeof writing + i);
        if (writing.crc != crc_of(&writing, sizeof writing - CRC_BYTES) || writing.serial <= saved.serial) continue;
        if (!limits_fit(&writing.limits)) continue; /* of a firmware with other ceilings */
        saved = writing;
        record_slot = slot;
    }
    if (saved.serial) {
        limits = saved.limits;
        stored_session = saved.session;
        pulses = saved.pulses;
    }
    apply_limits();
    quiet_until = tick_slot + window_slots;
    bin_end = tick_slot + bin_slots;
}

/* ---- limits ---- */

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

/* ---- commands ---- */

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

static void beat(void) { beat_left_ms = limits.heartbeat_and_interlock & (uint8_t)~INTERLOCK_FLAG; }

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

/* ---- answers ---- */

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

/* ---- frames ---- */

enum { REJECTED, ACCEPTED, COMPLETE };

/* Looks at the next byte of `frame`. */
static uint8_t check_byte(void) {
    uint8_t at = checked++, byte = frame.bytes[at];
    if (at == 0) frame_crc = 0xFFFFFFFFul;
    if (at == 0 && byte != (MAGIC & 0xFF)) return REJECTED;
    if (at == 1 && byte != MAGIC >> 8) return REJECTED;
    if (at == 2 && byte > MAX_COMMAND_PAYLOAD) return REJECTED;
    if (at < sizeof(struct wire_header) || at < sizeof(struct wire_header) + frame.header.length) {
        frame_crc = crc_step(frame_crc, byte);
        return ACCEPTED;
    }
    if (checked < sizeof(struct wire_header) + frame.header.length + CRC_BYTES) return ACCEPTED;
    uint32_t crc;
    memcpy(&crc, &frame.bytes[checked - CRC_BYTES], CRC_BYTES);
    if (crc == ~frame_crc) return COMPLETE;
    if (bad_frames < 0xFFFFu) bad_frames++;
    return REJECTED;
}

static void forget_bytes(uint8_t count) {
    held -= count;
    memmove(frame.bytes, frame.bytes + count, held);
    checked = 0;
}

/* Looks at what is held; where it cannot be a frame, looks for one that begins later in it. */
static void scan(void) {
    while (checked < held) {
        uint8_t verdict = check_byte();
        if (verdict == COMPLETE) execute();
        if (verdict != ACCEPTED) forget_bytes(verdict == COMPLETE ? checked : 1);
    }
}

static void feed(uint8_t byte) {
    frame.bytes[held++] = byte;
    scan();
}

/* The rest of what is held will not come any more: there may be a whole frame behind its first byte. */
static void give_up_frame(void) {
    while (held) {
        forget_bytes(1);
        scan();
    }
}

/* ---- reports and the main loop ---- */

INPUT_INTERRUPT {
    uint16_t now = timer_now();
    uint8_t head = input_head, next = (head + 1u) % NUM_INPUT_CHANGES;
    input_ticks[head] = now;
    input_levels[head] = read_inputs();
    if (next == input_tail) input_interrupt(0); /* a line that chatters must not keep the board from its work */
    else input_head = next;
    if (serving || (compare_armed && (uint16_t)(edge_compare() + FALL_TICKS - now) < FALL_TICKS + INPUT_TICKS)) input_pause(1);
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

/* No more at once than there was room for: changes may come as fast as they are reported. */
static void report_inputs(void) {
    for (uint8_t budget = NUM_INPUT_CHANGES; budget && input_tail != input_head; budget--) {
        struct wire_time now = time_now();
        uint32_t low_us = now.low - (uint16_t)(timer_now() - input_ticks[input_tail]) / 2u;
        report_levels(input_levels[input_tail], (struct wire_time){low_us, now.high - (low_us > now.low)});
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

static void report_lines(void) {
    settle_lines();
    if (drop_reason) {
        struct wire_disarmed event = {time_in_slot(drop_slot, 0), drop_reason};
        drop_reason = 0;
        send_event(KIND_DISARMED, &event, sizeof event);
    }
    if (barcode_started) {
        struct wire_barcode event = {time_in_slot(barcode_slot, RISE_TICKS), barcode_shown};
        barcode_started = 0;
        next_barcode = barcode_after(barcode_shown);
        send_event(KIND_BARCODE, &event, sizeof event);
    }
}

static void every_millisecond(void) {
    watchdog_kick();
    close_bins();
    if (arming_ms) arming_ms--;
    store_step();
    if (byte_age_ms < 0xFF) byte_age_ms++;
    if (byte_age_ms > PARTIAL_FRAME_TIMEOUT_US / 1000u) give_up_frame();
}

int main(void) {
    hardware_begin();
    load_store();
    set_tick_compare(TICKS_PER_MS + TICK_OFFSET);
    timer_begin();
    serial_begin();
    reported_levels = read_inputs();
    input_interrupt(1);
    sei();
    for (;;) {
        for (uint8_t budget = BYTES_AT_ONCE; budget && serial_waiting(); budget--) {
            byte_age_ms = 0;
            feed(serial_read());
        }
        if (ticked) {
            ticked = 0;
            every_millisecond();
        }
        report_inputs();
        report_lines();
        if (look_owed) {
            enter_gap();
            look_ahead();
            sei();
        }
        cli();
        sleep_unless(ticked || serial_waiting() || ended || cut_trains || drop_reason || barcode_started || input_head != input_tail);
    }
}
