/* Firmware of an Etholoop board: pulses that a command asked for, within limits, and nothing else.

   Commands are checked in a fixed order, take effect, and are answered with the time; `rig/ttl/emulator.py` does the
   same in Python, and both are held to the same tests. Every line is low unless armed, and the board disarms when the
   host's heartbeat stops, when the interlock opens, and whenever it starts.

   One program in parts: bytes become frames (frames.h), frames commands (commands.h), which are refused (refusals.h,
   stimulus_limits.h, duty.h) or done (trains.h, sync_output.h); lines.h moves the lines, in interrupts; inputs.h and
   sending.h report; store.h is what outlives a reset. All that knows a chip is behind hardware.h. */
#include "hardware.h"
#include "commands.h"
#include "inputs.h"

#define BYTES_AT_ONCE 16u /* a round of the main loop stays well within the watchdog's time, whatever comes at once */

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
        sleep_unless(ticked || serial_waiting() || ended || cut_trains || drop_reason || barcode_started ||
                     input_head != input_tail);
    }
}
