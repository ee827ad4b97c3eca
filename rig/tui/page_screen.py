"""A head, one panel of lines over the whole screen, and the keys: the shape of the log and of the list of alerts."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.screen import Screen

from rig.tui.app import Repaintable
from rig.tui.closing import ClosesOnce
from rig.tui.foot import KeyWords, keys
from rig.tui.help_screen import Helped
from rig.tui.lines import Line
from rig.tui.palette import Palette
from rig.tui.widgets import LinesPanel

REDRAWS_HZ = 4


class PageScreen(ClosesOnce, Screen[None], Repaintable, Helped):
    """Draws again and again; `draw` of a screen says what. `PANEL`: the name of its panel."""

    PANEL: ClassVar[str]

    def __init__(self, palette: Palette, foot: KeyWords) -> None:
        super().__init__()
        self._palette = palette
        self._foot = foot

    def compose(self) -> ComposeResult:
        """A head, the panel, and the keys."""
        for name in ("top", self.PANEL, "keys"):
            yield LinesPanel(self._palette, name)

    def on_mount(self) -> None:
        """Draw, now and again."""
        self.repaint(self._palette)
        self.set_interval(1 / REDRAWS_HZ, self.draw)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """Show what there is now; nothing while the panel has no room."""
        raise NotImplementedError

    @property
    def room(self) -> tuple[int, int]:
        """Cells in a line of the panel, and lines in it; no line before it is laid out."""
        size = self.query_one(f"#{self.PANEL}", LinesPanel).size
        return size.width, size.height

    def show(self, heading: str, lines: list[Line]) -> None:
        """Draw everything."""
        self.query_one(f"#{self.PANEL}", LinesPanel).show(lines)
        self.query_one("#top", LinesPanel).show([((" etholoop ", "title"), (f"  {heading}", "text"))])
        foot = self.query_one("#keys", LinesPanel)
        foot.show([keys(foot.size.width, self._foot)])

    def action_back(self) -> None:
        """Back to the session."""
        self.dismiss()
