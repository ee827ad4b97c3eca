"""`etholoop extract` writes what the published tools read, from the same functions that run at the rig."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from offline.results import open_results, read_covered
from online import extraction
from online.arena import Intrinsics
from online.arena_calibration import calibrate
from online.errors import FileFormatError
from online.model import ExtractionSettings
from tests.extract_sessions import FLOOR_MM, HEIGHT, LENS, WIDTH, extract, write_session

PUBLISHED_SCALARS = {
    *("angle", "area_mm", "area_px", "centroid_x_mm", "centroid_x_px", "centroid_y_mm", "centroid_y_px"),
    *("height_ave_mm", "length_mm", "length_px", "width_mm", "width_px", "velocity_theta"),
    *("velocity_2d_mm", "velocity_2d_px", "velocity_3d_mm", "velocity_3d_px"),
}


def test_results_have_the_published_layout_and_true_units(tmp_path: Path) -> None:
    slots = write_session(tmp_path / "a", "mouse 1")
    code, output, _ = extract(tmp_path / "a")
    assert code == 0
    assert "40 frames, 2 dropped, 1 without a mouse" in output
    with h5py.File(tmp_path / "a/proc/results_00.h5") as file:
        assert file["frames"].shape == file["frames_mask"].shape == (40, 80, 80)
        assert file["frames"].dtype == np.uint8
        assert file["frames_mask"].dtype == bool
        np.testing.assert_allclose(file["timestamps"], 1000 + slots * 33.3)
        assert set(file["scalars"]) >= PUBLISHED_SCALARS
        assert all(data.dtype == np.float32 and "unit" in data.attrs for data in file["scalars"].values())
        scalars = {name: data[:] for name, data in file["scalars"].items()}
        assert file["metadata/acquisition/SubjectName"].asstr()[()] == "mouse 1"
        assert file["metadata/extraction/parameters/mm_per_crop_pixel"][()] == 1.85
        assert file["metadata/extraction/true_depth"][()] == pytest.approx(FLOOR_MM, abs=0.6)
        assert file["metadata/extraction/roi"].shape == (HEIGHT, WIDTH)
        identity = file["metadata/uuid"].asstr()[()]
        assert not file["frames"][30].any()
    description = yaml.safe_load((tmp_path / "a/proc/results_00.yaml").read_text())
    assert description["complete"] is True
    assert description["uuid"] == identity
    seen = np.arange(40) != 30
    assert np.isnan(scalars["centroid_x_mm"][30])
    assert scalars["area_px"][30] == 0
    np.testing.assert_allclose(scalars["centroid_x_px"][seen], (50 + slots)[seen], atol=0.6)
    speed_mm = (FLOOR_MM - 30) / LENS["fx"]
    assert scalars["velocity_2d_mm"][21] == pytest.approx(speed_mm, rel=0.15)  # three slots after frame 20
    assert np.nanmedian(scalars["speed_mm_s"]) == pytest.approx(speed_mm / 0.0333, rel=0.05)


def test_crops_are_those_that_the_rig_would_make(tmp_path: Path) -> None:
    slots = write_session(tmp_path / "a", "mouse 1")
    frames = np.fromfile(tmp_path / "a/depth.dat", "<u2").reshape(-1, HEIGHT, WIDTH)
    camera = Intrinsics(LENS["fx"], LENS["fy"], LENS["cx"], LENS["cy"])
    state = extraction.init(ExtractionSettings(1.85), calibrate(frames, camera, 1.0), 1.0, 1000 / 33.3)
    live = [
        extraction.step(state, frame, int(step), 0).crop.copy()
        for frame, step in zip(frames, np.diff(slots, prepend=-1), strict=True)
    ]
    assert extract(tmp_path / "a", "--no-movie")[0] == 0
    with h5py.File(tmp_path / "a/proc/results_00.h5") as file:
        np.testing.assert_array_equal(file["frames"], np.stack(live))


def test_sessions_in_parallel_equal_sessions_one_by_one_and_a_bad_one_stops_no_other(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_session(tmp_path / name, name)
    whole = (tmp_path / "b/depth.dat").read_bytes()
    (tmp_path / "b/depth.dat").write_bytes(whole[:-7])
    sessions = [tmp_path / name for name in ("a", "b", "c")]
    code, _, error = extract(*sessions, "--jobs", "2")
    assert code != 0
    assert "b: " in str(error)
    assert isinstance(error, FileFormatError)
    together = [(tmp_path / name / "proc/results_00.h5") for name in ("a", "c")]
    first = [h5py.File(path)["frames"][:] for path in together]
    code, output, _ = extract(tmp_path / "a", tmp_path / "c", "--overwrite", "--json")
    assert code == 0
    assert [report["missing"] for report in json.loads(output)["sessions"]] == [1, 1]
    for before, path in zip(first, together, strict=True):
        np.testing.assert_array_equal(before, h5py.File(path)["frames"])
    assert not list(tmp_path.glob("*/proc/.*"))


def test_results_are_kept_unless_told_otherwise(tmp_path: Path) -> None:
    write_session(tmp_path / "a", "a")
    extract(tmp_path / "a")
    before = (tmp_path / "a/proc/results_00.h5").stat().st_mtime_ns
    code, output, _ = extract(tmp_path / "a")
    assert code == 0
    assert "--overwrite" in output
    assert (tmp_path / "a/proc/results_00.h5").stat().st_mtime_ns == before


def test_compatible_results_take_the_cameras_pixels_and_the_published_arithmetic(tmp_path: Path) -> None:
    write_session(tmp_path / "a", "a")
    assert extract(tmp_path / "a", "--compat", "moseq2")[0] == 0
    results = open_results(tmp_path / "a/proc/results_00.h5")
    assert results.extraction.convention == "moseq2"
    assert results.extraction.mm_per_crop_pixel == pytest.approx(FLOOR_MM / LENS["fx"], rel=1e-2)
    with h5py.File(tmp_path / "a/proc/results_00.h5") as file:
        focal_px = 512 / (2 * np.radians(70.6 / 2))
        length = file["scalars/length_mm"][5] / file["scalars/length_px"][5]
        assert length == pytest.approx(file["metadata/extraction/true_depth"][()] / focal_px, rel=1e-5)
        step = np.diff(file["scalars/centroid_x_px"][:])[20]
        assert step == pytest.approx(3, abs=0.5)
        assert file["scalars/velocity_2d_px"][21] == pytest.approx(step, abs=0.3)  # two dropped frames forgotten


def test_a_mask_reaches_the_results(tmp_path: Path) -> None:
    write_session(tmp_path / "a", "mouse 1")
    write_session(tmp_path / "b", "mouse 1")
    mask = tmp_path / "mask.toml"
    mask.write_text(
        f"image_size_px = [{WIDTH}, {HEIGHT}]\n[[polygons]]\ncorners_px = [[66, 0], [77, 0], [77, 119], [66, 119]]"
    )
    assert extract(tmp_path / "a")[0] == extract(tmp_path / "b", "--mask", mask)[0] == 0
    found = {}
    for name in "ab":
        with h5py.File(tmp_path / name / "proc/results_00.h5") as file:
            found[name] = file["frames"][:], file["frames_covered"][:], file["scalars/centroid_x_px"][:]
    assert not found["a"][1].any()
    covered = found["b"][1]
    assert covered[10].sum() == pytest.approx(12 * 57 + 12 * 20, rel=0.4)
    assert not covered[30].any()
    assert np.nanmax(np.abs(found["a"][2] - found["b"][2])) < 3
    (blocks,) = read_covered(open_results(tmp_path / "b/proc/results_00.h5"))
    np.testing.assert_array_equal(blocks, covered)
    code, _, error = extract(tmp_path / "a", "--mask", tmp_path / "none.toml", "--overwrite")
    assert code != 0
    assert "no mask file" in str(error)
