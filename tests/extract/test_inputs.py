"""The same frames give the same results, whichever file they come from; what is not right with a session is said."""

from pathlib import Path

import av
import h5py
import numpy as np
import pytest

from offline.extract.inputs import results_folder
from offline.extract.quality import COMPARED, checks_of, unusual_sessions
from online.files.arena_file import save_arena
from online.files.session_file import SessionShape, SessionWriter
from online.messages import Frame
from rig.cameras.convert import convert
from rig.clock import SystemClock
from tests.bodies import arena_of
from tests.extract_sessions import HEIGHT, LENS, WIDTH, extract, write_session


def crops(results: Path) -> np.ndarray:
    with h5py.File(results) as file:
        return np.asarray(file["frames"])


def write_session_file(folder: Path, frames: np.ndarray, slots: np.ndarray, depth: bool = True) -> None:
    """A session of Etholoop's with depth in units of 0.5 mm."""
    shape = SessionShape(HEIGHT, WIDTH, 3, 0, 2, 80, depth, 1)
    camera = {"rate_hz": 1000 / 33.3, "depth_unit_mm": 0.5, **{f"{name}_px": value for name, value in LENS.items()}}
    folder.mkdir()
    writer = SessionWriter(folder / "session.h5", shape, {}, {"subject": "m1", "session": "s1", "camera": camera})
    for slot, frame in zip(slots, frames, strict=True):
        time_ns = round(slot * 33.3e6)
        header = Frame(
            frame_index=int(slot) + 7,
            dropped_before=0,
            frame_number=int(slot),
            device_time_ns=time_ns,
            capture_time_ns=time_ns,
            arrival_time_ns=time_ns,
            published_time_ns=time_ns,
            height=HEIGHT,
            width=WIDTH,
            truth=None,
        )
        writer.append(header, memoryview((frame * np.uint16(2)).tobytes()))
    writer.close()


def test_moseq_folder_realsense_file_and_session_give_the_same_crops(tmp_path: Path) -> None:
    slots = write_session(tmp_path / "moseq", "m1")
    frames = np.fromfile(tmp_path / "moseq/depth.dat", "<u2").reshape(-1, HEIGHT, WIDTH)
    convert(tmp_path / "moseq", tmp_path / "realsense.db3", SystemClock())
    write_session_file(tmp_path / "etholoop", frames, slots)
    sources = [tmp_path / name for name in ("moseq", "realsense.db3", "etholoop")]
    code, output, error = extract(*sources, "--no-movie")
    assert (code, error) == (0, None)
    assert output.count("40 frames, 2 dropped, 1 without a mouse") == 3
    expected, *others = (crops(results_folder(source) / "results_00.h5") for source in sources)
    assert expected.any()
    for found in others:
        np.testing.assert_array_equal(found, expected)
    with h5py.File(tmp_path / "etholoop/proc/results_00.h5") as file:
        assert file["metadata/acquisition/SubjectName"].asstr()[()] == "m1"
        np.testing.assert_allclose(np.diff(file["timestamps"][:]), np.diff(slots) * 33.3)


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("a/session_1.tar.gz", "a/session_1/proc"),
        ("a/session_1.tgz", "a/session_1/proc"),
        ("a/x.db3", "a/x/proc"),
        ("a/depth.dat", "a/proc"),
    ],
)
def test_results_stand_beside_what_they_came_from(path: str, folder: str) -> None:
    assert results_folder(Path(path)) == Path(folder)


def test_what_cannot_be_extracted_is_refused(tmp_path: Path) -> None:
    slots = write_session(tmp_path / "moseq", "m1")
    frames = np.fromfile(tmp_path / "moseq/depth.dat", "<u2").reshape(-1, HEIGHT, WIDTH)
    write_session_file(tmp_path / "no depth", frames[:0], slots[:0])
    (tmp_path / "broken.db3").write_bytes(b"SQLite format 3\0 and then nothing")
    for name in ("no depth", "broken.db3"):
        code, _, error = extract(tmp_path / name)
        assert code != 0
        assert name in str(error)
        assert not results_folder(tmp_path / name).exists() or not list(results_folder(tmp_path / name).iterdir())


def test_the_arena_of_another_camera_is_refused(tmp_path: Path) -> None:
    write_session(tmp_path / "session", "m1")
    save_arena(arena_of(), tmp_path / "arena.toml")
    code, _, error = extract(tmp_path / "session", "--arena", tmp_path / "arena.toml")
    assert code != 0
    assert "320 x 240 pixels, and the images have 160 x 120" in str(error)


def test_a_folder_that_cannot_be_written_stops_no_other(tmp_path: Path) -> None:
    for name in "ab":
        write_session(tmp_path / name, "m1")
    (tmp_path / "a/proc").write_text("a file where a folder is needed")
    code, _, error = extract(tmp_path / "a", tmp_path / "b", "--no-movie")
    assert code != 0
    assert "a/proc" in str(error)
    assert (tmp_path / "b/proc/results_00.h5").exists()


def test_the_movie_has_every_frame(tmp_path: Path) -> None:
    write_session(tmp_path / "a", "m1")
    assert extract(tmp_path / "a")[0] == 0
    with av.open(str(tmp_path / "a/proc/results_00.mp4")) as movie:
        pictures = [picture.to_ndarray(format="rgb24") for picture in movie.decode(video=0)]
    assert len(pictures) == 40
    crop = [picture[:80, :80].max() for picture in pictures]
    assert crop[29] > 100
    assert crop[30] < 60  # no mouse


def scalars_like(**changed: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    scalars = {name: rng.normal(100, 5, 400) for name in (*COMPARED, "area_px", "centroid_x_px")}
    return scalars | changed


def test_checks_name_what_is_wrong() -> None:
    times = np.arange(400) * 100 / 3
    assert checks_of(scalars_like(), times, 30.0).failed == []
    assert checks_of(scalars_like(), times * 1.2, 30.0).failed == ["dropped_frames"]
    still = np.where(np.arange(400) < 40, 0.0, 9.0)
    assert checks_of(scalars_like(velocity_2d_mm=still), times, 30.0).failed == ["stationary"]
    area = scalars_like()["area_px"]
    gone = scalars_like(
        area_px=np.where(np.arange(400) < 40, 0, area), centroid_x_px=np.where(np.arange(400) < 40, np.nan, area)
    )
    assert checks_of(gone, times, 30.0).failed == ["missing", "size_anomaly", "corrupted"]


def test_a_session_unlike_the_others_stands_out() -> None:
    rng = np.random.default_rng(0)
    means = [{name: float(rng.normal(100, 1)) for name in COMPARED} for _ in range(30)]
    means[4] = dict.fromkeys(COMPARED, 160.0)
    assert unusual_sessions(means)[4]
    assert sum(unusual_sessions(means)) <= 4
    assert unusual_sessions(means[:5]) == [False] * 5
