"""After a session: the numbers that matter, plots, paths, and what to do next."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from rig.tui import help_texts
from rig.tui.app import Repaintable
from rig.tui.closing import ClosesOnce
from rig.tui.digest import Digest
from rig.tui.foot import COMMON, KeyWords, keys
from rig.tui.help_screen import Helped
from rig.tui.palette import Palette
from rig.tui.summary_lines import next_steps, numbers, pictures, window
from rig.tui.widgets import LinesPanel


class SummaryScreen(ClosesOnce, Screen[str], Repaintable, Helped):
    """Closes with "next", "again" or "list": the next animal, the same session once more, or all sessions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "leave('next')", "next animal"),
        Binding("w", "leave('again')", "watch again"),
        Binding("b", "leave('list')", "sessions"),
        Binding("up,k", "scroll(-1)", "up", show=False),
        Binding("down,j", "scroll(1)", "down", show=False),
        Binding("pageup", "scroll(-10)", "page up", show=False),
        Binding("pagedown,space", "scroll(10)", "page down", show=False),
        Binding("escape,q,ctrl+c", "leave('list')", "back"),
    ]

    def __init__(self, digest: Digest, palette: Palette) -> None:
        super().__init__()
        self.digest = digest
        self._palette = palette
        self._first = 0

    def help_text(self) -> str:
        """See Helped."""
        return help_texts.SUMMARY

    def compose(self) -> ComposeResult:
        """Numbers at the left, pictures at the right, paths below."""
        yield LinesPanel(self._palette, "top")
        with Horizontal(id="summary"):
            yield LinesPanel(self._palette, "numbers")
            yield LinesPanel(self._palette, "pictures")
        yield LinesPanel(self._palette, "steps")
        yield LinesPanel(self._palette, "keys")

    def on_mount(self) -> None:
        """Draw, now and whenever the size changes."""
        self.repaint(self._palette)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """Fill all panels."""
        subject = str(self.digest.summary.get("subject", ""))
        self.query_one("#top", LinesPanel).show(
            [((" etholoop ", "title"), ("  after the session  ", "text"), (subject, "strong"))]
        )
        left, right = self.query_one("#numbers", LinesPanel), self.query_one("#pictures", LinesPanel)
        lines = numbers(self.digest, left.size.width - 2)
        self._first = max(0, min(self._first, len(lines) - left.size.height))
        left.show(window(lines, self._first, left.size.height))
        right.show(pictures(self.digest, right.size.width - 1, right.size.height))
        self.query_one("#steps", LinesPanel).show(next_steps(self.digest))
        foot = self.query_one("#keys", LinesPanel)
        more = (("↑↓", "more"),) if len(lines) > left.size.height else ()
        pairs = (("n", "next animal"), ("w", "watch again"), ("b", "sessions"), *more, *COMMON)
        foot.show([keys(foot.size.width, KeyWords(pairs, badge=""))])

    def action_scroll(self, lines: int) -> None:
        """Move the numbers, where they do not fit."""
        self._first += lines
        self.draw()

    def action_leave(self, answer: str) -> None:
        """Close with what to do next."""
        self.dismiss(answer)
