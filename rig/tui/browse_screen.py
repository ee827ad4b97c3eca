"""All sessions of a data folder, and those that run now."""

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import DataTable

from rig.tui import help_texts
from rig.tui.app import Repaintable
from rig.tui.closing import ClosesOnce
from rig.tui.digest import Listed, list_sessions
from rig.tui.foot import COMMON, KeyWords, keys
from rig.tui.help_screen import Helped
from rig.tui.lines import Line
from rig.tui.palette import Palette
from rig.tui.running import running_sessions
from rig.tui.widgets import LinesPanel

Answer = tuple[str, Path]
COLUMNS = ("session", "subject", "min", "▲", "△", "how it ended")


class BrowseScreen(ClosesOnce, Screen[Answer | None], Repaintable, Helped):
    """Closes with what to do ("attach", "watch" or "summary") and where; with None to go back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "choose('watch')", "watch"),
        Binding("r,f5", "refill", "read again"),
        Binding("escape,q,ctrl+c", "back", "back"),
    ]

    def __init__(self, out: Path, palette: Palette) -> None:
        super().__init__()
        self.out = out
        self._palette = palette
        self.running: list[Path] = []
        self.sessions: list[Listed] = []

    def help_text(self) -> str:
        """See Helped."""
        return help_texts.BROWSE

    def compose(self) -> ComposeResult:
        """A table, and the keys."""
        yield LinesPanel(self._palette, "top")
        table: DataTable[Text] = DataTable(id="sessions", cursor_type="row", zebra_stripes=True)
        yield table
        yield LinesPanel(self._palette, "keys")

    def on_mount(self) -> None:
        """Fill the table."""
        self.table.add_columns(*COLUMNS)
        self.repaint(self._palette)
        self.action_refill()
        self.table.focus()

    def on_resize(self) -> None:
        """Draw head and keys for the new size."""
        self.call_after_refresh(self.draw)

    @property
    def table(self) -> DataTable[Text]:
        """The list."""
        found: DataTable[Text] = self.query_one("#sessions", DataTable)
        return found

    def draw(self) -> None:
        """Head and keys."""
        head: Line = ((" etholoop ", "title"), ("  sessions in ", "dim"), (str(self.out), "text"))
        self.query_one("#top", LinesPanel).show([head])
        foot = self.query_one("#keys", LinesPanel)
        pairs = (("enter", "open"), ("w", "watch again"), ("r", "read again"), ("esc", "back"), *COMMON)
        foot.show([keys(foot.size.width, KeyWords(pairs, badge=""))])

    def action_refill(self) -> None:
        """Read the folder anew."""
        self.running, self.sessions = running_sessions(), list_sessions(self.out)
        place = self.table.cursor_row
        self.table.clear()
        for run_dir in self.running:
            self._add_row(run_dir, (run_dir.name, "", "", "", "", "● runs now"))
        for one in self.sessions:
            numbers = [
                "-" if v is None else f"{v:.1f}" if isinstance(v, float) else str(v)
                for v in (one.minutes, one.pulses, one.catches)
            ]
            sign = "▲ " if one.failed else ""
            self._add_row(one.folder, (one.folder.name, one.subject, *numbers, sign + one.ending))
        self.table.move_cursor(row=place)
        self.draw()

    def _add_row(self, place: Path, cells: tuple[str, ...]) -> None:
        """A row of plain text: a subject's name may hold brackets."""
        self.table.add_row(*map(Text, cells), key=str(place))

    @on(DataTable.RowSelected)
    def opened(self, event: DataTable.RowSelected) -> None:
        """Enter: attach to what runs, else the summary."""
        self.action_choose("summary")

    def action_choose(self, what: str) -> None:
        """Close with the row under the cursor."""
        row = self.table.cursor_row
        if row < len(self.running):
            self.dismiss(("attach", self.running[row]))
        elif row < len(self.running) + len(self.sessions):
            self.dismiss((what, self.sessions[row - len(self.running)].folder))

    def action_back(self) -> None:
        """Close without an answer."""
        self.dismiss(None)
