"""While a session is being closed: what is written, for how long; the stop key still reaches the board."""

from typing import ClassVar

from textual.binding import Binding, BindingType

from rig.supervisor import ENDING
from rig.tui import help_texts
from rig.tui.app import StopAware
from rig.tui.emergency import StopResult
from rig.tui.foot import KeyWords
from rig.tui.lines import Line
from rig.tui.palette import Palette
from rig.tui.session_child import SessionChild
from rig.tui.steps import StepsScreen, step_lines
from rig.tui.stop_record import stop_words

HEADING = "the session is being closed"
PAIRS = (("q", "leave it to itself"), ("?", "help"))


def steps_of(said: list[str]) -> list[str]:
    """What was said since the session began to end."""
    begins = [place for place, line in enumerate(said) if line.startswith(ENDING)]
    return said[begins[-1] :] if begins else []


class ClosingScreen(StepsScreen, StopAware):
    """Closes with True when the session's program has ended, with False when the person does not wait for it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape", "leave", "leave it to itself"),
        Binding("ctrl+c", "leave", "leave it to itself", show=False, priority=True),
    ]

    def __init__(self, child: SessionChild, palette: Palette) -> None:
        super().__init__(child, palette)
        self._stop: Line = ()

    def help_text(self) -> str:
        """See Helped."""
        return help_texts.CLOSING

    def on_resize(self) -> None:
        """Draw at once, and for every new size."""
        self.call_after_refresh(self.look)

    def on_stop(self, result: StopResult) -> None:
        """Show what came of an emergency stop."""
        words = stop_words(result.confirmed, result.low_ms)
        self._stop = ((f" {words} ", "badge_warn" if result.confirmed else "badge_bad"),)
        self.look()

    def look(self) -> None:
        """Show the words; close when the program has ended."""
        if self.child.exit_code is not None:
            self.dismiss(True)
            return
        said = steps_of(self.child.lines())
        lines = step_lines(HEADING, said or ["the session ends"], *self.seconds(said), self.words_width)
        foot = KeyWords(PAIRS, "stop" if self.app.emergency is not None else "")
        self.show([*lines, ((" ", "text"),), self._stop] if self._stop else lines, foot)

    def action_leave(self) -> None:
        """Go on; the session closes without us."""
        self.dismiss(False)
