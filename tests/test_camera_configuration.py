"""The [camera] table: what it accepts, builds and refuses."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from rig.cameras.configuration import CameraConfig, build_camera
from rig.clock import ManualClock
from tests import recordings


def parse(text: str) -> CameraConfig:
    config: CameraConfig = TypeAdapter(CameraConfig).validate_python(tomllib.loads(text))
    return config


def test_a_recording_is_built_with_its_pace_and_lens(tmp_path: Path) -> None:
    recordings.write_dat(tmp_path)
    lens = "intrinsics = { fx_px = 1, fy_px = 2, cx_px = 3, cy_px = 4 }"
    camera = build_camera(parse(f'driver = "recording"\npath = "{tmp_path}"\npace = 60\n{lens}'), ManualClock())
    info = camera.open()
    assert (info.rate_hz, info.fx_px, info.cy_px) == (60, 1, 4)
    camera.close()


def test_a_simulated_mouse_takes_the_settings_of_the_simulation() -> None:
    text = 'driver = "simulated"\nnum_frames = 5\n[simulation]\nwidth = 96\nheight = 80\nfocal_px = 60.0'
    camera = build_camera(parse(text), ManualClock())
    info = camera.open()
    assert (info.width, info.num_frames, info.rate_hz) == (96, 5, 30)
    camera.close()


def test_a_realsense_camera_may_be_fed_by_another(tmp_path: Path) -> None:
    recordings.write_dat(tmp_path)
    text = 'driver = "realsense"\nserial = "fed {0}"\nfeed = {{ driver = "recording", path = "{0}", pace = {1} }}'
    for pace, period_ms in (('"recorded"', recordings.PERIOD_MS), ("60", 1000 / 60)):
        camera = build_camera(parse(text.format(tmp_path, pace)), ManualClock())
        info = camera.open()
        assert info.identity == f"realsense:fed {tmp_path}"
        camera.start()
        buffer = np.zeros((info.height, info.width), np.uint16)
        stamps = [camera.read_into(buffer, 1000) for _ in range(3)]
        capture_ms = [stamp.capture_time_ns / 1e6 for stamp in stamps if stamp is not None]
        np.testing.assert_allclose(np.diff(capture_ms), period_ms, atol=0.01)
        camera.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('driver = "webcam"', "'recording'"),
        ("path = 'x'", "driver"),
        ('driver = "recording"', "path"),
        ('driver = "recording"\npath = "x"\npase = "fast"', "pase"),
        ('driver = "recording"\npath = "x"\npace = -3', "pace"),
        ('driver = "recording"\npath = "x"\nintrinsics = { fx = 1 }', "unknown: fx; known: fx_px"),
        ('driver = "realsense"\nfile = "a.db3"\nfeed = { driver = "simulated" }', "not both"),
        ('driver = "realsense"\nfile = "a.db3"\nexposure_us = 100', "exposure_us cannot be set when a file is played"),
        ('driver = "realsense"\nexposure_us = "automatic"', "'auto'"),
        ('driver = "realsense"\nrecord_to = "a.bag"', "must name a .db3 file"),
        ('driver = "realsense"\npace = "fast"', "a camera has its own"),
        ('driver = "realsense"\nfeed = { driver = "realsense" }', "'recording', 'simulated'"),
        ('driver = "simulated"\n[simulation]\nseeed = 1', "unknown: seeed"),
    ],
)
def test_what_cannot_be_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parse(text)
