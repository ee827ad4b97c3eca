"""Small plots as lines of text: columns in half-block eighths, curves in braille."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rig.tui.lines import HEIGHTS, Line, bar, fit, number

_BRAILLE_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def columns(values: Sequence[float], height: int, role: str) -> list[Line]:
    """A column for each value, the largest `height` lines high."""
    top = max(values, default=0.0)
    eighths = [round(value / top * height * 8) if top > 0 else 0 for value in values]
    return [
        (("".join(HEIGHTS[min(8, max(0, e - row * 8))] for e in eighths), role),) for row in range(height - 1, -1, -1)
    ]


def binned(values: NDArray[np.float64], low: float, high: float, bins: int) -> list[float]:
    """How many values fall into each of `bins` equal parts of low ... high; what lies outside counts in the last."""
    if high <= low:
        return [0.0] * bins
    place = np.clip(((values - low) / (high - low) * bins).astype(int), 0, bins - 1)
    counts: list[float] = np.bincount(place, minlength=bins).astype(float).tolist()
    return counts


def curve(
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    span: tuple[float, float],
    size: tuple[int, int],
    top: float,
) -> list[str]:
    """A step curve through (times, values) from 0 to `top` over `span`, in braille of `size` (width, height) cells."""
    width, height = size
    dots = np.zeros((height * 4, width * 2), bool)
    grid = np.linspace(span[0], span[1], width * 2)
    place = np.searchsorted(times, grid, "right") - 1
    shown = np.where(place >= 0, values[np.maximum(place, 0)] if len(values) else 0.0, 0.0)
    rows = np.clip(np.rint((1 - shown / max(top, 1e-9)) * (height * 4 - 1)), 0, height * 4 - 1).astype(int)
    for column, row in enumerate(rows):
        before = rows[column - 1] if column else row
        dots[min(row, before) : max(row, before) + 1, column] = True
    return [
        "".join(chr(0x2800 + _cell(dots[4 * y : 4 * y + 4, 2 * x : 2 * x + 2])) for x in range(width))
        for y in range(height)
    ]


def _cell(block: NDArray[np.bool_]) -> int:
    return sum(_BRAILLE_BITS[y][x] for y in range(4) for x in range(2) if block[y, x])


def overlay(first: list[str], second: list[str]) -> list[Line]:
    """Two braille pictures in one; a cell that both use is drawn in the second's role."""
    lines: list[Line] = []
    for one, two in zip(first, second, strict=True):
        cells = [(chr(ord(a) | ord(b)), "text" if ord(b) > 0x2800 else "pulse") for a, b in zip(one, two, strict=True)]
        lines.append(tuple(cells))
    return lines


def shares(named: Sequence[tuple[str, float]], width: int, role: str = "bar") -> list[Line]:
    """A bar for each named share, scaled to the largest."""
    top = max((value for _, value in named), default=0.0)
    label = min(18, max((len(name) for name, _ in named), default=0))
    return [
        (
            (fit(name, label) + " ", "text"),
            *bar(value / top if top > 0 else 0.0, max(1, width - label - 8), (), role),
            (number(value * 100, 6) + "%", "text"),
        )
        for name, value in named
    ]
