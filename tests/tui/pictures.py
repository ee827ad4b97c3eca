"""The pictures of the screens in the README, as SVG: `python -m tests.tui.pictures [FOLDER]`.

Sessions are those of a rig that only pretends; the set-up looks at a recording of a moving body.
"""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from online.cards import Card, Clip
from online.files.bundle import bundle_sha256
from online.files.cards_file import CardBox, cards_path, save_cards
from rig.summary import summarise
from rig.tui.browse_screen import BrowseScreen
from rig.tui.cards_screen import model_cards
from rig.tui.names_app import NamesApp
from rig.tui.rig_app import RigApp
from rig.tui.setup_screen import SetupScreen
from rig.tui.summary_screen import SummaryScreen
from tests.fake_rig_files import write_files
from tests.rigs import write_recording, write_rig
from tests.tui.sessions import write_session
from tests.tui.test_live_screen import Rehearsal, rehearsal

SIZE = (120, 40)
Keep = Callable[[App[Any], str], None]


async def until(pilot: Pilot[str], condition: Callable[[], bool]) -> None:
    """Let the program run until something holds."""
    for _ in range(3000):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError(f"it did not come to this; {getattr(pilot.app.screen, 'checks', pilot.app.screen)}")


async def live(folder: Path, keep: Keep) -> None:
    """The session's screen: dark, light and with few colours, at its smallest, stopped, and its help."""
    for size, keys, name in ((SIZE, (), "live"), (SIZE, ("f2",), "live_light"), ((80, 24), ("f2", "f2"), "live_plain")):
        async with rehearsal(folder, size) as stage:
            await stage.pilot.press(*keys)
            await played(stage)
            keep(stage.app, name)
    async with rehearsal(folder, SIZE) as stage:
        await played(stage)
        await stage.pilot.press("exclamation_mark")
        await stage.until(lambda: stage.view.state == "stopped")
        stage.view.stop.pressed(True, "all lines low", 2.8, stage.clock.now_ns())
        await stage.settle()
        keep(stage.app, "stopped")
        await stage.pilot.press("question_mark")
        await stage.pilot.pause()
        keep(stage.app, "help")


async def played(stage: Rehearsal) -> None:
    """Half a minute of a session whose past is known."""
    stage.view.knows_earlier = True
    stage.view.disk_free_gb = 412.0
    for _ in range(20):
        await stage.play(45)
        stage.view.disk_free_gb = 412.0
    await stage.settle()


def body_clip(run_dir: Path, syllable: int) -> Clip:
    """The pretended mouse before, in and after a syllable: it rises, turns or stretches."""
    y, x = np.mgrid[:80, :80] - 39.5
    crops = np.zeros((32, 80, 80), np.uint8)
    for t in range(32):
        share = np.clip((t - 8) / 6, 0, 1) * np.clip((28 - t) / 6, 0, 1)
        bend = 0.02 * share * (syllable in (7, 8)) * (1 if syllable == 7 else -1)
        body = 32 * np.exp(-((x * 1.6 / 34) ** 4)) * np.exp(-(((y + bend * x**2) * 1.6 / (16 - 0.19 * x)) ** 4))
        raised = 1 + 1.2 * share * (syllable == 3) / (1 + np.exp(-x / 6))
        tail = 8 * (np.abs(y) < 2) * (x < -19) * (x > -40)
        crops[t] = np.maximum(body * raised, tail).clip(0, 255)
    return Clip(crops, 10, 26)


async def cards(folder: Path, keep: Keep) -> None:
    """A card."""
    model = folder / "mice.model.h5"
    rng = np.random.default_rng(2)
    usage = np.sort(rng.dirichlet(np.full(24, 1.2)))[::-1]
    made = {
        k: Card(
            k,
            float(usage[k]),
            int(3000 * usage[k]),
            (210.0, 330.0, 480.0),
            float(rng.uniform(10, 180)),
            float(rng.uniform(24, 48)),
            (body_clip(folder, k),) * 6,
        )
        for k in range(24)
    }
    save_cards(cards_path(model), CardBox(bundle_sha256(model), 30.0, "s1", made))
    app = NamesApp(model_cards(model), plain=False)
    app.cards.play = lambda: None  # type: ignore[method-assign]
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("down", "down", "down")
        app.cards._frame = 18
        app.cards.draw()
        await pilot.pause()
        keep(app, "cards")


async def set_up(folder: Path, keep: Keep) -> None:
    """The check list with one thing missing."""
    write_recording(folder / "rec", 1200, rate_hz=30.0)
    files = write_rig(folder, 'driver = "recording"\npath = "rec"', folder, rate_hz=30.0)
    os.chdir(folder)
    entries = {"rig": files.rig.name, "model": files.model.name, "protocol": files.protocol.name, "out": "data"}
    app = RigApp(entries, plain=False)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, SetupScreen))
        screen = app.screen
        assert isinstance(screen, SetupScreen)
        screen.query_one("#subject", Input).value = ""
        good = ("camera", "rate", "arena", "moved", "board")
        await until(pilot, lambda: all(screen.checks[name].state == "good" for name in good))
        await pilot.pause(0.5)
        keep(app, "setup")
        await pilot.press("ctrl+q")


async def after(folder: Path, keep: Keep) -> None:
    """The list of sessions and a summary."""
    out = folder / "data"
    made = write_session(folder / "made", 450, depth=False)
    summary = summarise(made) | {"ending": {"reason": "the protocol is over", "failures": [], "line": ""}}
    for day, animal in (("01", "m12"), ("02", "m12"), ("03", "m14")):
        session = shutil.copytree(made, out / f"2025-03-{day}_10-15-00_{animal}")
        (session / "summary.json").write_text(json.dumps(summary | {"subject": animal}))
    os.chdir(folder)
    app = RigApp({}, plain=False, browse=Path("data"))
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BrowseScreen) and app.screen.table.row_count == 3)
        await pilot.pause(0.3)
        keep(app, "browse")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SummaryScreen))
        await pilot.pause(0.3)
        keep(app, "summary")


def main(out: Path, wanted: list[str]) -> None:
    """Draw them."""
    out = out.resolve()
    here = Path.cwd()

    def keep(app: App[Any], name: str) -> None:
        (out / f"{name}.svg").write_text(app.export_screenshot(title="etholoop"))

    for draw in (live, cards, set_up, after):
        if wanted and draw.__name__ not in wanted:
            continue
        with tempfile.TemporaryDirectory(prefix="eth-") as name:
            os.environ["XDG_STATE_HOME"] = name
            tempfile.tempdir = name
            write_files(Path(name))
            asyncio.run(draw(Path(name), keep))
            os.chdir(here)
        tempfile.tempdir = None


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else ".github/pictures"), sys.argv[2:])
