"""MoSeq's own files: `results_00.h5`, scores and a moseq2 model's labels, replayed and calibrated on."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import joblib
import numpy as np
import pytest

from offline.calibration.tracks import load_tracks
from offline.model_import import ImportOptions, MoseqFiles, import_model
from offline.replay.decoded import load_model
from offline.scores import ScoresWriter, session_key
from online import projection
from online.files.bundle import load_bundle, save_bundle
from online.files.truth_file import TruthTable
from online.messages import Truth
from online.model import ModelBundle
from online.simulation.behaviour import make_behaviour
from online.simulation.families import POSTURE
from online.simulation.settings import SimulationSettings
from rig.main import main
from tests.offline.test_model_import import moseq_form
from tests.protocols.posture_sessions import STEP, fitted_model, held_out
from tests.real_data import MOSEQ, needs_moseq
from tests.rigs import tiny_model
from tests.training.results_files import crops, write_results

PROTOCOL = """
[session]
name = "moseq"
seed = 1
duration_ms = 1_800_000
[[rules]]
name = "target"
target = [0, 1, 2, 3, 4, 5, 6, 7]
enter = 0.6
refractory_ms = 300
once_per_bout = false
output = "laser"
[[outputs]]
name = "laser"
channel = 0
width_ms = 50
[limits]
max_width_ms = 500
max_duty = 0.5
window_ms = 10_000
min_interval_ms = 20
max_pulses = 2000
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def replayed(capsys: pytest.CaptureFixture[str], recording: Path, model: Path, tmp_path: Path) -> dict[str, Any]:
    protocol = tmp_path / "p.toml"
    protocol.write_text(PROTOCOL if "real" in model.name else PROTOCOL.replace("[0, 1, 2, 3, 4, 5, 6, 7]", "0"))
    code, out, err = run(capsys, "replay", recording, "--protocol", protocol, "--model", model, "--json")
    assert code == 0, err
    (result,) = json.loads(out)["sessions"]
    return dict(result)


def test_crops_and_their_scores_give_the_same_pulses(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bundle, frames = tiny_model(30.0), crops(300, 0)
    save_bundle(tmp_path / "m.model.h5", bundle)
    results = write_results(tmp_path / "results_00.h5", "a", frames)
    assert bundle.projection is not None
    state = projection.init(bundle.projection, 80)
    scores = np.stack([projection.step(state, frame).copy() for frame in frames])
    with h5py.File(results, "a") as file:
        for name in ("centroid_x_mm", "centroid_y_mm", "velocity_2d_mm"):
            file[f"scalars/{name}"] = np.zeros(300)
    with h5py.File(tmp_path / "scores.h5", "w") as file:
        ScoresWriter(file, 30.0).add("a", scores.astype(np.float32), np.arange(300, dtype=np.float32))
    first = replayed(capsys, results, tmp_path / "m.model.h5", tmp_path)
    second = replayed(capsys, tmp_path / "scores.h5", tmp_path / "m.model.h5", tmp_path)
    assert first["rules"] == second["rules"]
    assert first["rules"]["target"]["pulses"] > 3
    assert first["frames"] == 300
    ((track,), trained) = load_tracks(results, load_model(tmp_path / "m.model.h5"))
    np.testing.assert_array_equal(track.scores, scores)
    assert trained == []


def write_truth(path: Path, slots: np.ndarray, syllable: np.ndarray) -> None:
    """What a simulated mouse did, known at every slot of its camera; frames of `slots` were recorded."""
    table, onset = TruthTable(int(slots[-1]) + 1), 0
    place = {"x_mm": 0.0, "y_mm": 0.0, "heading_rad": 0.0, "length_mm": 1.0, "height_mm": 1.0}
    all_of_them = syllable[np.searchsorted(slots, np.arange(slots[-1] + 1))]
    for slot, now in enumerate(all_of_them.tolist()):
        onset = slot if slot and now != all_of_them[slot - 1] else onset
        truth = Truth(syllable=now, onset_frame_index=onset, **place)
        table.put(slot, truth, np.zeros(len(POSTURE)), slot in slots)
    table.write(path, SimulationSettings(), make_behaviour(0, 4))


def test_the_truth_of_a_simulated_mouse_serves_as_reference(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    save_bundle(tmp_path / "m.model.h5", tiny_model(30.0))
    (tmp_path / "mouse" / "proc").mkdir(parents=True)
    results = write_results(tmp_path / "mouse" / "proc" / "results_00.h5", "a", crops(400, 0), gap_after=100)
    words = ("calibrate", tmp_path / "m.model.h5", results, "--out", tmp_path / "out", "--truth", "--json")
    assert run(capsys, *words)[0] == 3
    model = load_model(tmp_path / "m.model.h5")
    ((track,), _) = load_tracks(results, model)
    assert track.slots[-1] == 402
    did = 1 + (track.slots // 13) % 2  # nothing that this model could know
    write_truth(tmp_path / "mouse" / "truth.h5", track.slots, did)
    code, text, err = run(capsys, *words)
    assert code == 0, err
    names = make_behaviour(0, 4).names
    rows = json.loads(text)["rows"]
    assert rows
    for row in rows:
        assert row["target"] in names[1:3]
        assert row["bouts"] in (14, 15)


def test_labels_of_a_moseq2_model_file_serve_as_reference(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    streams, model = [stream.every(STEP) for stream in held_out(2, 60)], fitted_model()
    save_bundle(tmp_path / "m.model.h5", model)
    labels = {}
    with h5py.File(tmp_path / "scores.h5", "w") as file:
        writer = ScoresWriter(file, 30.0)
        for i, stream in enumerate(streams):
            writer.add(f"s{i}", stream.x.astype(np.float32), np.arange(len(stream.x), dtype=np.float32))
            labels[f"s{i}"] = np.where(np.arange(len(stream.x)) < 3, -5, stream.syllables).astype(np.int16)
    joblib.dump(moseq_form(model.arhmm, labels), tmp_path / "moseq.p")
    words = ("calibrate", tmp_path / "m.model.h5", tmp_path / "scores.h5", "--out", tmp_path / "out", "--targets", 2)
    code, text, err = run(capsys, *words, "--labels", tmp_path / "moseq.p", "--json")
    assert code == 0, err
    rows = json.loads(text)["rows"]
    used = np.concatenate([row[3:] for row in labels.values()])
    most = np.argsort(-np.bincount(used), kind="stable")[:2]
    assert {row["target"] for row in rows} == {str(k) for k in most}
    published = [row for row in rows if row["rule"] == "published"]
    starts = {k: sum(int(((np.diff(row) != 0) & (row[1:] == k)).sum()) for row in labels.values()) for k in most}
    assert all(abs(row["bouts"] - starts[int(row["target"])]) <= 3 for row in published)
    assert all(0.7 < row["precision"] <= 1 for row in published)
    del labels["s1"]
    joblib.dump(moseq_form(model.arhmm, labels), tmp_path / "moseq.p")
    code, _, err = run(capsys, *words, "--labels", tmp_path / "moseq.p")
    assert code == 2
    assert "has no labels of" in err
    assert "s1" in err


@pytest.fixture(scope="module")
def real_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published model, as a bundle."""
    names = ("pca.h5", "pca.yaml", "pca_scores.h5", "mock_model.p", "results_00.h5")
    bundle = import_model(MoseqFiles(*(MOSEQ / name for name in names)), ImportOptions(30.0, 1.0))
    path = tmp_path_factory.mktemp("real") / "real.model.h5"
    save_bundle(path, bundle)
    return path


@needs_moseq
def test_a_real_recording_gives_much_the_same_from_crops_and_from_scores(
    capsys: pytest.CaptureFixture[str], real_model: Path, tmp_path: Path
) -> None:
    from_crops = replayed(capsys, MOSEQ / "results_00.h5", real_model, tmp_path)
    from_scores = tmp_path / "one.h5"
    with h5py.File(MOSEQ / "pca_scores.h5") as source, h5py.File(from_scores, "w") as file:
        source.copy(f"scores/{from_crops['subject']}", file.create_group("scores"))
    again = replayed(capsys, from_scores, real_model, tmp_path)
    crops_pulses, scores_pulses = (result["rules"]["target"]["pulses"] for result in (from_crops, again))
    assert crops_pulses > 20
    assert abs(crops_pulses - scores_pulses) <= 3  # moseq2 rounds each gap down: its scores lack two dropped frames


@needs_moseq
def test_a_real_recording_is_refused_where_it_trained_and_judged_where_it_did_not(
    capsys: pytest.CaptureFixture[str], real_model: Path, tmp_path: Path
) -> None:
    for name in ("results_00.h5", "pca_scores.h5"):
        code, _, err = run(capsys, "calibrate", real_model, MOSEQ / name, "--out", tmp_path / "out")
        assert code == 2
        assert "calibrate on recordings that the model has never seen" in err
    unknown = tmp_path / "real.model.h5"
    save_bundle(unknown, without_provenance(real_model))
    words = ("--labels", MOSEQ / "mock_model.p", "--targets", 2, "--out", tmp_path / "out", "--json")
    code, text, err = run(capsys, "calibrate", unknown, MOSEQ / "results_00.h5", *words)
    assert code == 0, err
    rows = {row["rule"]: row for row in json.loads(text)["rows"] if row["target"] == "46"}
    assert rows["published"]["bouts"] > 10
    assert rows["published"]["precision"] > 0.6
    assert rows["published"]["method"].startswith("fewer than 5 recordings")
    assert (tmp_path / "out" / "frontier.png").stat().st_size > 20_000


def without_provenance(path: Path) -> ModelBundle:
    bundle = load_bundle(path)
    other = {session_key("another session"): "0" * 64}
    return replace(bundle, provenance=replace(bundle.provenance, data_sha256=other))
