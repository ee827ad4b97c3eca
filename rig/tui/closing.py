"""Screens that close once."""

from typing import Any, cast

from textual.await_complete import AwaitComplete
from textual.screen import Screen


class ClosesOnce:
    """A screen whose `dismiss` closes this very screen, and once.

    Textual's own pops whatever lies on top: a help page that covers a screen which closes by itself, or, when a key
    came twice in one read, the screen under a dialog.
    """

    def dismiss(self, result: object = None) -> AwaitComplete:
        """Close, and whatever lies above; nothing where this screen is gone already."""
        screen = cast(Screen[Any], self)
        if screen not in screen.app.screen_stack:
            return AwaitComplete()
        while screen.app.screen is not screen:
            screen.app.pop_screen()
        return Screen.dismiss(screen, result)
