"""What a session says while it starts or closes, step by step: the shape of both screens."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.screen import Screen

from rig.tui.app import EtholoopApp, Repaintable
from rig.tui.check_list import wrapped
from rig.tui.closing import ClosesOnce
from rig.tui.foot import KeyWords, keys
from rig.tui.help_screen import Helped
from rig.tui.lines import Line, Part, fit
from rig.tui.palette import Palette
from rig.tui.session_child import SessionChild
from rig.tui.widgets import LinesPanel

MOST_LINES = 12


class StepsScreen(ClosesOnce, Screen[bool], Repaintable, Helped):
    """Looks at the session's program again and again; `look` of a screen says what is shown."""

    app: EtholoopApp
    LOOKS_HZ: ClassVar[int] = 10

    def __init__(self, child: SessionChild, palette: Palette) -> None:
        super().__init__()
        self.child = child
        self._palette = palette
        self._said: list[str] = []
        self._began_ns = self._step_began_ns = 0

    def compose(self) -> ComposeResult:
        """What the session says, and the keys."""
        yield LinesPanel(self._palette, "words")
        yield LinesPanel(self._palette, "keys")

    def on_mount(self) -> None:
        """Read along."""
        self._began_ns = self._step_began_ns = self.app.clock.now_ns()
        self.repaint(self._palette)
        self.set_interval(1 / self.LOOKS_HZ, self.look)

    def look(self) -> None:
        """Show the words; close when there is nothing more to wait for."""
        raise NotImplementedError

    def seconds(self, said: list[str]) -> tuple[int, int]:
        """How long the step that is being taken has lasted, and how long all of them."""
        now_ns = self.app.clock.now_ns()
        if len(said) != len(self._said):
            self._said, self._step_began_ns = said, now_ns
        return (now_ns - self._step_began_ns) // 10**9, (now_ns - self._began_ns) // 10**9

    def show(self, lines: list[Line], foot: KeyWords) -> None:
        """Draw words and keys."""
        self.query_one("#words", LinesPanel).show(lines)
        panel = self.query_one("#keys", LinesPanel)
        panel.show([keys(panel.size.width, foot)])

    @property
    def words_width(self) -> int:
        """Cells in a line of words."""
        return self.query_one("#words", LinesPanel).size.width


def step_lines(heading: str, said: list[str], step_s: int, whole_s: int, width: int) -> list[Line]:
    """Steps done, the one that is being taken with its seconds, and the seconds of all; alerts among them as such."""
    lines: list[Line] = [((f" {heading}", "title"), (f"  {whole_s} s", "dim")), ((" ", "text"),)]
    for step in said[-MOST_LINES:-1]:
        wrong = step.startswith(("ALERT", "FAILURE"))
        sign: Part = ("  ▲ ", "bad") if wrong else ("  ● ", "good")
        lines.append((sign, (fit(step, width - 4).rstrip(), "bad" if wrong else "text")))
    first, *rest = wrapped(said[-1] if said else "the program is starting", width - 12) or [""]
    lines.append((("  ◌ ", "info"), (first, "strong"), (f"  {step_s} s", "info")))
    return lines + [((f"    {part}", "strong"),) for part in rest]
