"""While a session prepares: what it says; then its screen, or the reason why it could not start."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from rig.tui import help_texts
from rig.tui.app import Repaintable
from rig.tui.foot import KeyWords, keys
from rig.tui.help_screen import Helped
from rig.tui.lines import Line
from rig.tui.palette import Palette
from rig.tui.session_child import SessionChild
from rig.tui.widgets import LinesPanel

LOOKS_HZ = 5


class StartingScreen(Screen[bool], Repaintable, Helped):
    """Closes with True when the session runs, with False when the person goes back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "back"),
        Binding("ctrl+q,ctrl+c", "back", "back", show=False, priority=True),
    ]

    def __init__(self, child: SessionChild, palette: Palette) -> None:
        super().__init__()
        self.child = child
        self._palette = palette

    def help_text(self) -> str:
        """See Helped."""
        return help_texts.STARTING

    def compose(self) -> ComposeResult:
        """What the session says, and the keys."""
        yield LinesPanel(self._palette, "words")
        yield LinesPanel(self._palette, "keys")

    def on_mount(self) -> None:
        """Read along."""
        self.repaint(self._palette)
        self.set_interval(1 / LOOKS_HZ, self.look)

    def repaint(self, palette: Palette) -> None:
        """Change the colours."""
        self._palette = palette
        for panel in self.query(LinesPanel):
            panel.repaint(palette)

    def look(self) -> None:
        """Show the words; go on when the session runs."""
        if self.child.run_dir is not None:
            self.dismiss(True)
            return
        failed = self.child.exit_code is not None
        heading = "the session could not start" if failed else "the session is starting"
        lines: list[Line] = [((f" {heading}", "bad" if failed else "title"),), ((" ", "text"),)]
        lines += [((f"   {line}", "text"),) for line in self.child.lines()]
        self.query_one("#words", LinesPanel).show(lines)
        pairs = (("esc", "back to set-up"),) if failed else (("esc", "give up"),)
        panel = self.query_one("#keys", LinesPanel)
        panel.show([keys(panel.size.width, KeyWords(pairs, badge=""))])

    def action_back(self) -> None:
        """Back to the set-up; a session that still prepares is ended."""
        self.child.stop()
        self.dismiss(False)
