"""The arena is found where it is, whatever stands in it, and the same every time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from online.arena import Intrinsics, foreign_camera
from online.arena_calibration import CalibrationSettings, calibrate, floor_plane_of, tilt_rad, warnings
from online.errors import ConfigError, FileFormatError
from online.files.arena_file import load_arena, save_arena

CAMERA = Intrinsics(fx_px=150.0, fy_px=150.0, cx_px=80.0, cy_px=60.0)
RADIUS_PX, FLOOR_MM = 45, 600.0


def scene(num_frames: int = 20, tilt_mm_per_px: float = 0.0, holes: float = 0.02) -> np.ndarray:
    """A round arena with walls 200 mm high around a floor, a table 100 mm below it, and a mouse that wanders."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:120, :160]
    radius = np.hypot(x - 80, y - 60)
    empty = np.where(radius < RADIUS_PX, FLOOR_MM + tilt_mm_per_px * (x - 80), FLOOR_MM - 200)
    empty = np.where(radius > RADIUS_PX + 8, FLOOR_MM + 100, empty)
    frames = np.empty((num_frames, 120, 160), np.uint16)
    for index in range(num_frames):
        depth = empty + rng.normal(0, 1.0, empty.shape)
        if index % 2:  # half of the frames in one place, which a plain median would take for floor
            depth[np.hypot(x - 70, y - 50) < 9] -= 30
        else:
            depth[np.hypot(x - 95, y - 60 - index % 4) < 9] -= 30
        frames[index] = np.where(rng.random(empty.shape) < holes, 0, np.rint(depth))
    return frames


def test_floor_region_and_background_are_found_under_a_mouse_that_sits_still() -> None:
    arena = calibrate(scene(), CAMERA, 1.0)
    y, x = np.mgrid[:120, :160]
    disc = np.hypot(x - 80, y - 60) < RADIUS_PX
    assert (arena.region & disc).sum() / (arena.region | disc).sum() > 0.75
    assert arena.floor_distance_mm == pytest.approx(FLOOR_MM, abs=1)
    assert np.abs(arena.background_mm[disc] - FLOOR_MM).max() < 5
    assert arena.centre_px == pytest.approx((80, 60), abs=1.5)
    assert warnings(arena) == []


def test_the_unit_of_the_camera_is_obeyed() -> None:
    arena = calibrate(scene() * np.uint16(4), CAMERA, 0.25)
    assert arena.floor_distance_mm == pytest.approx(FLOOR_MM, abs=1)


def test_calibration_repeats_bit_for_bit() -> None:
    first, second = (calibrate(scene(), CAMERA, 1.0, seed=3) for _ in range(2))
    assert first.floor_plane == second.floor_plane
    np.testing.assert_array_equal(first.region, second.region)


def test_a_tilted_floor_is_measured_and_warned_of() -> None:
    slope = 0.5  # mm per pixel; at 600 mm a pixel is 4 mm wide, so atan(0.5 / 4) = 7.1 degrees
    arena = calibrate(scene(tilt_mm_per_px=slope), CAMERA, 1.0)
    assert arena.floor_plane[0] == pytest.approx(slope, abs=0.01)
    assert np.degrees(tilt_rad(arena)) == pytest.approx(7.1, abs=0.2)
    assert any("tilted 7" in warning for warning in warnings(arena))


def test_the_refit_beats_the_draws() -> None:
    background = np.fromfunction(lambda y, x: 600 + 0.1 * x - 0.05 * y, (120, 160)).astype(np.float32)
    background += np.random.default_rng(0).normal(0, 2, background.shape).astype(np.float32)
    a, b, c = floor_plane_of(background, CalibrationSettings(), seed=0)
    assert (a, b) == (pytest.approx(0.1, abs=1e-3), pytest.approx(-0.05, abs=1e-3))
    assert c == pytest.approx(600, abs=0.2)


def spoilt(kind: str) -> np.ndarray:
    """Frames of the scene with one thing wrong."""
    frames = scene(tilt_mm_per_px=0.5) if kind == "tilted" else scene()
    floor = np.s_[:, 44:56, 60:100]
    match kind:
        case "no depth":
            frames[floor] = 0
        case "unsteady":
            frames[:, 44:56, 60:100][np.random.default_rng(0).random((20, 12, 40)) < 0.95] = 0
        case "glass":
            frames[floor] += 60
        case "an arm":
            frames[floor] = 350
        case "cut off":
            frames = frames[:, :, 40:].copy()
        case "far":
            frames = np.pad(frames, ((0, 0), (160, 160), (160, 160)))
    return frames


WARNINGS = {
    "nothing": [],
    "tilted": ["tilted 7"],
    "no depth": ["of the region gives no depth"],
    "unsteady": ["of the region gives no depth"],
    "glass": ["lies below the floor: glass"],
    "an arm": ["250 mm above the floor hides"],
    "cut off": ["cut off at the image's left"],
    "far": ["of the image; move the camera nearer"],
}


@pytest.mark.parametrize("kind", WARNINGS)
def test_what_is_wrong_is_warned_of_and_nothing_else(kind: str) -> None:
    found = warnings(calibrate(spoilt(kind), CAMERA, 1.0))
    assert len(found) == len(WARNINGS[kind]), found
    assert all(part in warning for part, warning in zip(WARNINGS[kind], found, strict=True))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((3, 120, 160), np.uint16), "no readings at the centre"),
        (np.zeros((3, 120, 160), np.float32), "must be uint16"),
        (np.zeros((120, 160), np.uint16), "must be uint16"),
        (np.random.default_rng(0).integers(1, 60000, (3, 120, 160)).astype(np.uint16), "floor|depth_range_mm"),
    ],
)
def test_frames_without_an_arena_are_refused(frames: np.ndarray, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        calibrate(frames, CAMERA, 1.0)


def test_an_arena_survives_the_disk(tmp_path: Path) -> None:
    arena = calibrate(scene(), CAMERA, 1.0)
    path = tmp_path / "arena.toml"
    save_arena(arena, path)
    save_arena(replace(arena, floor_distance_mm=599.0), path)
    loaded = load_arena(path)
    assert loaded.floor_distance_mm == 599.0
    assert loaded.floor_plane == arena.floor_plane
    assert loaded.intrinsics == CAMERA
    np.testing.assert_array_equal(loaded.background_mm, arena.background_mm)
    np.testing.assert_array_equal(loaded.region, arena.region)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_arena_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "arena.toml"
    with pytest.raises(ConfigError, match="etholoop arena"):
        load_arena(path)
    save_arena(calibrate(scene(), CAMERA, 1.0), path)
    (image,) = tmp_path.glob("*.tiff")
    image.write_bytes(image.read_bytes()[:-10])
    with pytest.raises(FileFormatError, match="is not the image"):
        load_arena(path)
    path.write_text("format = 3")
    with pytest.raises(FileFormatError):
        load_arena(path)


@pytest.mark.parametrize(
    ("height", "width", "lens", "complaint"),
    [
        (120, 160, CAMERA, None),
        (120, 160, replace(CAMERA, fx_px=150.1, cx_px=80.4), None),  # the same lens, its numbers rounded
        (240, 320, CAMERA, "160 x 120 pixels, and the images have 320 x 240"),
        (120, 160, replace(CAMERA, fx_px=151.5), "another lens"),
        (120, 160, replace(CAMERA, fy_px=148.5), "another lens"),
        (120, 160, replace(CAMERA, cy_px=63.0), "another lens"),
    ],
)
def test_an_arena_belongs_to_one_camera(height: int, width: int, lens: Intrinsics, complaint: str | None) -> None:
    found = foreign_camera(calibrate(scene(), CAMERA, 1.0), height, width, lens)
    assert found is None if complaint is None else complaint in str(found)
