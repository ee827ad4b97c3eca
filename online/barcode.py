"""The alignment barcode: 32 random bits that a board shows on its sync output and a neural recording sees.

A barcode is a start mark (10 ms high, 10 ms low), 32 bits of 20 ms each, the lowest first, high for one, and an end
mark (10 ms low, 10 ms high). One begins every 5 s; between them the line is low.
"""

from collections.abc import Iterator

MARK_US = 10_000
BIT_US = 20_000
NUM_BITS = 32
PERIOD_US = 5_000_000
_WORD = 0xFFFFFFFF


def segments(barcode: int) -> Iterator[tuple[int, int]]:
    """Levels of a barcode in order, each with its duration in us."""
    yield 1, MARK_US
    yield 0, MARK_US
    for bit in range(NUM_BITS):
        yield barcode >> bit & 1, BIT_US
    yield 0, MARK_US
    yield 1, MARK_US


def next_barcode(state: int) -> int:
    """The barcode after `state` (not zero): 32-bit xorshift with shifts 13, 17, 5 (Marsaglia 2003)."""
    state ^= state << 13 & _WORD
    state ^= state >> 17
    return state ^ (state << 5 & _WORD)
