/* The ATmega328P at 16 MHz (Arduino Uno, Nano): everything that the firmware needs of its hardware.

   A second target supplies the same functions and interrupts: a free-running 16-bit timer of half microseconds with
   two compare units (the edge unit served first), eight outputs, four inputs, a serial port with interrupts, bytes of
   storage that outlive a reset, and a watchdog of at most 30 ms.

   Outputs 0 ... 7 are D2 ... D9, inputs 0 ... 3 are A0 ... A3. D0, D1 (serial port, busy while the boot loader runs)
   and D13 (blinked by it) are never used. Pins float during a reset: each output needs a pull-down of 10 kOhm, the
   interlock input too. */
#pragma once
#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/pgmspace.h>
#include <avr/sleep.h>
#include <avr/wdt.h>
#include <util/atomic.h>

#include "wire.h"

#define BOARD_KIND 1u
#define TICKS_PER_SLOT 200u
#define TICKS_PER_MS 2000u
#define STORAGE_BYTES 1024u

#define EDGE_INTERRUPT ISR(TIMER1_COMPA_vect)
#define TICK_INTERRUPT ISR(TIMER1_COMPB_vect)
#define INPUT_INTERRUPT ISR(PCINT1_vect)
#define CONSTANT PROGMEM
#define read_constant(address) pgm_read_dword(address)

/* Lets in what waits: an instruction passes before that begins, and one between any two. */
static inline void interrupts_breathe(void) { __asm__ volatile("sei\n\tnop\n\tnop\n\tnop\n\tcli" ::: "memory"); }
#define WITH_INTERRUPTS_OFF ATOMIC_BLOCK(ATOMIC_RESTORESTATE)

#define RECEIVE_LENGTH 128u /* powers of two */
#define SEND_LENGTH 256u
static volatile uint8_t received[RECEIVE_LENGTH], sending[SEND_LENGTH];
static volatile uint8_t receive_head, receive_tail, send_head, send_tail;

static uint8_t reset_cause __attribute__((section(".noinit")));

__attribute__((naked, used, section(".init3"))) static void note_reset_cause(void) {
    reset_cause = MCUSR;
    MCUSR = 0;
    wdt_enable(WDTO_15MS);
}

static inline uint16_t timer_now(void) { return TCNT1; }
static inline void set_edge_compare(uint16_t ticks) { OCR1A = ticks; }
static inline uint16_t edge_compare(void) { return OCR1A; }
static inline void timer_begin(void) {
    TIMSK1 = 1 << OCIE1A | 1 << OCIE1B;
    TCCR1B = 1 << CS11;
}
static inline void set_tick_compare(uint16_t ticks) { OCR1B = ticks; }
static inline void watchdog_kick(void) { wdt_reset(); }

/* Outputs by bit: those in `set` go high, those in `clear` low, the others stay. */
static inline void write_outputs(uint8_t set, uint8_t clear) {
    PORTD = (PORTD & (uint8_t)~(clear << 2)) | (uint8_t)(set << 2);
    PORTB = (PORTB & (uint8_t)~(clear >> 6)) | (uint8_t)(set >> 6);
}

static inline uint8_t read_inputs(void) { return PINC & 0x0F; }
static inline void input_interrupt(uint8_t on) { PCMSK1 = on ? 0x0F : 0; }

static inline uint8_t input_interrupt_is_on(void) { return PCMSK1 != 0; }

/* While paused, that an input has changed is remembered. */
static inline void input_pause(uint8_t on) { PCICR = on ? 0 : 1 << PCIE1; }

static inline void hardware_begin(void) {
    write_outputs(0, 0xFF);
    DDRD = 0xFC;
    DDRB = 0x03;
    PORTC = 0x07; /* pull-ups, but none on the interlock: a broken wire must not read as permission */
    PCICR = 1 << PCIE1;
    ACSR = 1 << ACD;
    set_sleep_mode(SLEEP_MODE_IDLE);
}

static inline void serial_begin(void) {
    UCSR0A = 1 << U2X0;
    UBRR0 = F_CPU / 8 / BAUD - 1;
    UCSR0C = 1 << UCSZ01 | 1 << UCSZ00;
    UCSR0B = 1 << RXEN0 | 1 << TXEN0 | 1 << RXCIE0;
}

ISR(USART_RX_vect) {
    uint8_t byte = UDR0, next = (receive_head + 1) & (RECEIVE_LENGTH - 1);
    if (next != receive_tail) {
        received[receive_head] = byte;
        receive_head = next;
    }
}

ISR(USART_UDRE_vect) {
    if (send_tail == send_head) {
        UCSR0B &= (uint8_t)~(1 << UDRIE0);
        return;
    }
    UDR0 = sending[send_tail];
    send_tail = (send_tail + 1) & (SEND_LENGTH - 1);
}

static inline uint8_t serial_waiting(void) { return receive_head != receive_tail; }

static inline uint8_t serial_read(void) {
    uint8_t byte = received[receive_tail];
    receive_tail = (receive_tail + 1) & (RECEIVE_LENGTH - 1);
    return byte;
}

static inline uint8_t serial_space(void) { return (uint8_t)(send_tail - send_head - 1) & (SEND_LENGTH - 1); }

static inline void serial_put(uint8_t byte) {
    sending[send_head] = byte;
    send_head = (send_head + 1) & (SEND_LENGTH - 1);
}

static inline void serial_start(void) {
    WITH_INTERRUPTS_OFF { UCSR0B |= 1 << UDRIE0; }
}

static inline uint8_t storage_ready(void) { return eeprom_is_ready(); }
static inline uint8_t storage_read(uint16_t address) { return eeprom_read_byte((const uint8_t *)address); }

/* Starts to write one byte; call only when ready. */
static inline void storage_write(uint16_t address, uint8_t byte) {
    EEAR = address;
    EEDR = byte;
    WITH_INTERRUPTS_OFF {
        EECR |= 1 << EEMPE;
        EECR |= 1 << EEPE;
    }
}

/* Sleeps until an interrupt, unless `work` is there already; call with interrupts off, returns with them on. */
static inline void sleep_unless(uint8_t work) {
    if (!work) {
        sleep_enable();
        sei();
        sleep_cpu();
        sleep_disable();
    }
    sei();
}
