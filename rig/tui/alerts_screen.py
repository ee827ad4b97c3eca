"""All alerts that nobody acknowledged, each whole, page by page."""

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType

from rig.tui import help_texts
from rig.tui.alert_lines import page
from rig.tui.alerts import AlertBoard
from rig.tui.foot import COMMON, KeyWords
from rig.tui.page_screen import PageScreen
from rig.tui.palette import Palette

PAIRS = (("x", "acknowledge these"), ("esc", "back"), *COMMON)


class AlertsScreen(PageScreen):
    """Acknowledges what it shows, and nothing else; closes with the last of them.

    `board` gives the alerts as they are now, `now_ns` the time on their clock; `acknowledge` is called with the numbers
    of those that were seen.
    """

    PANEL = "all-alerts"
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
        super().__init__(palette, KeyWords(PAIRS, "stop" if control else "view"))
        self._acknowledge = acknowledge
        self._board = board
        self._now_ns = now_ns
        self._shown: list[int] = []

    def help_text(self) -> str:
        """See Helped."""
        return help_texts.ALERTS

    def draw(self) -> None:
        """Show the oldest that fit."""
        board, (width, height) = self._board(), self.room
        if not height:
            return
        lines, shown = page(board, width, height, self._now_ns())
        self._shown = [alert.number for alert in shown]
        self.show(f"{len(board.open)} alerts, the oldest first; {len(shown)} of them here", lines)

    def action_acknowledge(self) -> None:
        """Acknowledge those that are shown."""
        board = self._board()
        self._acknowledge(self._shown)
        if board.open:
            self.draw()
        else:
            self.dismiss()
