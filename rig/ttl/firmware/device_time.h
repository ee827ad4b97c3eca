/* The device's time in microseconds, now and of a slot. */
#pragma once
#include "hardware.h"
#include "lines.h"
#include "wire.h"

#define OLDEST_TICKS 57000u /* 28.5 ms */

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

/* When the timer was at `ticks`, at most OLDEST_TICKS before the last tick. */
static struct wire_time time_of_ticks(uint16_t ticks) {
    struct wire_time tick;
    uint16_t at_tick = 0;
    WITH_INTERRUPTS_OFF {
        tick = (struct wire_time){clock_low_us, clock_high_us};
        at_tick = tick_ticks;
    }
    uint16_t after_us = (uint16_t)(ticks - at_tick + OLDEST_TICKS) / 2u;
    struct wire_time time = {tick.low + after_us - OLDEST_TICKS / 2u, tick.high};
    time.high += after_us >= OLDEST_TICKS / 2u ? time.low < tick.low : -(uint32_t)(time.low > tick.low);
    return time;
}
