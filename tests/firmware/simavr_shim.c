/* A simulated ATmega328P with the firmware in it, driven from Python: bytes in at the pace of the wire, every edge of
   every output and every byte sent with the cycle at which it came. Links against libsimavr. */
#include <simavr/avr_eeprom.h>
#include <simavr/avr_extint.h>
#include <simavr/avr_ioport.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CYCLES_PER_BYTE 320u /* 500 kbaud, ten bits, 16 MHz */
#define QUEUE_LENGTH 65536u
enum { PINB = 0x23, DDRB, PORTB, PINC, DDRC, PORTC, PIND, DDRD, PORTD };

struct stamped { uint64_t cycle; uint32_t value; uint32_t level; };

struct simulation {
    avr_t *avr;
    avr_uart_t *uart;
    struct stamped inbox[QUEUE_LENGTH], edges[QUEUE_LENGTH], sent[QUEUE_LENGTH];
    uint32_t in_head, in_tail, num_edges, num_sent, resets, polls_interrupts;
    uint64_t next_byte, line_free;
    uint8_t levels, inputs, wired; /* `wired`: inputs that follow an output */
    uint8_t output_of[4];
};

static void show_inputs(struct simulation *s) {
    avr_ioport_external_t driven = {.name = 'C', .mask = 0x0F, .value = s->inputs}; /* against the pull-ups */
    avr_ioctl(s->avr, AVR_IOCTL_IOPORT_SET_EXTERNAL('C'), &driven);
    for (int i = 0; i < 4; i++)
        avr_raise_irq(avr_io_getirq(s->avr, AVR_IOCTL_IOPORT_GETIRQ('C'), i), s->inputs >> i & 1);
}

static void follow_wires(struct simulation *s) {
    uint8_t inputs = s->inputs;
    for (unsigned i = 0; i < 4; i++)
        if (s->wired >> i & 1) inputs = (uint8_t)((inputs & ~(1u << i)) | (s->levels >> s->output_of[i] & 1) << i);
    if (inputs == s->inputs) return;
    s->inputs = inputs;
    show_inputs(s);
}

static void note_levels(struct simulation *s) {
    const uint8_t *data = s->avr->data;
    uint8_t now = (uint8_t)((data[PORTD] & data[DDRD]) >> 2 | (data[PORTB] & data[DDRB]) << 6);
    for (unsigned output = 0; output < 8; output++)
        if (((now ^ s->levels) >> output & 1) && s->num_edges < QUEUE_LENGTH)
            s->edges[s->num_edges++] = (struct stamped){s->avr->cycle, output, now >> output & 1};
    s->levels = now;
    follow_wires(s);
}

static void on_pins(avr_irq_t *irq, uint32_t value, void *param) {
    (void)irq, (void)value;
    note_levels(param);
}

static void on_byte(avr_irq_t *irq, uint32_t value, void *param) {
    struct simulation *s = param;
    (void)irq;
    uint64_t start = s->line_free > s->avr->cycle ? s->line_free : s->avr->cycle;
    s->line_free = start + CYCLES_PER_BYTE;
    if (s->num_sent < QUEUE_LENGTH) s->sent[s->num_sent++] = (struct stamped){s->line_free, value, 0};
}

static struct simulation *resetting; /* avr_t has no room for a pointer of ours */
static void on_reset(avr_t *avr) {
    avr->data[PINC] = resetting->inputs;
    resetting->resets++;
    note_levels(resetting);
}

static void no_sleep(avr_t *avr, avr_cycle_count_t cycles) { (void)avr, (void)cycles; }
static void no_log(avr_t *avr, const int level, const char *format, va_list list) {
    (void)avr, (void)level, (void)format, (void)list;
}
static avr_cycle_count_t alarm_rings(avr_t *avr, avr_cycle_count_t when, void *param) {
    (void)avr, (void)when, (void)param;
    return 0;
}

struct simulation *simulation_new(const char *elf_path) {
    elf_firmware_t firmware = {0};
    avr_global_logger_set(no_log);
    if (elf_read_firmware(elf_path, &firmware)) return NULL;
    struct simulation *s = calloc(1, sizeof *s);
    s->avr = avr_make_mcu_by_name("atmega328p");
    avr_init(s->avr);
    s->avr->frequency = 16000000;
    avr_load_firmware(s->avr, &firmware);
    s->avr->sleep = no_sleep;
    s->avr->reset = on_reset;
    for (avr_io_t *io = s->avr->io_port; io; io = io->next)
        if (!strcmp(io->kind, "uart")) s->uart = (avr_uart_t *)io;
    uint32_t flags = 0;
    avr_ioctl(s->avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    avr_irq_register_notify(avr_io_getirq(s->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_byte, s);
    for (const char *port = "BD"; *port; port++)
        avr_irq_register_notify(avr_io_getirq(s->avr, AVR_IOCTL_IOPORT_GETIRQ(*port), IOPORT_IRQ_PIN_ALL), on_pins, s);
    s->inputs = 0x0F;
    s->polls_interrupts = 1; /* not what `resets` is */
    show_inputs(s);
    return s;
}

void simulation_free(struct simulation *s) {
    avr_terminate(s->avr);
    free(s->avr);
    free(s);
}

/* Queues bytes whose start bits come one after the other from `cycle` on. */
void simulation_feed(struct simulation *s, const uint8_t *bytes, uint32_t length, uint64_t cycle) {
    for (uint32_t i = 0; i < length; i++) {
        if (cycle < s->next_byte) cycle = s->next_byte;
        s->inbox[s->in_head++ % QUEUE_LENGTH] = (struct stamped){cycle, bytes[i], 0};
        s->next_byte = cycle + CYCLES_PER_BYTE;
    }
}

static void deliver(struct simulation *s) {
    while (s->in_tail != s->in_head && s->inbox[s->in_tail % QUEUE_LENGTH].cycle <= s->avr->cycle) {
        s->uart->cycles_per_byte = CYCLES_PER_BYTE; /* simavr counts a parity bit that is not there */
        avr_raise_irq(avr_io_getirq(s->avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT),
                      s->inbox[s->in_tail++ % QUEUE_LENGTH].value);
    }
}

/* Runs until `cycle`; returns 0, or the state of a processor that ended. */
int simulation_run(struct simulation *s, uint64_t cycle) {
    resetting = s;
    while (s->avr->cycle < cycle) {
        if (s->polls_interrupts != s->resets) { /* each reset has simavr poll two unused interrupts at every cycle */
            for (uint8_t i = 0; i < 2; i++) avr_extint_set_strict_lvl_trig(s->avr, i, 0);
            s->polls_interrupts = s->resets;
        }
        deliver(s);
        uint64_t next = s->in_tail != s->in_head ? s->inbox[s->in_tail % QUEUE_LENGTH].cycle : cycle;
        if (next > cycle) next = cycle;
        if (next > s->avr->cycle) avr_cycle_timer_register(s->avr, next - s->avr->cycle, alarm_rings, s);
        do {
            s->avr->run_cycle_limit = 1000;
            int state = avr_run(s->avr);
            if (state == cpu_Done || state == cpu_Crashed) return state;
        } while (s->avr->cycle < next);
    }
    return 0;
}

/* The level of an input as the outside world sets it. */
void simulation_input(struct simulation *s, uint32_t input, uint32_t level) {
    s->inputs = (uint8_t)((s->inputs & ~(1u << input)) | level << input);
    show_inputs(s);
}

/* Wires an output to an input, from now on. */
void simulation_wire(struct simulation *s, uint32_t output, uint32_t input) {
    s->wired |= (uint8_t)(1u << input);
    s->output_of[input] = (uint8_t)output;
    follow_wires(s);
}

void simulation_reset(struct simulation *s) {
    resetting = s;
    avr_reset(s->avr);
    avr_regbit_set(s->avr, s->avr->reset_flags.extrf);
}

/* A program that has gone astray: an endless loop where it is. */
void simulation_hang(struct simulation *s, int interrupts_on) {
    s->avr->flash[s->avr->pc] = 0xFF;
    s->avr->flash[s->avr->pc + 1] = 0xCF;
    s->avr->sreg[S_I] = interrupts_on != 0;
    s->avr->state = cpu_Running;
}

/* The first bytes of the EEPROM, out or in. */
void simulation_store(struct simulation *s, uint8_t *bytes, uint32_t size, int set) {
    avr_eeprom_desc_t eeprom = {.ee = bytes, .offset = 0, .size = size};
    avr_ioctl(s->avr, set ? AVR_IOCTL_EEPROM_SET : AVR_IOCTL_EEPROM_GET, &eeprom);
}

/* PIN, DDR and PORT of the ports B, C and D. */
void simulation_ports(const struct simulation *s, uint8_t *bytes) { memcpy(bytes, s->avr->data + PINB, 9); }

uint64_t simulation_cycle(const struct simulation *s) { return s->avr->cycle; }
uint32_t simulation_resets(const struct simulation *s) { return s->resets; }

static uint32_t take(struct stamped *from, uint32_t *count, struct stamped *to) {
    uint32_t taken = *count;
    memcpy(to, from, taken * sizeof *from);
    *count = 0;
    return taken;
}

uint32_t simulation_take_edges(struct simulation *s, struct stamped *to) { return take(s->edges, &s->num_edges, to); }
uint32_t simulation_take_sent(struct simulation *s, struct stamped *to) { return take(s->sent, &s->num_sent, to); }
