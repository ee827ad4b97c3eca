"""Widgets that draw lines, and only those lines that changed."""

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from rig.tui.depth_picture import Levels
from rig.tui.half_blocks import HalfBlockPainter
from rig.tui.lines import Line, text_of_line
from rig.tui.palette import Palette


class LinesPanel(Widget):
    """Shows lines of parts with roles."""

    def __init__(self, palette: Palette, id: str) -> None:  # noqa: A002 - textual's own name
        super().__init__(id=id)
        self._palette = palette
        self._lines: list[Line] = []
        self._strips: list[Strip] = []

    def repaint(self, palette: Palette) -> None:
        """Change the colours."""
        self._palette = palette
        lines, self._lines, self._strips = self._lines, [], []
        self.show(lines)
        self.refresh()

    def show(self, lines: list[Line]) -> None:
        """Show these lines from the top."""
        changed = [
            Region(0, y, self.size.width, 1)
            for y in range(max(len(lines), len(self._lines)))
            if y >= len(lines) or y >= len(self._lines) or lines[y] != self._lines[y]
        ]
        if not changed:
            return
        old, old_strips = self._lines, self._strips
        self._strips = [
            old_strips[y] if y < len(old) and old[y] == line else self._strip(line) for y, line in enumerate(lines)
        ]
        self._lines = lines
        self.refresh(*changed)

    def _strip(self, line: Line) -> Strip:
        styles = self._palette.styles
        return Strip([Segment(text, styles[role]) for text, role in line])

    def render_line(self, y: int) -> Strip:
        """One line, padded to the panel's width."""
        blank = self._palette.styles["text"]
        strip = self._strips[y] if y < len(self._strips) else Strip.blank(0, blank)
        return strip.adjust_cell_length(self.size.width, blank)

    def text(self) -> str:
        """What is shown, without colours."""
        return "\n".join(text_of_line(line) for line in self._lines)


class PicturePanel(Widget):
    """Shows a picture of levels in half blocks, centred, with a caption line and a legend under it."""

    def __init__(self, palette: Palette, id: str) -> None:  # noqa: A002 - textual's own name
        super().__init__(id=id)
        self._palette = palette
        self._painter = HalfBlockPainter(palette)
        self._rows: NDArray[np.int32] = np.zeros((0, 0), np.int32)
        self._strips: list[Strip] = []
        self._heading: Line = ()
        self._footing: tuple[str, str] = ("", "")

    @property
    def room(self) -> tuple[int, int]:
        """Rows and columns of pixels that there is room for."""
        return max(2, (self.size.height - 2) * 2), max(2, self.size.width)

    def repaint(self, palette: Palette) -> None:
        """Change the colours."""
        self._palette = palette
        self._painter = HalfBlockPainter(palette)
        self._strips = [self._painter.strip(row) for row in self._rows]
        self.refresh()

    def label(self, heading: Line, low: str, high: str) -> None:
        """Set the line above the picture and the ends of the legend below it."""
        if (heading, (low, high)) != (self._heading, self._footing):
            self._heading, self._footing = heading, (low, high)
            self.refresh()

    def clear(self) -> None:
        """Show no picture."""
        if self._rows.size:
            self._rows, self._strips = np.zeros((0, 0), np.int32), []
            self.refresh()

    def show(self, levels: Levels) -> None:
        """Show a picture."""
        rows = self._painter.rows(levels)
        if rows.shape != self._rows.shape:
            self._rows, self._strips = rows, [self._painter.strip(row) for row in rows]
            self.refresh()
            return
        changed = np.flatnonzero((rows != self._rows).any(1)).tolist()
        for y in changed:
            self._strips[y] = self._painter.strip(rows[y])
        self._rows = rows
        if changed:
            self.refresh(*(Region(0, y + 1, self.size.width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """Heading, picture, legend."""
        styles = self._palette.styles
        width = self.size.width
        blank = styles["text"]
        if y == 0:
            strip = Strip([Segment(text, styles[role]) for text, role in self._heading])
        elif y <= len(self._strips):
            picture = self._strips[y - 1]
            left = max(0, (width - picture.cell_length) // 2)
            strip = Strip([Segment(" " * left, blank), *picture])
        elif y == len(self._strips) + 1 and self._strips:
            strip = self._legend(width)
        else:
            strip = Strip.blank(0, blank)
        return strip.adjust_cell_length(width, blank)

    def _legend(self, width: int) -> Strip:
        low, high = self._footing
        ramp = self._painter.legend(min(24, width - len(low) - len(high) - 2))
        dim = self._palette.styles["dim"]
        left = max(0, (width - ramp.cell_length - len(low) - len(high) - 2) // 2)
        return Strip([Segment(" " * left + low + " ", dim), *ramp, Segment(" " + high, dim)])
