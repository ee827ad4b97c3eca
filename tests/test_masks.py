"""A mask that a person drew reaches the arena, its file and its picture; a wrong one is refused with the reason."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from online import extraction
from online.arena_calibration import calibrate, warnings
from online.errors import ConfigError, EtholoopError
from online.files.arena_file import load_arena, save_arena
from online.files.mask_file import load_drawing, load_painting, pixels_of, with_mask
from rig.arena_picture import ORANGE, arena_image
from rig.cameras.protocol import CameraInfo
from rig.configuration import load_rig
from rig.session_checks import check_arena
from rig.session_run import find_arena
from tests.bodies import RATE_HZ, SETTINGS, arena_of, draw, run
from tests.test_arena_calibration import CAMERA, scene

DRAWING = """
image_size_px = [320, 240]

[[polygons]]
name = "arm"
corners_px = [[100, 0], [119, 0], [119, 130], [100, 130]]

[[polygons]]
corners_px = [[200, 200], [210, 200], [205, 210]]
"""


def test_polygons_and_a_painting_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "mask.toml").write_text(DRAWING)
    drawn = pixels_of(load_drawing(tmp_path / "mask.toml"), tmp_path)
    assert drawn.shape == (240, 320)
    assert drawn[:131, 100:120].all()
    assert drawn[203, 205]
    assert drawn.sum() == pytest.approx(131 * 20 + 11 * 11 / 2, abs=12)
    for name in ("mask.png", "mask.tif"):
        Image.fromarray(np.where(drawn, 255, 0).astype(np.uint8)).convert("RGB").save(tmp_path / name)
        np.testing.assert_array_equal(load_painting(tmp_path / name), drawn)


def test_a_masked_arena_survives_the_disk_and_shows_in_its_picture(tmp_path: Path) -> None:
    (tmp_path / "mask.toml").write_text(DRAWING)
    arena = arena_of()
    assert arena.masked is None
    masked = with_mask(arena, tmp_path / "mask.toml")
    save_arena(masked, tmp_path / "arena.toml")
    loaded = load_arena(tmp_path / "arena.toml")
    assert masked.masked is not None
    np.testing.assert_array_equal(loaded.masked, masked.masked)
    assert tuple(arena_image(loaded)[100, 110]) == ORANGE
    save_arena(arena, tmp_path / "arena.toml")
    assert load_arena(tmp_path / "arena.toml").masked is None


def test_an_implant_hides_its_pixels_of_every_crop(tmp_path: Path) -> None:
    path = tmp_path / "mask.toml"
    path.write_text('[[implants]]\nname = "headstage"\ncorners_mm = [[8, -8], [24, -8], [24, 0], [8, 0]]')
    save_arena(with_mask(arena_of(), path), tmp_path / "arena.toml")
    arena = load_arena(tmp_path / "arena.toml")
    assert arena.masked is None
    state = extraction.init(SETTINGS, arena, 1.0, RATE_HZ)
    for heading in (0.0, 1.2, -2.0):
        found = run(state, draw(arena, [(0, 0, heading)]))
        rows, columns = np.nonzero(found.covered)
        assert found.num_covered == len(rows) == 50  # 16 x 8 mm, 1.6 mm a pixel
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (35, 39, 45, 54)
    assert run(state, draw(arena, [])).num_covered == 0
    with pytest.raises(ConfigError, match="scales animals"):
        extraction.init(replace(SETTINGS, reference_size_mm=40.0), arena, 1.0, RATE_HZ)


def test_what_cut_the_region_is_part_of_it_once_it_is_masked(tmp_path: Path) -> None:
    (tmp_path / "mask.toml").write_text(DRAWING)
    arena = arena_of()
    region = arena.region.copy()
    region[:125, 98:121] = False
    masked = with_mask(replace(arena, region=region), tmp_path / "mask.toml").region
    assert masked[20:125, 100:120].all()
    assert not masked[20:125, 98:100].any()
    assert not masked[:10].any()


def test_something_over_the_floor_is_warned_of_until_it_is_masked(tmp_path: Path) -> None:
    frames = scene()
    frames[:, 40:46, 60:100] = 350
    arena = calibrate(frames, CAMERA, 1.0)
    assert "hides" in " ".join(warnings(arena))
    (tmp_path / "mask.toml").write_text(
        "image_size_px = [160, 120]\n[[polygons]]\ncorners_px = [[58, 38], [102, 38], [102, 48], [58, 48]]"
    )
    assert warnings(with_mask(arena, tmp_path / "mask.toml")) == []


def test_a_mask_in_the_rig_file_reaches_the_arena_that_runs(tmp_path: Path) -> None:
    arena = arena_of()
    save_arena(arena, tmp_path / "arena.toml")
    (tmp_path / "mask.toml").write_text(DRAWING)
    (tmp_path / "rig.toml").write_text(
        '[camera]\ndriver = "simulated"\n[arena]\nfile = "arena.toml"\nmask = "mask.toml"\n'
        '[board]\ndriver = "etholoop"\nport = "simulated"\nchannels = { laser = 0 }\n'
    )
    rig = load_rig(tmp_path / "rig.toml")
    check_arena(tmp_path / "rig.toml", rig)
    camera = CameraInfo("camera", "", 320, 240, 30.0, 1.0, 375.0, 375.0, 160.0, 120.0, False, None)
    running = tmp_path / "running"
    running.mkdir()
    found = load_arena(find_arena(rig, camera, running)).masked
    assert found is not None
    np.testing.assert_array_equal(found, pixels_of(load_drawing(tmp_path / "mask.toml"), tmp_path))
    (tmp_path / "mask.toml").unlink()
    with pytest.raises(ConfigError, match="no mask file"):
        check_arena(tmp_path / "rig.toml", rig)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.toml", None, "no mask file"),
        ("mask.toml", "polygons = 3", "not a mask"),
        ("mask.toml", "image_size_px = [320, 240]", "neither"),
        ("mask.toml", DRAWING.replace("image_size_px", "# image_size_px"), "image_size_px is missing"),
        ("mask.toml", "[[implants]]\ncorners_mm = [[1, 2], [3, 4]]", "corners_mm"),
        ("mask.toml", DRAWING.replace("[320, 240]", "[0, 240]"), "image_size_px"),
        ("mask.toml", DRAWING.replace("[320, 240]", "[90, 90]"), "'arm' lies outside"),
        ("mask.toml", DRAWING.replace("[320, 240]", "[640, 480]"), "mask of 640 x 480 pixels"),
        ("mask.toml", DRAWING.replace("[205, 210]", "[205]"), "corners_px"),
        ("mask.toml", "colour = 'red'\n" + DRAWING, "colour"),
        ("mask.toml", "[", "not a TOML file"),
        ("mask.png", "no picture", "not a picture"),
    ],
)
def test_a_mask_that_cannot_be_is_refused(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(EtholoopError, match=message):
        with_mask(arena_of(), tmp_path / name)


def test_a_grey_picture_is_no_mask_and_everything_cannot_be_masked(tmp_path: Path) -> None:
    Image.fromarray(np.full((240, 320), 128, np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(EtholoopError, match="is grey"):
        with_mask(arena_of(), tmp_path / "mask.png")
    Image.fromarray(np.full((240, 320), 255, np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(ConfigError, match="leaves nothing"):
        with_mask(arena_of(), tmp_path / "mask.png")
