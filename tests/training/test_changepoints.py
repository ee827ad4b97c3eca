"""Changepoints: found where simulated bodies change, blind only where they must be, and as published when asked."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from offline.changepoints import (
    ChangepointSettings,
    SessionChanges,
    block_durations_s,
    change_trace,
    changepoints,
    project,
    read_changepoints,
    write_changepoints,
)
from offline.changepoints_command import command
from offline.results import open_results, read_crops, read_held_crops
from online.errors import FileFormatError
from tests.real_data import MOSEQ, needs_moseq
from tests.training.results_files import crops, write_results

CHANGES = [40, 75, 100, 160]


def holding_still() -> np.ndarray:
    """200 frames in which one of five bodies is held, with noise, and exchanged over two frames at CHANGES."""
    rng = np.random.default_rng(0)
    bodies = crops(200, 3)[::40].astype(float)
    held = np.searchsorted(CHANGES, np.arange(200), side="right")
    frames = bodies[held]
    for change in CHANGES:
        frames[change] = (frames[change - 1] + frames[change + 1]) / 2
    noisy = frames + rng.normal(0, 3, frames.shape) * (frames > 0)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def found(frames: np.ndarray, slots: np.ndarray | None = None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    settings = ChangepointSettings(seed=seed)
    grid = np.arange(len(frames)) if slots is None else slots
    trace = change_trace(project([frames[:90], frames[90:]], settings), grid, settings)
    return changepoints(trace, 0.5), trace


def test_changes_are_found_where_they_are() -> None:
    points, trace = found(holding_still())
    assert len(points) == 4
    assert np.abs(points - CHANGES).max() <= 1
    assert np.isnan(trace[:8]).all()
    assert np.isfinite(trace[8:-8]).all()
    assert np.nanmin(trace) == 0
    np.testing.assert_array_equal(trace, found(holding_still())[1])
    assert (trace[8:-8] != found(holding_still(), seed=1)[1][8:-8]).any()


def test_no_change_spans_a_dropped_or_empty_frame() -> None:
    frames = holding_still()
    dropped = np.arange(200) + 3 * (np.arange(200) >= 75)
    points, trace = found(frames, dropped)
    assert len(trace) == 203
    assert np.isnan(trace[75 - 8 : 75 + 3 + 8]).all()
    np.testing.assert_allclose(points, [40, 103, 163], atol=1)
    frames[100] = 0
    points, trace = found(frames)
    assert np.isnan(trace[92:109]).all()
    np.testing.assert_allclose(points, [40, 75, 160], atol=1)


def test_a_session_without_a_mouse_has_none() -> None:
    points, trace = found(np.zeros((120, 80, 80), np.uint8))
    assert points.size == 0
    assert np.isnan(trace).all()


@pytest.mark.parametrize("num_frames", [0, 1, 5, 17])
@pytest.mark.parametrize("compatible", [False, True])
def test_short_sessions_have_none(num_frames: int, compatible: bool) -> None:
    settings = ChangepointSettings(compatible=compatible)
    trace = change_trace(project([holding_still()[:num_frames]], settings), np.arange(num_frames), settings)
    assert trace.shape == (num_frames,)
    assert changepoints(trace, 0.5).size == 0


def test_command_writes_the_published_layout(tmp_path: Path) -> None:
    first = write_results(tmp_path / "a.h5", "uuid-a", holding_still())
    second = write_results(tmp_path / "b.h5", "uuid-b", holding_still()[:90])
    out, picture = tmp_path / "changepoints.h5", tmp_path / "blocks.png"
    arguments = [str(first), str(second), "--out", str(out), "--picture", str(picture), "--json"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    summary = json.loads(result.stdout)
    assert summary["changepoints"] == 6
    assert summary["median_block_ms"] == pytest.approx(35 * 1000 / 30, abs=60)
    with h5py.File(out) as file:
        assert file["metadata/fps"][()] == 30
        assert file["cps/uuid-a"].shape == (4, 1)
        assert file["cps_score/uuid-a"].shape == (200,)
    np.testing.assert_allclose(read_changepoints(out)[0]["uuid-a"].times_s * 30, CHANGES, atol=1)
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FileFormatError, match="not a file of changepoints"):
        read_changepoints(picture)


@pytest.mark.parametrize(
    ("times", "rate", "complaint"),
    [([0.5, np.nan], 30.0, "rising order"), ([0.5, 0.2], 30.0, "rising order"), ([0.5, 0.9], 0.0, "rate is 0 Hz")],
)
def test_times_that_cannot_be_are_refused(tmp_path: Path, times: list[float], rate: float, complaint: str) -> None:
    write_changepoints(tmp_path / "cp.h5", [SessionChanges("a", np.array(times), np.zeros(90))], rate)
    with pytest.raises(FileFormatError, match=complaint):
        read_changepoints(tmp_path / "cp.h5")


def test_a_gap_in_the_recording_is_no_block() -> None:
    trace = np.zeros(300)
    trace[40:58] = np.nan  # about one dropped frame
    trace[100:200] = np.nan
    times_s = np.array([10, 30, 70, 90, 210, 250]) / 30
    np.testing.assert_allclose(block_durations_s(times_s, trace, 30.0) * 30, [20, 40, 20, 40])
    assert len(block_durations_s(times_s[:1], trace, 30.0)) == 0


def test_what_hides_the_mouse_is_no_change_of_behaviour(tmp_path: Path) -> None:
    frames = holding_still()
    covered = np.zeros(frames.shape, bool)
    covered[55:65, :, 30:50] = covered[120:135, 20:45] = True
    path = write_results(tmp_path / "results_00.h5", "u", np.where(covered, 0, frames).astype(np.uint8))
    with h5py.File(path, "a") as file:
        file["frames_covered"] = covered
    session = open_results(path, "round")
    held = np.concatenate(list(read_held_crops(session, chunk=60)))
    np.testing.assert_array_equal(held[~covered], frames[~covered])
    np.testing.assert_array_equal(held[60, :, 30:50], frames[54, :, 30:50])
    assert len(found(np.concatenate(list(read_crops(session))))[0]) > 4
    assert len(found(held)[0]) == 4
    assert np.abs(found(held)[0] - CHANGES).max() <= 1


@needs_moseq
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_published_changepoints_are_met(seed: int) -> None:
    settings = ChangepointSettings(compatible=True, seed=seed)
    session = open_results(MOSEQ / "results_00.h5", "floor")
    trace = change_trace(project(read_crops(session), settings), session.slots, settings)
    points = changepoints(trace, settings.threshold)
    with h5py.File(MOSEQ / "changepoints.h5") as file:
        published = file["cps/5c72bf30-9596-4d4d-ae38-db9a7a28e912"][:, 0] * file["metadata/fps"][()]
        theirs = file["cps_score/5c72bf30-9596-4d4d-ae38-db9a7a28e912"][:]
    np.testing.assert_array_equal(np.isnan(trace), np.isnan(theirs))
    known = np.isfinite(trace)
    assert np.corrcoef(trace[known], theirs[known])[0, 1] >= 0.97
    assert np.mean([np.abs(points - point).min() <= 1.01 for point in published]) >= 0.9
