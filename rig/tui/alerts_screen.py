"""All alerts that nobody acknowledged, each whole, page by page."""

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from rig.tui import help_texts
from rig.tui.alert_lines import page
from rig.tui.alerts import AlertBoard
from rig.tui.app import Repaintable
from rig.tui.closing import ClosesOnce
from rig.tui.foot import COMMON, KeyWords, keys
from rig.tui.help_screen import Helped
from rig.tui.palette import Palette
from rig.tui.widgets import LinesPanel

REDRAWS_HZ = 4
PAIRS = (("x", "acknowledge these"), ("esc", "back"), *COMMON)


class AlertsScreen(ClosesOnce, Screen[None], Repaintable, Helped):
    """Acknowledges what it shows, and nothing else; closes with the last of them.

    `board` gives the alerts as they are now, `now_ns` the time on their clock; `acknowledge` is called with the numbers
    of those that were seen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "acknowledge", "acknowledge these"),
        Binding("escape,q,ctrl+c", "back", "back"),
    ]

    def __init__(
        self,
        board: Callable[[], AlertBoard],
        now_ns: Callable[[], int],
        acknowledge: Callable[[list[int]], None],
        palette: Palette,
        control: bool,
    ) -> None:
        super().__init__()
        self._acknowledge = acknowledge
        self._board = board
        self._now_ns = now_ns
        self._palette = palette
        self._keys = KeyWords(PAIRS, "stop" if control else "view")
        self._shown: list[int] = []

    def help_text(self) -> str:
        """See Helped."""
        return help_texts.ALERTS

    def compose(self) -> ComposeResult:
        """A head, the alerts, and the keys."""
        yield LinesPanel(self._palette, "top")
        yield LinesPanel(self._palette, "all-alerts")
        yield LinesPanel(self._palette, "keys")

    def on_mount(self) -> None:
        """Draw, now and again."""
        self.repaint(self._palette)
        self.set_interval(1 / REDRAWS_HZ, self.draw)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.call_after_refresh(self.draw)

    def draw(self) -> None:
        """Show the oldest that fit."""
        board, panel = self._board(), self.query_one("#all-alerts", LinesPanel)
        if not panel.size.height:
            return
        lines, shown = page(board, panel.size.width, panel.size.height, self._now_ns())
        self._shown = [alert.number for alert in shown]
        panel.show(lines)
        words = f"  {len(board.open)} alerts, the oldest first; {len(shown)} of them here"
        self.query_one("#top", LinesPanel).show([((" etholoop ", "title"), (words, "text"))])
        foot = self.query_one("#keys", LinesPanel)
        foot.show([keys(foot.size.width, self._keys)])

    def action_acknowledge(self) -> None:
        """Acknowledge those that are shown."""
        board = self._board()
        self._acknowledge(self._shown)
        if board.open:
            self.draw()
        else:
            self.dismiss()

    def action_back(self) -> None:
        """Leave them as they are."""
        self.dismiss()
