"""Lines of a screen as plain values: parts of text with a role each. No textual here, so tests read them as text."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size

Part = tuple[str, str]
Line = tuple[Part, ...]

EIGHTHS = " ▏▎▍▌▋▊▉█"
FAINTEST = 0.15
HEIGHTS = " ▁▂▃▄▅▆▇█"
NO_EVIDENCE = "·"


def width_of(line: Iterable[Part]) -> int:
    """Cells that a line fills."""
    return sum(cell_len(text) for text, _ in line)


def text_of_line(line: Iterable[Part]) -> str:
    """The line without its roles."""
    return "".join(text for text, _ in line)


def fit(text: str, width: int) -> str:
    """Text in exactly `width` cells; what is cut off is shown by an ellipsis."""
    width = max(width, 0)
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…" if width > 1 else set_cell_size(text, width)


def spread(left: Line, right: Line, width: int) -> Line:
    """`left` at the left edge and `right` at the right one; `right` is left out where there is no room."""
    gap = width - width_of(left) - width_of(right)
    return (*left, (" " * gap, "text"), *right) if gap >= 1 else left


def title(text: str, width: int) -> Line:
    """A panel's heading."""
    return ((f"{text} ", "title"), ("─" * max(0, width - cell_len(text) - 1), "faint"))


def bar(value: float, width: int, ticks: Sequence[float] = (), role: str = "bar") -> Line:
    """A bar from 0 to 1 in steps of an eighth of a cell, with thresholds drawn as ticks; empty for a NaN."""
    eighths = 0 if value != value else round(min(max(value, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    cells: list[Part] = [("█", role)] * full
    if full < width:
        cells.append((EIGHTHS[rest], role) if rest else ("·", "faint"))
    cells += [("·", "faint")] * (width - len(cells))
    for tick in ticks if width > 0 else ():
        if tick != tick:
            continue
        place = min(int(tick * width), width - 1)
        covered = place < full
        cells[place] = ("│", f"tick_{role}" if covered else "tick")
    return joined(cells)


def joined(cells: Iterable[Part]) -> Line:
    """Neighbours of one role as one part."""
    parts: list[Part] = []
    for text, role in cells:
        if parts and parts[-1][1] == role:
            parts[-1] = (parts[-1][0] + text, role)
        else:
            parts.append((text, role))
    return tuple(parts)


def history(values: NDArray[np.float32], role: str) -> Line:
    """A row of columns whose heights are values in 0 ... 1; NaN is a dot, or blank before the first value.

    What is below `FAINTEST` is left blank; the highest column leaves a gap to the row above.
    """
    known = np.nan_to_num(values, nan=0.0)
    steps = np.where(known < FAINTEST, 0, np.clip(np.rint(known * 7), 0, 7)).astype(int)
    missing = np.isnan(values)
    missing[: int(np.argmin(missing))] = False
    return joined(
        (NO_EVIDENCE, "faint") if gone else (HEIGHTS[step], role) for step, gone in zip(steps, missing, strict=True)
    )


def sparkline(values: Sequence[float], width: int) -> str:
    """The last values as columns; three quarters of a column is the largest, or twice the median if that is more."""
    shown = list(values)[-width:]
    top = max(max(shown), 2 * sorted(shown)[len(shown) // 2]) * 4 / 3 if shown else 0.0
    return "".join(HEIGHTS[max(1, round(v / top * 8))] if top > 0 else HEIGHTS[1] for v in shown)


def minutes(milliseconds: float) -> str:
    """`12:34`, or `1:02:34` from an hour on."""
    seconds = max(0, int(milliseconds / 1000))
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"


def number(value: float | None, width: int, decimals: int = 1) -> str:
    """A right-aligned number; a dash where it is not known (None or NaN)."""
    return ("-" if value is None or value != value else f"{value:.{decimals}f}").rjust(width)
