"""`etholoop simulate`: folders that are read like any recording, with the truth beside every frame."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from offline import simulate
from offline.simulate import Task, simulate_session
from online.errors import FileFormatError
from online.files.moseq_folder import open_recording
from online.files.truth_file import read_truth
from online.simulation.settings import SimulationSettings
from rig.main import main
from tests.simulation.mice import simulate as simulated

SETTINGS = SimulationSettings(width=320, height=240, seed=5, drop_probability=0.1)
COMMAND = ["simulate", "--sessions", "2", "--minutes", "0.1", "--seed", "5", "--drop", "0.1", "--json"]


def test_recording_holds_the_frames_and_the_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([*COMMAND, "--out", str(tmp_path / "out"), "--jobs", "1"])
    reports = json.loads(capsys.readouterr().out)["sessions"]
    assert [report["seed"] for report in reports] == [5, 6]
    folder = tmp_path / "out" / "session_0005"
    expected = simulated(SETTINGS, 180)
    truth = read_truth(folder / "truth.h5")
    np.testing.assert_array_equal(truth.recorded, expected.recorded)
    np.testing.assert_array_equal(truth.syllable, [t.syllable for t in expected.truths])
    np.testing.assert_array_equal(truth.heading_rad, [t.heading_rad for t in expected.truths])
    np.testing.assert_array_equal(truth.posture, expected.postures)
    assert truth.syllable_names == expected.state.behaviour.names
    buffer = np.zeros((240, 320), np.uint16)
    with open_recording(folder) as recording:
        assert recording.num_frames == expected.recorded.sum() == reports[0]["frames"]
        assert recording.rate_hz == pytest.approx(30)
        assert recording.intrinsics == SETTINGS.intrinsics
        first = truth.frame_slots[0]
        np.testing.assert_array_equal(recording.slot_indices(), truth.frame_slots - first)
        for index in (0, 57, recording.num_frames - 1):
            recording.read_frame(index, buffer)
            np.testing.assert_array_equal(buffer, expected.depth[truth.frame_slots[index]])


def test_jobs_change_nothing(tmp_path: Path) -> None:
    main([*COMMAND, "--out", str(tmp_path), "--jobs", "2"])
    for seed in (5, 6):
        expected = simulated(replace(SETTINGS, seed=seed), 180)
        written = np.fromfile(tmp_path / f"session_000{seed}" / "depth.dat", "<u2")
        np.testing.assert_array_equal(written, expected.depth[expected.recorded].ravel())


def test_existing_recordings_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "session_0006"
    kept.mkdir()
    with pytest.raises(SystemExit) as stopped:
        main([*COMMAND, "--out", str(tmp_path)])
    assert stopped.value.code == 2
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["session_0006"]


@pytest.mark.parametrize("wrong", [["--rate", "50"], ["--width", "40"], ["--drop", "1"], ["--minutes", "1e9"]])
def test_impossible_wishes_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*COMMAND, "--out", str(tmp_path / "out"), *wrong])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("etholoop: ")
    assert not list(tmp_path.glob("out/*"))


def test_a_session_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_session(Task(tmp_path / "session", SETTINGS, 200), interrupted)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_truth_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "truth.h5").write_bytes(b"nothing")
    with pytest.raises(FileFormatError, match=r"truth\.h5"):
        read_truth(tmp_path / "truth.h5")


def test_help_has_an_example() -> None:
    assert simulate.command.epilog is not None
    assert "Example: etholoop simulate" in simulate.command.epilog
