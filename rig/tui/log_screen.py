"""The whole log of a session, the newest first, page by page."""

from typing import ClassVar, Literal

from textual.binding import Binding, BindingType

from rig.tui import help_texts
from rig.tui.foot import COMMON, KeyWords
from rig.tui.log_lines import log_page
from rig.tui.page_screen import PageScreen
from rig.tui.palette import Palette
from rig.tui.session_log import LogEntry
from rig.tui.session_view import SessionView

PAIRS = (("↑↓", "line"), ("pgup/dn", "page"), ("home", "newest"), ("t", "trials"), ("esc", "back"), *COMMON)


class LogScreen(PageScreen):
    """Follows the newest entry; once moved, stays where it is while new ones come."""

    PANEL = "whole-log"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "newer"),
        Binding("down", "move(1)", "older"),
        Binding("pageup", "turn(-1)", "a page newer"),
        Binding("pagedown,space", "turn(1)", "a page older"),
        Binding("home", "newest", "the newest"),
        Binding("end", "oldest", "the oldest"),
        Binding("t", "toggle_trials", "with or without trials"),
        Binding("escape,l,q,ctrl+c", "back", "back"),
    ]

    def __init__(self, view: SessionView, palette: Palette, badge: Literal["stop", "view", ""]) -> None:
        super().__init__(palette, KeyWords(PAIRS, badge))
        self._view = view
        self._top: LogEntry | None = None
        self._trials = True
        self._num_shown = 1

    def help_text(self) -> str:
        """See Helped."""
        return help_texts.LOG

    def _entries(self) -> tuple[list[LogEntry], int]:
        """All entries, and the place of the uppermost one; the newest, where that one is gone."""
        entries = self._view.log.newest(trials=self._trials)
        if self._top is None:
            return entries, 0
        top_ns = self._top.time_ns
        return entries, next((i for i, e in enumerate(entries) if e is self._top or e.time_ns < top_ns), 0)

    def draw(self) -> None:
        """Show what fits, from the uppermost entry."""
        width, height = self.room
        if not height:
            return
        entries, first = self._entries()
        lines, self._num_shown = log_page(self._view, entries[first:], width, height)
        which = f"{first + 1}-{first + self._num_shown} of {len(entries)}" if entries else "empty"
        aside = "" if self._trials else ", without trials"
        self.show(f"log: {which}, the newest first{aside}", lines or [(("nothing happened yet", "dim"),)])

    def _go(self, place: int) -> None:
        entries, _ = self._entries()
        place = max(0, min(place, len(entries) - 1))
        self._top = entries[place] if place else None
        self.draw()

    def action_move(self, steps: int) -> None:
        """Move by entries."""
        self._go(self._entries()[1] + steps)

    def action_turn(self, steps: int) -> None:
        """Move by what is shown."""
        self._go(self._entries()[1] + steps * max(1, self._num_shown))

    def action_newest(self) -> None:
        """Follow the newest again."""
        self._go(0)

    def action_oldest(self) -> None:
        """Go to the oldest."""
        self._go(len(self._entries()[0]) - 1)

    def action_toggle_trials(self) -> None:
        """Leave trials out, so that notes, commands and alerts stand together; or show them again."""
        self._trials = not self._trials
        self.draw()
