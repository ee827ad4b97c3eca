"""Recordings of every form read back exactly, and damaged ones are refused with what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from online.errors import FileFormatError
from online.files.moseq_folder import open_recording
from online.frame_grid import frame_period_ms, slot_indices
from tests import recordings
from tests.recordings import HEIGHT, PERIOD_MS, SLOTS, TIMESTAMPS_MS, WIDTH, depth_frames

WRITERS = {
    "dat": recordings.write_dat,
    "avi": recordings.write_avi,
    "tar.gz": recordings.write_tar,
    "mkv": recordings.write_azure_mkv,
}


@pytest.mark.parametrize("form", WRITERS)
def test_every_form_gives_back_the_frames_in_any_order(form: str, tmp_path: Path) -> None:
    truth = depth_frames()
    with open_recording(WRITERS[form](tmp_path)) as recording:
        assert (recording.height, recording.width, recording.num_frames) == (HEIGHT, WIDTH, len(SLOTS))
        np.testing.assert_array_equal(recording.slot_indices(), SLOTS)
        buffer = np.full((HEIGHT, WIDTH), 9, np.uint16)
        for index in [*range(len(SLOTS)), 3, 17, 17, 0, 5, 2]:
            recording.read_frame(index, buffer)
            np.testing.assert_array_equal(buffer, truth[index])
    recording.close()


def test_times_and_lens(tmp_path: Path) -> None:
    with open_recording(recordings.write_dat(tmp_path)) as recording:
        np.testing.assert_allclose(recording.timestamps_ms, TIMESTAMPS_MS)
        assert recording.rate_hz == pytest.approx(1000 / PERIOD_MS)
        assert recording.intrinsics.fx_px == 60
        assert recording.intrinsics.cy_px == 24
        assert recording.name == "small"


def test_timestamps_csv_is_in_seconds(tmp_path: Path) -> None:
    recordings.write_dat(tmp_path)
    (tmp_path / "depth_ts.txt").unlink()
    np.savetxt(tmp_path / "timestamps.csv", TIMESTAMPS_MS / 1000, fmt="%.7f")
    with open_recording(tmp_path) as recording:
        np.testing.assert_allclose(recording.timestamps_ms, TIMESTAMPS_MS, atol=1e-3)


def test_lens_of_a_kinect_is_known_and_of_another_camera_asked_for(tmp_path: Path) -> None:
    np.zeros((2, 424, 512), "<u2").tofile(tmp_path / "depth.dat")
    (tmp_path / "depth_ts.txt").write_text("0\n33\n")
    with open_recording(tmp_path) as recording:
        assert recording.intrinsics.fx_px == pytest.approx(361.6, abs=0.05)
        assert recording.intrinsics.fy_px == pytest.approx(367.2, abs=0.05)
    recordings.write_dat(tmp_path)
    (tmp_path / "metadata.json").write_text(json.dumps({"DepthResolution": [WIDTH, HEIGHT]}))
    with open_recording(tmp_path) as recording, pytest.raises(FileFormatError, match="Intrinsics"):
        _ = recording.intrinsics


def _cut_image(folder: Path) -> None:
    with (folder / "depth.dat").open("r+b") as file:
        file.truncate((len(SLOTS) - 2) * HEIGHT * WIDTH * 2 + 100)


def _cut_frames(folder: Path) -> None:
    with (folder / "depth.dat").open("r+b") as file:
        file.truncate((len(SLOTS) - 2) * HEIGHT * WIDTH * 2)


def _write(name: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(text) and None


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut within a frame": (_cut_image, "no whole number of 64x48 frames"),
    "cut after a frame": (_cut_frames, "18 frames but 20 time stamps"),
    "no time stamps": (lambda folder: (folder / "depth_ts.txt").unlink(), "depth_ts.txt is missing"),
    "no depth": (lambda folder: (folder / "depth.dat").unlink(), "holds no depth recording"),
    "empty depth": (_write("depth.dat", ""), "no whole number"),
    "two depths": (lambda folder: (folder / "depth.avi").touch(), "several depth recordings"),
    "text in times": (_write("depth_ts.txt", "1.0\nx\n"), "numbers in its first column"),
    "times in seconds": (
        lambda folder: np.savetxt(folder / "depth_ts.txt", TIMESTAMPS_MS / 1000),
        "cannot be milliseconds",
    ),
    "times run backwards": (
        lambda folder: np.savetxt(folder / "depth_ts.txt", np.roll(TIMESTAMPS_MS, 3)),
        "backwards at frame 3",
    ),
    "metadata no JSON": (_write("metadata.json", "{"), "not JSON"),
    "odd resolution": (_write("metadata.json", '{"DepthResolution": "64x48"}'), "must be"),
    "wrong resolution": (_write("metadata.json", '{"DepthResolution": [50, 50]}'), "frames of 3072 pixels"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(damage: str, tmp_path: Path) -> None:
    recordings.write_dat(tmp_path)
    harm, message = DAMAGE[damage]
    harm(tmp_path)
    with pytest.raises(FileFormatError, match=message):
        open_recording(tmp_path)


@pytest.mark.parametrize("cut", [_cut_image, _cut_frames])
def test_a_cut_recording_opens_trimmed(cut: Callable[[Path], None], tmp_path: Path) -> None:
    recordings.write_dat(tmp_path)
    cut(tmp_path)
    with open_recording(tmp_path, trim=True) as recording:
        assert recording.num_frames == len(recording.timestamps_ms) == len(SLOTS) - 2


def test_damaged_archive_and_video_are_named(tmp_path: Path) -> None:
    archive = recordings.write_tar(tmp_path)
    archive.write_bytes(archive.read_bytes()[:40_000])
    with pytest.raises(FileFormatError, match="truncated or damaged"):
        open_recording(archive)
    (tmp_path / "depth.avi").write_bytes(b"no video" * 100)
    with pytest.raises(FileFormatError, match="cannot be opened as a video"):
        open_recording(tmp_path / "depth.avi")
    with pytest.raises(FileFormatError, match="does not exist"):
        open_recording(tmp_path / "nothing")


def test_a_wrong_buffer_is_refused(tmp_path: Path) -> None:
    with open_recording(recordings.write_dat(tmp_path)) as recording:
        for buffer in (np.zeros((WIDTH, HEIGHT), np.uint16), np.zeros((HEIGHT, WIDTH), np.int32)):
            with pytest.raises(ValueError, match="C-ordered uint16 buffer"):
                recording.read_frame(0, buffer)
        with pytest.raises(IndexError):
            recording.read_frame(len(SLOTS), np.zeros((HEIGHT, WIDTH), np.uint16))


def test_the_floor_rule_loses_one_frame_of_a_gap() -> None:
    times = np.cumsum(np.concatenate(([0.0], [199.95], np.full(12, 33.3), [134.12], [99.87], np.full(800, 33.32))))
    assert frame_period_ms(times) == pytest.approx(33.32, abs=0.01)
    assert sorted(np.diff(slot_indices(times)) - 1)[-4:] == [0, 2, 3, 5]
    assert sorted(np.diff(slot_indices(times, "floor")) - 1)[-4:] == [0, 1, 3, 4]


@pytest.mark.xdist_group("real recording")
def test_real_recording_has_900_frames_and_gaps_of_5_3_and_2(real_recording: Path) -> None:
    with open_recording(real_recording) as recording:
        assert (recording.num_frames, recording.height, recording.width) == (900, 424, 512)
        steps = np.diff(recording.slot_indices())
        assert {int(i): int(steps[i]) - 1 for i in np.flatnonzero(steps > 1)} == {0: 5, 13: 3, 14: 2}
        floor = np.diff(recording.slot_indices("floor"))
        assert {int(i): int(floor[i]) - 1 for i in np.flatnonzero(floor > 1)} == {0: 4, 13: 3, 14: 1}
        buffer = np.zeros((424, 512), np.uint16)
        recording.read_frame(899, buffer)
        assert 500 < np.median(buffer[buffer > 0]) < 800
