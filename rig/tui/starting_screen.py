"""While a session prepares: what it says; then its screen, or the reason why it could not start."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from rig.tui import help_texts
from rig.tui.app import EtholoopApp, Repaintable
from rig.tui.check_list import wrapped
from rig.tui.closing import ClosesOnce
from rig.tui.foot import KeyWords, keys
from rig.tui.help_screen import Helped
from rig.tui.lines import Line, Part, fit
from rig.tui.palette import Palette
from rig.tui.session_child import SessionChild
from rig.tui.widgets import LinesPanel

LOOKS_HZ = 5
MOST_LINES = 12
HEADING = "the session is starting"


class StartingScreen(ClosesOnce, Screen[bool], Repaintable, Helped):
    """Closes with True when the session runs, with False when the person goes back."""

    app: EtholoopApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "back"),
        Binding("ctrl+q,ctrl+c", "back", "back", show=False, priority=True),
    ]

    def __init__(self, child: SessionChild, palette: Palette) -> None:
        super().__init__()
        self.child = child
        self._palette = palette
        self._said: list[str] = []
        self._began_ns = self._step_began_ns = 0

    def help_text(self) -> str:
        """See Helped."""
        return help_texts.STARTING

    def compose(self) -> ComposeResult:
        """What the session says, and the keys."""
        yield LinesPanel(self._palette, "words")
        yield LinesPanel(self._palette, "keys")

    def on_mount(self) -> None:
        """Read along."""
        self._began_ns = self._step_began_ns = self.app.clock.now_ns()
        self.repaint(self._palette)
        self.set_interval(1 / LOOKS_HZ, self.look)

    def look(self) -> None:
        """Show the words; go on when the session runs."""
        if self.child.run_dir is not None:
            self.dismiss(True)
            return
        failed = self.child.exit_code is not None
        said, now_ns = self.child.lines(), self.app.clock.now_ns()
        if len(said) != len(self._said):
            self._said, self._step_began_ns = said, now_ns
        words = self.query_one("#words", LinesPanel)
        if failed:
            lines = failure_lines(said, words.size.width)
        else:
            step_s, whole_s = (now_ns - self._step_began_ns) // 10**9, (now_ns - self._began_ns) // 10**9
            lines = step_lines(HEADING, said, step_s, whole_s, words.size.width)
        words.show(lines)
        pairs = (("esc", "back to set-up"),) if failed else (("esc", "give up"),)
        panel = self.query_one("#keys", LinesPanel)
        panel.show([keys(panel.size.width, KeyWords(pairs, badge=""))])

    def action_back(self) -> None:
        """Back to the set-up; a session that still prepares is ended."""
        self.child.stop()
        self.dismiss(False)


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


def failure_lines(said: list[str], width: int) -> list[Line]:
    """What was said, the reason last and whole."""
    lines: list[Line] = [((" the session could not start", "bad"),), ((" ", "text"),)]
    role = "dim"
    for line in said[-MOST_LINES:]:
        role = "strong" if line.startswith("etholoop: ") else role
        lines += [((f"  {part}", role),) for part in wrapped(line, width - 4, most=MOST_LINES)]
    return lines
