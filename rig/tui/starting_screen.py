"""While a session prepares: what it says; then its screen, or the reason why it could not start."""

from typing import ClassVar

from textual.binding import Binding, BindingType

from rig.tui import help_texts
from rig.tui.check_list import wrapped
from rig.tui.foot import KeyWords
from rig.tui.lines import Line
from rig.tui.steps import MOST_LINES, StepsScreen, step_lines

HEADING = "the session is starting"


class StartingScreen(StepsScreen):
    """Closes with True when the session runs, with False when the person goes back."""

    LOOKS_HZ: ClassVar[int] = 5
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "back"),
        Binding("ctrl+q,ctrl+c", "back", "back", show=False, priority=True),
    ]

    def help_text(self) -> str:
        """See Helped."""
        return help_texts.STARTING

    def look(self) -> None:
        """Show the words; go on when the session runs."""
        if self.child.run_dir is not None:
            self.dismiss(True)
            return
        failed = self.child.exit_code is not None
        said = self.child.lines()
        step_s, whole_s = self.seconds(said)
        width = self.words_width
        lines = failure_lines(said, width) if failed else step_lines(HEADING, said, step_s, whole_s, width)
        pairs = (("esc", "back to set-up"),) if failed else (("esc", "give up"),)
        self.show(lines, KeyWords(pairs, badge=""))

    def action_back(self) -> None:
        """Back to the set-up; a session that still prepares is ended."""
        self.child.stop()
        self.dismiss(False)


def failure_lines(said: list[str], width: int) -> list[Line]:
    """What was said, the reason last and whole."""
    lines: list[Line] = [((" the session could not start", "bad"),), ((" ", "text"),)]
    role = "dim"
    for line in said[-MOST_LINES:]:
        role = "strong" if line.startswith("etholoop: ") else role
        lines += [((f"  {part}", role),) for part in wrapped(line, width - 4, most=MOST_LINES)]
    return lines
