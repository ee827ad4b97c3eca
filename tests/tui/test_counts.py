"""What the screen counts by block in a real session is what the session's file holds at its end."""

import select
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from online.files.session_file import SessionReader
from online.files.tables import text_of
from rig.tui.lines import text_of_line
from rig.tui.live import LiveApp
from rig.tui.session_screen import SessionScreen
from rig.tui.side_panel import side
from rig.tui.widgets import LinesPanel
from tests.rigs import PROTOCOL, RigFiles, finish, start, write_recording, write_rig
from tests.tui.terminals import run_dir_in

pytestmark = pytest.mark.xdist_group("live")  # one live session at a time
NAMES = ("first", "second", "third")
OUTCOMES = ("pulse", "catch", "refused")


@pytest.fixture
def session(tmp_path: Path, private: Path) -> Iterator[tuple[RigFiles, "subprocess.Popen[str]"]]:
    write_recording(tmp_path / "rec", 600, rate_hz=30.0)
    tables = [f'[[blocks]]\nname = "{name}"\nduration_ms = 3_000\nrules = ["either"]\n' for name in NAMES]
    protocol = PROTOCOL.replace("duration_ms = 600000\n", "") + "\n".join(tables)
    files = write_rig(tmp_path, 'driver = "recording"\npath = "rec"', private, protocol, rate_hz=30.0)
    process = start(files)
    yield files, process
    if process.poll() is None:
        process.kill()
        process.communicate()


def counted(folder: Path) -> dict[str, list[str]]:
    """Pulses, catches and refusals by block, from the session's file."""
    with SessionReader(folder) as record:
        rows = record.table("pulses/trials")
    counts = Counter((text_of(row["block"]), text_of(row["outcome"])) for row in rows)
    return {name: [str(counts[name, outcome]) for outcome in OUTCOMES] for name in NAMES}


async def look_on(screen: SessionScreen, app: LiveApp) -> dict[str, list[str]]:
    """What the screen says of each block once the session has ended."""
    async with app.run_test(size=(120, 40)) as pilot:
        for _ in range(3000):
            if screen.view.ended:
                break
            await pilot.pause(0.02)
        assert screen.view.ended
        for _ in range(8):
            screen.tick()
        words = [line.split() for line in screen.query_one("#side", LinesPanel).text().splitlines()]
    return {name: next(line[-3:] for line in words if name in line[:2]) for name in NAMES}


async def test_counts_by_block_are_those_of_the_record(session: tuple[RigFiles, "subprocess.Popen[str]"]) -> None:
    files, process = session
    for _ in range(6000):
        if any(",0,1\n" in pins.read_text() for pins in files.private.glob("etholoop-*/pins.csv")):
            break
        select.select([], [], [], 0.02)  # the first pulse: the screen comes late, and has something to catch up with
    app = LiveApp(run_dir_in(files.private), plain=False, control=False)
    shown = await look_on(app.session, app)
    code, _, err = finish(process)
    assert code == 0, err
    (folder,) = files.out.iterdir()
    recorded = counted(folder)
    assert shown == recorded
    assert all(int(pulses) > 0 for pulses, _, _ in recorded.values())
    view = app.session.view
    for outcome, column in zip(OUTCOMES, range(3), strict=True):
        assert view.total(outcome) == sum(int(numbers[column]) for numbers in recorded.values())
    narrow = [text_of_line(line) for line in side(view, 37, 12, app.clock.now_ns(), 0)]
    assert any(line.startswith(("in this block", "no block")) for line in narrow)
