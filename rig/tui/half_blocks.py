"""Pictures of levels as lines of half blocks: two pixels a cell, runs of equal cells as one segment."""

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from rig.tui.depth_picture import HEADING, NOSE, NUM_CODES, OUTLINE, OUTSIDE, TRAIL, Levels
from rig.tui.palette import DEPTH_LEVELS, Palette, depth_colours

SHADES = " .:-=+*#%@"
_MARK_ROLES = {OUTSIDE: "faint", TRAIL: "good", OUTLINE: "text", HEADING: "target", NOSE: "bad"}
_PLAIN_MARKS = {OUTSIDE: "░", TRAIL: "·", OUTLINE: "+", HEADING: "o", NOSE: "O"}

_ALL_OUTSIDE = OUTSIDE * NUM_CODES + OUTSIDE


class HalfBlockPainter:
    """Paints with one palette; styles of pairs of colours are made when first needed and kept."""

    def __init__(self, palette: Palette) -> None:
        self._plain = palette.plain
        self._styles: dict[int, Style] = {}
        self._background = "default" if palette.plain else palette.background
        self._colours = depth_colours(palette.depth) + [""] * (NUM_CODES - DEPTH_LEVELS)
        for code, role in _MARK_ROLES.items():
            colour = palette.styles[role].color
            self._colours[code] = colour.name if colour is not None else "default"
        self._colours[OUTSIDE] = self._background
        self._text = palette.styles["text"]
        self._faint = palette.styles["faint"]

    def _style(self, pair: int) -> Style:
        style = self._styles.get(pair)
        if style is None:
            style = Style(color=self._colours[pair // NUM_CODES], bgcolor=self._colours[pair % NUM_CODES])
            self._styles[pair] = style
        return style

    def rows(self, levels: Levels) -> NDArray[np.int32]:
        """(lines, columns): one number a cell; equal rows look equal."""
        even = levels[: levels.shape[0] // 2 * 2].astype(np.int32)
        return even[::2] * NUM_CODES + even[1::2]

    def strip(self, row: NDArray[np.int32]) -> Strip:
        """One line of cells."""
        starts = np.flatnonzero(np.r_[True, np.diff(row) != 0])
        lengths = np.diff(np.r_[starts, row.size]).tolist()
        pairs = row[starts].tolist()
        if self._plain:
            return Strip(
                [
                    Segment(self._shade(pair) * n, self._faint if pair == _ALL_OUTSIDE else self._text)
                    for pair, n in zip(pairs, lengths, strict=True)
                ],
                row.size,
            )
        segments = [Segment("▀" * n, self._style(pair)) for pair, n in zip(pairs, lengths, strict=True)]
        return Strip(segments, row.size)

    def _shade(self, pair: int) -> str:
        upper, lower = divmod(pair, NUM_CODES)
        mark = max(upper, lower)
        if mark == OUTSIDE and pair != _ALL_OUTSIDE:
            return " "
        if mark >= DEPTH_LEVELS:
            return _PLAIN_MARKS[mark]
        return SHADES[round((upper + lower) / 2 / (DEPTH_LEVELS - 1) * (len(SHADES) - 1))]

    def legend(self, width: int) -> Strip:
        """A ramp of all levels, one line high."""
        ramp = np.linspace(0, DEPTH_LEVELS - 1, max(1, width)).round().astype(np.int32)
        return self.strip(ramp * NUM_CODES + ramp)
