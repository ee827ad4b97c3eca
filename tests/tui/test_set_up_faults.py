"""Set-up while something is lost: a camera that dies or falls silent, a form that is emptied and filled again."""

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input

from rig.tui.rig_app import RigApp
from rig.tui.setup_screen import SetupScreen
from rig.tui.widgets import LinesPanel, PicturePanel
from tests.live_sessions import modules_of
from tests.rigs import PROTOCOL, RigFiles, write_rig

pytestmark = pytest.mark.xdist_group("live")
CAMERA = """
driver = "simulated"
[camera.simulation]
seed = 3
width = 320
height = 240
focal_px = 192.5
"""


async def until(pilot: Pilot[str], condition: Callable[[], bool]) -> None:
    for _ in range(4000):
        if condition():
            return
        await pilot.pause(0.05)
    raise AssertionError(f"it did not come to this: {said(pilot)}")


def said(pilot: Pilot[str]) -> str:
    return pilot.app.screen.query_one("#checks", LinesPanel).text()


@pytest.fixture
def files(tmp_path: Path, private: Path, monkeypatch: pytest.MonkeyPatch) -> RigFiles:
    monkeypatch.setenv("XDG_STATE_HOME", str(private / "state"))
    monkeypatch.setenv("TMPDIR", str(private))
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    return write_rig(tmp_path, CAMERA, private, rate_hz=30.0)


@asynccontextmanager
async def ready(files: RigFiles, size: tuple[int, int]) -> AsyncIterator[tuple[Pilot[str], SetupScreen]]:
    """The set-up with everything good."""
    entries = {"rig": str(files.rig), "model": str(files.model), "protocol": str(files.protocol)}
    app = RigApp(entries | {"subject": "m1", "out": str(files.out)}, plain=False)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: isinstance(app.screen, SetupScreen))
        screen = app.screen
        assert isinstance(screen, SetupScreen)
        await until(pilot, lambda: startable(screen))
        yield pilot, screen


def startable(screen: SetupScreen) -> bool:
    return not screen.query_one("#start", Button).disabled


def camera_process() -> int:
    return modules_of(os.getpid())["rig.camera_process"]


async def test_a_camera_that_dies_or_falls_silent_locks_the_start(files: RigFiles) -> None:
    async with ready(files, (120, 40)) as (pilot, screen):
        camera = camera_process()
        os.kill(camera, signal.SIGSTOP)
        await until(pilot, lambda: "no frame for" in said(pilot) and not startable(screen))
        assert not screen.query_one("#arena", PicturePanel)._rows.size, "an old picture is not what the camera sees"
        await pilot.press("f9")
        assert pilot.app.screen is screen
        os.kill(camera, signal.SIGCONT)
        await until(pilot, lambda: startable(screen))
        os.kill(camera, signal.SIGKILL)
        await until(pilot, lambda: "camera process ended" in said(pilot) and not startable(screen))
        await pilot.press("f5")
        await until(pilot, lambda: startable(screen))


async def test_a_form_that_was_emptied_and_filled_again_is_checked_anew(files: RigFiles) -> None:
    async with ready(files, (80, 24)) as (pilot, screen):
        rig, protocol = screen.query_one("#rig", Input), screen.query_one("#protocol", Input)
        rig.value = ""
        await until(pilot, lambda: screen.checks["rig"].state == "bad")
        await until(pilot, lambda: {screen.checks[n].state for n in ("camera", "board", "disk")} == {"waiting"})
        rig.value = str(files.rig)
        await until(pilot, lambda: startable(screen))
        protocol.value += "x"
        await until(pilot, lambda: screen.checks["protocol"].state == "bad")
        await until(pilot, lambda: {screen.checks[n].state for n in ("board", "disk")} == {"waiting"})
        files.protocol.write_text(PROTOCOL.replace("enter =", "entre =").replace("count", "cuont"))
        protocol.value = str(files.protocol)
        await until(pilot, lambda: "entre" in said(pilot))
        files.protocol.write_text(PROTOCOL)
        await pilot.press("f5")
        await until(pilot, lambda: startable(screen))
