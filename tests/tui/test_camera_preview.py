"""The camera of the set-up, let go while it is still being opened."""

import os
import tempfile
from pathlib import Path

import pytest

from rig.clock import SystemClock
from rig.configuration import load_rig
from rig.tui.camera_preview import CameraPreview
from tests.live_sessions import modules_of
from tests.rigs import write_rig
from tests.ttl_benches import wait_until


def test_a_camera_that_does_not_open_is_let_go_at_once(
    tmp_path: Path, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    never_opens = tmp_path / "session.tar.gz"
    os.mkfifo(never_opens)
    files = write_rig(tmp_path, f'driver = "recording"\npath = "{never_opens}"', private)
    preview = CameraPreview(files.rig, load_rig(files.rig), SystemClock())
    preview.start()
    wait_until(lambda: "rig.camera_process" in modules_of(os.getpid()), "the camera process")
    preview.close()
    assert "rig.camera_process" not in modules_of(os.getpid())
    assert preview.failure == "stopped while the camera process was preparing"
