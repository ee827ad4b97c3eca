"""A few stable views, cell by cell: characters, and below them a letter for each colour.

`ETHOLOOP_SNAPSHOTS=write python -m pytest tests/tui/test_snapshots.py` keeps what is shown now; look at the difference.
"""

import os
from pathlib import Path

import pytest
from rich.style import Style
from textual.app import App

from rig.clock import ManualClock
from rig.tui.cards_screen import model_cards
from rig.tui.names_app import NamesApp
from tests.fake_rig_files import write_files
from tests.tui.test_cards_screen import write_cards
from tests.tui.test_live_screen import rehearsal

FOLDER = Path(__file__).parent / "snapshots"
FIRST_LETTER = 0x21


def seen(app: App[str]) -> str:
    """The screen as text; the same with letters for styles; what the letters mean."""
    letters: dict[tuple[str, str, bool], str] = {}
    words, colours = [], []
    for strip in app.screen._compositor.render_strips():
        line, below = "", ""
        for text, style, _ in strip:
            key = described(style)
            letter = letters.setdefault(key, chr(FIRST_LETTER + len(letters) + 34 * (len(letters) >= 94)))
            line, below = line + text, below + letter * len(text)
        words.append(line.rstrip())
        colours.append(below)
    meanings = [f"{letter} {fore} on {back}{' bold' * bold}" for (fore, back, bold), letter in letters.items()]
    return "\n".join([*words, "", *colours, "", *meanings]) + "\n"


def described(style: Style | None) -> tuple[str, str, bool]:
    """Colours of a cell."""
    if style is None:
        return "default", "default", False
    fore, back = (c.name if c is not None else "default" for c in (style.color, style.bgcolor))
    return fore, back, bool(style.bold)


def compare(name: str, app: App[str]) -> None:
    """Against what was kept."""
    shown, path = seen(app), FOLDER / f"{name}.txt"
    if os.environ.get("ETHOLOOP_SNAPSHOTS") == "write":
        path.write_text(shown)
    assert shown == path.read_text(), f"{path.name} differs: look at it with ETHOLOOP_SNAPSHOTS=write and git diff"


@pytest.mark.parametrize(("size", "colours"), [((80, 24), 0), ((120, 40), 0), ((200, 60), 0), ((80, 24), 2)])
async def test_the_live_screen(private: Path, size: tuple[int, int], colours: int) -> None:
    write_files(private)
    async with rehearsal(private, size) as stage:
        await stage.pilot.press(*["f2"] * colours)
        await stage.play(75)
        stage.rig.event("camera", "alert", "USB link dropped to 480 Mbit/s")
        await stage.until(lambda: bool(stage.view.alerts.open))
        stage.view.ethogram.leading(0)  # rows are chosen anew: their order hangs on when the screen was drawn first
        await stage.settle()
        compare(f"live_{size[0]}x{size[1]}_{stage.app.palette.name}", stage.app)


async def test_the_cards(private: Path) -> None:
    write_files(private)
    write_cards(private / "mice.model.h5")
    app = NamesApp(model_cards(private / "mice.model.h5"), ManualClock(), plain=False)
    app.cards.play = lambda: None  # type: ignore[method-assign] # the clip stands still
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("down", "down", "down")
        await pilot.pause()
        compare("cards_120x40_dark", app)
