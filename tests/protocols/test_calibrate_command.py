"""`etholoop calibrate` from files to files."""

import csv
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from offline.calibration.calibrate import rules_of
from offline.calibration.choosing import all_candidates
from offline.calibration.evidence import FILTERED, KINDS, ONE_PHASE
from offline.calibration.labels import NO_LABEL, from_model, from_truth, read_label_file
from offline.calibration.rewrite import at_home_in, with_thresholds
from offline.calibration.tracks import ScoreTrack
from offline.replay.decoded import load_model
from offline.scores import ScoresWriter, session_key, session_sha256
from online.files.bundle import save_bundle
from online.files.truth_file import TruthTable
from online.messages import Truth
from online.simulation.behaviour import make_behaviour
from online.simulation.families import POSTURE
from online.simulation.settings import SimulationSettings
from protocols.parse import parse_protocol
from rig.main import main
from tests.protocols.posture_sessions import STEP, fitted_model, held_out

PROTOCOL = """
[session]
name = "p"            # a comment that must survive
seed = 1
duration_ms = 60_000

[[rules]]
name = "target"
target = TARGET       # another
enter = 0.5
refractory_ms = 200
output = "laser"

[[rules]]
name = "clock"
kind = "periodic"
period_ms = 1000
output = "laser"

[[outputs]]
name = "laser"
channel = 0
width_ms = 10
[limits]
max_width_ms = 10
max_duty = 0.1
window_ms = 1000
min_interval_ms = 10
max_pulses = 100
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, six sessions of scores, the first of which trained it, and a protocol."""
    folder = tmp_path_factory.mktemp("calibration")
    streams = [stream.every(STEP) for stream in held_out(6, 60)]
    sessions = {f"session-{i}": stream.x for i, stream in enumerate(streams)}
    with h5py.File(folder / "scores.h5", "w") as file:
        writer = ScoresWriter(file, 30.0)
        for uuid, x in sessions.items():
            writer.add(uuid, x.astype(np.float32), np.arange(len(x), dtype=np.float32))
    model = fitted_model()
    hashes = {session_key("session-0"): session_sha256(sessions["session-0"])}
    save_bundle(folder / "m.model.h5", replace(model, provenance=replace(model.provenance, data_sha256=hashes)))
    usage = np.bincount(np.concatenate([stream.syllables for stream in streams]))
    (folder / "p.toml").write_text(PROTOCOL.replace("TARGET", str(usage.argmax())))
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = 0
    try:
        main(["calibrate", *map(str, arguments)])
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_protocol_is_calibrated_on_sessions_that_trained_nothing(
    capsys: pytest.CaptureFixture[str], files: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, text, err = run(
        capsys, files / "m.model.h5", files / "scores.h5", "--protocol", files / "p.toml", "--out", out
    )
    assert code == 0, err
    assert "left out: session-0" in err
    assert "chosen on 4 recordings, judged on the one left out" in text
    with (out / "calibration.csv").open() as file:
        rows = {row["rule"]: row for row in csv.DictReader(file)}
    assert set(rows) >= {"published", "filtered", "smoothed 33 ms", "predicted 33 ms", "onset 200 ms", "best of all"}
    assert float(rows["best of all"]["precision"]) > 0.8
    best = rows["best of all"]
    assert float(best["precision_low"]) <= float(best["precision"]) <= float(best["precision_high"])
    assert ("NOT REACHED" in text) is (float(best["precision"]) < 0.9)
    copy = parse_protocol((out / "p.toml").read_text(), "copy").rules[0]
    assert (copy.enter, copy.exit) == (float(best["enter"]), float(best["exit"]))
    assert "# a comment that must survive" in (out / "p.toml").read_text()
    with (out / "frontier.csv").open() as file:
        assert len(list(csv.reader(file))) > 1000
    assert (out / "frontier.png").read_bytes().startswith(b"\x89PNG")
    code, _, err = run(capsys, files / "m.model.h5", files / "scores.h5", "--protocol", out / "p.toml", "--out", out)
    assert (code, "would overwrite an input" in err) == (2, True)


def test_a_precision_that_was_not_kept_is_said_on_the_screen_and_in_the_file(
    capsys: pytest.CaptureFixture[str], files: Path, tmp_path: Path
) -> None:
    few, out = tmp_path / "few.h5", tmp_path / "out"
    with h5py.File(files / "scores.h5") as source, h5py.File(few, "w") as file:
        source.copy("scores/session-1", file.create_group("scores"))
    words = (files / "m.model.h5", few, "--protocol", files / "p.toml", "--out", out, "--precision", 0.9999)
    code, text, err = run(capsys, *words)
    assert code == 0, err
    assert "target: precision" in text
    assert "0.9999 was asked for: NOT REACHED with" in text
    assert "NOT REACHED" in (out / "p.toml").read_text()
    assert json.loads((out / "calibration.json").read_text())["not_reached"]


def test_recordings_that_trained_the_model_are_refused(
    capsys: pytest.CaptureFixture[str], files: Path, tmp_path: Path
) -> None:
    only = tmp_path / "renamed.h5"
    with h5py.File(files / "scores.h5") as source, h5py.File(only, "w") as file:
        source.copy("scores/session-0", file.create_group("scores"), "another name")
    code, _, err = run(capsys, files / "m.model.h5", only, "--out", tmp_path / "out")
    assert (code, "calibrate on recordings that the model has never seen" in err) == (2, True)


def test_without_a_protocol_the_most_used_syllables_are_targets(
    capsys: pytest.CaptureFixture[str], files: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few.h5"
    with h5py.File(files / "scores.h5") as source, h5py.File(few, "w") as file:
        group = file.create_group("scores")
        for uuid in ("session-1", "session-2"):
            source.copy(f"scores/{uuid}", group)
    words = (files / "m.model.h5", few, "--out", tmp_path / "out", "--targets", 2, "--json")
    code, text, _ = run(capsys, *words)
    rows = json.loads(text)["rows"]
    assert code == 0
    assert len({row["target"] for row in rows}) == 2
    assert all(row["method"].startswith("fewer than 5 recordings") for row in rows)


def test_labels_of_apply_serve_as_well(capsys: pytest.CaptureFixture[str], files: Path, tmp_path: Path) -> None:
    model = load_model(files / "m.model.h5")
    labels = tmp_path / "labels.h5"
    main(["apply", str(files / "m.model.h5"), str(files / "scores.h5"), "--out", str(labels), "--method", "smoothed"])
    capsys.readouterr()
    with h5py.File(files / "scores.h5") as file:
        x = file["scores/session-3"][()].astype(np.float64)
    times_ns = np.arange(len(x)) * 33_333_333
    track = ScoreTrack(files / "scores.h5", "session-3", 30.0, np.arange(len(x)), times_ns, x)
    mine, theirs = from_model(track, model.bundle), read_label_file(labels).of(track)
    np.testing.assert_array_equal(mine.syllable, theirs.syllable)
    assert (mine.syllable[:3] == NO_LABEL).all()
    assert (mine.onset_ns <= times_ns).all()


def test_truth_gives_syllables_and_onsets_of_recorded_frames(tmp_path: Path) -> None:
    table, behaviour = TruthTable(8), make_behaviour(0, 4)
    syllable, onset = [0, 0, 1, 1, 1, 2, 2, 2], [0, 0, 2, 2, 2, 5, 5, 5]
    recorded = [False, True, True, True, False, False, True, True]
    for slot in range(8):
        place = {"x_mm": 0.0, "y_mm": 0.0, "heading_rad": 0.0, "length_mm": 1.0, "height_mm": 1.0}
        truth = Truth(syllable=syllable[slot], onset_frame_index=onset[slot], **place)
        table.put(slot, truth, np.zeros(len(POSTURE)), recorded[slot])
    table.write(tmp_path / "truth.h5", SimulationSettings(), behaviour)
    slots = np.array([0, 1, 2, 5, 6])
    track = ScoreTrack(tmp_path, "x", 10.0, slots, slots * 100, np.zeros((5, 1)), tmp_path / "truth.h5")
    labels = from_truth(track)
    assert labels.syllable.tolist() == [0, 1, 1, 2, 2]
    assert labels.onset_ns.tolist() == [0, 100, 100, 400, 400]


def test_only_the_thresholds_of_the_rules_named_change() -> None:
    text = PROTOCOL.replace("TARGET", "1")
    assert with_thresholds(text, {}, {}) == text


def test_the_copys_relative_paths_lead_from_its_own_folder() -> None:
    paths = {"source": "a/b", "match": "/x", "file": "r.py"}
    rules = "".join(f'[[rules]]\n{key} = "{value}"\n' for key, value in paths.items())
    text = rules + '[assignment]\nsealed = "../s"  # keep me\n'
    moved = at_home_in(text, Path("/lab/study"), Path("/lab/out/copy"))
    found = tomllib.loads(moved)
    assert [*found["rules"][0].values(), *found["rules"][1].values()] == ["../../study/a/b", "/x"]
    assert (found["rules"][2]["file"], found["assignment"]["sealed"]) == ("../../study/r.py", "../../s")
    assert "# keep me" in moved
    assert at_home_in(text, Path("/lab/study"), Path("/lab/study")) == text


def test_the_onset_of_everything_else_is_never_offered() -> None:
    every = (FILTERED, *KINDS, ONE_PHASE)
    candidates = all_candidates(len(every))
    for onset in (True, False):
        masks = rules_of(candidates, every, 0.9, False, onset).kinds
        offered = {every[candidates[i].kind].kind for mask in masks.values() for i in np.flatnonzero(mask)}
        assert ("onset" in offered, any("onset" in name for name in masks)) == (onset, onset)
        assert {"filtered", "smoothed", "predicted"} <= offered
