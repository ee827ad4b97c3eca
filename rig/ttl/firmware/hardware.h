/* The hardware that the firmware is compiled for: another target has its own header of the same functions. */
#pragma once
#if defined(__AVR_ATmega328P__)
#include "hardware_atmega328p.h"
#else
#error "no hardware header for this processor"
#endif
