"""After a session: the numbers that matter, plots, paths, and what to do next."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from rig.tui import help_texts
from rig.tui.app import Repaintable
from rig.tui.digest import Digest
from rig.tui.foot import COMMON, KeyWords, keys
from rig.tui.help_screen import Helped
from rig.tui.palette import Palette
from rig.tui.summary_lines import next_steps, numbers, pictures
from rig.tui.widgets import LinesPanel


class SummaryScreen(Screen[str], Repaintable, Helped):
    """Closes with "next", "again" or "list": the next animal, the same session once more, or all sessions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "leave('next')", "next animal"),
        Binding("w", "leave('again')", "watch again"),
        Binding("b", "leave('list')", "sessions"),
        Binding("escape,q,ctrl+c", "leave('list')", "back"),
    ]

    def __init__(self, digest: Digest, palette: Palette) -> None:
        super().__init__()
        self.digest = digest
        self._palette = palette

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

    def repaint(self, palette: Palette) -> None:
        """Change the colours."""
        self._palette = palette
        for panel in self.query(LinesPanel):
            panel.repaint(palette)

    def draw(self) -> None:
        """Fill all panels."""
        subject = str(self.digest.summary.get("subject", ""))
        self.query_one("#top", LinesPanel).show(
            [((" etholoop ", "title"), ("  after the session  ", "text"), (subject, "strong"))]
        )
        left, right = self.query_one("#numbers", LinesPanel), self.query_one("#pictures", LinesPanel)
        left.show(numbers(self.digest, left.size.width - 2)[: left.size.height])
        right.show(pictures(self.digest, right.size.width - 1, right.size.height))
        self.query_one("#steps", LinesPanel).show(next_steps(self.digest))
        foot = self.query_one("#keys", LinesPanel)
        pairs = (("n", "next animal"), ("w", "watch again"), ("b", "sessions"), *COMMON)
        foot.show([keys(foot.size.width, KeyWords(pairs, badge=""))])

    def action_leave(self, answer: str) -> None:
        """Close with what to do next."""
        self.dismiss(answer)
