"""While a session is being closed: what is written, for how long; the stop key still reaches the board."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from rig.supervisor import ENDING
from rig.tui import help_texts
from rig.tui.app import EtholoopApp, Repaintable, StopAware
from rig.tui.closing import ClosesOnce
from rig.tui.emergency import StopResult
from rig.tui.foot import KeyWords, keys
from rig.tui.help_screen import Helped
from rig.tui.lines import Line
from rig.tui.palette import Palette
from rig.tui.session_child import SessionChild
from rig.tui.starting_screen import step_lines
from rig.tui.stop_record import stop_words
from rig.tui.widgets import LinesPanel

LOOKS_HZ = 10
PAIRS = (("q", "leave it to itself"), ("?", "help"))


def steps_of(said: list[str]) -> list[str]:
    """What was said since the session began to end."""
    begins = [place for place, line in enumerate(said) if line.startswith(ENDING)]
    return said[begins[-1] :] if begins else []


class ClosingScreen(ClosesOnce, Screen[bool], Repaintable, StopAware, Helped):
    """Closes with True when the session's program has ended, with False when the person does not wait for it."""

    app: EtholoopApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape", "leave", "leave it to itself"),
        Binding("ctrl+c", "leave", "leave it to itself", show=False, priority=True),
    ]

    def __init__(self, child: SessionChild, palette: Palette) -> None:
        super().__init__()
        self.child = child
        self._palette = palette
        self._said: list[str] = []
        self._began_ns = self._step_began_ns = 0
        self._stop: Line = ()

    def help_text(self) -> str:
        """See Helped."""
        return help_texts.CLOSING

    def compose(self) -> ComposeResult:
        """What the session says, and the keys."""
        yield LinesPanel(self._palette, "words")
        yield LinesPanel(self._palette, "keys")

    def on_mount(self) -> None:
        """Read along."""
        self._began_ns = self._step_began_ns = self.app.clock.now_ns()
        self.repaint(self._palette)
        self.set_interval(1 / LOOKS_HZ, self.look)

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
        said, now_ns = steps_of(self.child.lines()), self.app.clock.now_ns()
        if len(said) != len(self._said):
            self._said, self._step_began_ns = said, now_ns
        step_s, whole_s = (now_ns - self._step_began_ns) // 10**9, (now_ns - self._began_ns) // 10**9
        words = self.query_one("#words", LinesPanel)
        shown = said or ["the session ends"]
        lines = step_lines("the session is being closed", shown, step_s, whole_s, words.size.width)
        words.show([*lines, ((" ", "text"),), self._stop] if self._stop else lines)
        panel = self.query_one("#keys", LinesPanel)
        panel.show([keys(panel.size.width, KeyWords(PAIRS, "stop" if self.app.emergency is not None else ""))])

    def action_leave(self) -> None:
        """Go on; the session closes without us."""
        self.dismiss(False)
