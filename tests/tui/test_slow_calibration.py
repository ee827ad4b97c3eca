"""An arena that takes long to be calibrated holds up neither the picture, nor the set-up, nor the way out."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.clock import SystemClock
from rig.configuration import load_rig
from rig.tui.camera_preview import CameraPreview
from rig.tui.checks import Check, why_not
from rig.tui.rig_app import RigApp
from rig.tui.setup_screen import SetupScreen
from tests.live_sessions import modules_of
from tests.rigs import RigFiles, write_rig
from tests.ttl_benches import wait_until
from tests.tui.test_live_screen import toasts
from tests.tui.test_rig_screens import said, until

pytestmark = pytest.mark.xdist_group("live")
CAMERA = """
driver = "simulated"
num_frames = 100000
[camera.simulation]
seed = 3
width = 1280
height = 960
focal_px = 770.0
"""
CALIBRATION = "rig.calibration_process"


@pytest.fixture
def files(tmp_path: Path, private: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RigFiles]:
    """A simulated camera of so many pixels that its calibration takes many seconds."""
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    monkeypatch.setenv("XDG_STATE_HOME", str(private / "state"))
    yield write_rig(tmp_path, CAMERA, private, rate_hz=30.0)
    assert CALIBRATION not in modules_of(os.getpid())
    assert not list(private.glob("etholoop-*")), "nothing is left behind"


def test_frames_come_while_the_arena_is_calibrated_which_can_be_given_up(files: RigFiles) -> None:
    preview = CameraPreview(files.rig, load_rig(files.rig), SystemClock())
    preview.start()
    wait_until(lambda: preview.depth is not None, "a frame")
    assert preview.arena is None
    assert preview.calibrating_s is not None
    assert CALIBRATION in modules_of(os.getpid())
    preview.close()
    assert preview.failure == ""
    assert preview.arena is None


def test_a_calibration_that_fails_says_why(files: RigFiles) -> None:
    rig = load_rig(files.rig)
    no_mask = files.rig.with_name("absent.png")
    rig = rig.model_copy(update={"arena": rig.arena.model_copy(update={"mask": no_mask})})
    preview = CameraPreview(files.rig, rig, SystemClock())
    preview.start()
    wait_until(lambda: bool(preview.arena_failure), "the reason")
    assert "absent.png" in preview.arena_failure
    preview.close()


async def test_the_set_up_says_what_it_waits_for_and_can_be_left(files: RigFiles) -> None:
    entries = {"rig": files.rig, "model": files.model, "protocol": files.protocol, "out": files.out}
    app = RigApp({name: str(path) for name, path in entries.items()} | {"subject": "m1"}, plain=False)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, SetupScreen))
        screen = app.screen
        assert isinstance(screen, SetupScreen)
        await until(pilot, lambda: "being calibrated from the recording" in said(screen, "checks"))
        await pilot.press("f9")
        await until(pilot, lambda: "not yet:" in toasts(app))
        screen.query_one("#rig").value = "absent.toml"  # type: ignore[attr-defined]
        await until(pilot, lambda: "cannot be read" in said(screen, "checks"))
        screen.query_one("#rig").value = str(files.rig)  # type: ignore[attr-defined]
        await until(pilot, lambda: "being calibrated from the recording" in said(screen, "checks"))
        await pilot.press("ctrl+q")


def test_what_keeps_a_session_from_starting_is_named() -> None:
    slow = Check("arena", "arena calibrated", "running", "being calibrated, 3 s")
    assert why_not({"arena": slow}) == "not yet: arena calibrated: being calibrated, 3 s"
    assert (
        why_not({"arena": slow, "rig": Check("rig", "rig file", "bad", "absent")}) == "not yet: look at the red lines"
    )
    assert why_not({"rig": Check("rig", "rig file", "good")}) == ""
