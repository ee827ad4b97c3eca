"""A classifier of nose and tail learns from marked ranges or from walking, and is used by the same extraction."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from offline.extract.flips import command, load_weights, walks_in
from offline.results import open_results
from online.errors import FileFormatError
from online.head_tail import FEATURES, asymmetry, weights_in_order
from tests.extract_sessions import extract, write_session


def body(nose_right: bool, seed: int) -> np.ndarray:
    """A crop of a body that narrows towards its nose and is higher behind."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:80, :80] - 40.0
    long = rng.uniform(18, 24)
    along = columns if nose_right else -columns
    inside = (np.abs(along) < long) & (np.abs(rows) < rng.uniform(8, 11) * (1 - 0.4 * (along + long) / (2 * long)))
    heights = 40 - 8 * along / long + rng.normal(0, 2, along.shape)
    return np.where(inside, heights, 0).astype(np.uint8)


def write_results(path: Path, nose_right: np.ndarray) -> None:
    crops = np.stack([body(bool(right), seed) for seed, right in enumerate(nose_right)])
    forwards = np.where(nose_right, 3.0, -3.0)
    with h5py.File(path, "w") as file:
        file["frames"], file["frames_mask"] = crops, crops > 0
        file["scalars/centroid_x_mm"] = np.cumsum(forwards)
        file["scalars/centroid_y_mm"] = file["scalars/angle"] = np.zeros(len(crops))


def flips(*arguments: str | Path) -> tuple[int, str]:
    outcome = CliRunner().invoke(command, [str(argument) for argument in arguments])
    return outcome.exit_code, f"{outcome.output}{outcome.exception or ''}"


def test_marked_ranges_train_a_classifier(tmp_path: Path) -> None:
    write_results(tmp_path / "results.h5", np.arange(120) < 60)
    (tmp_path / "marked.csv").write_text(
        "results,first,last,nose\nresults.h5,0,29,right\nresults.h5,30,59,right\nresults.h5,60,119,left\n"
    )
    code, output = flips("--ranges", tmp_path / "marked.csv", "--out", tmp_path / "weights.json")
    assert code == 0
    assert "100.0% of held-out frames right" in output
    weights = weights_in_order(load_weights(tmp_path / "weights.json"))
    for right in (True, False):
        crop, features = body(right, 1000), np.zeros(len(FEATURES))
        asymmetry(crop, (crop > 0).astype(np.int32), 1, crop.shape, (40.0, 40.0, 0.0), features)
        assert (features @ weights > 0) == right
        turned = np.zeros(len(FEATURES))
        asymmetry(crop, (crop > 0).astype(np.int32), 1, crop.shape, (40.0, 40.0, np.pi), turned)
        np.testing.assert_allclose(turned, -features, atol=1e-12)


def test_walking_trains_a_classifier_without_marks(tmp_path: Path) -> None:
    write_results(tmp_path / "results.h5", np.arange(160) // 40 % 2 == 0)
    walks = walks_in(tmp_path / "results.h5")
    assert {walk.nose_right for walk in walks} == {True, False}
    code, output = flips(tmp_path / "results.h5", "--out", tmp_path / "weights.json")
    assert code == 0
    assert json.loads((tmp_path / "weights.json").read_text())["accuracy"] > 0.95, output


def test_wrong_marks_are_refused(tmp_path: Path) -> None:
    write_results(tmp_path / "results.h5", np.ones(10, bool))
    (tmp_path / "marked.csv").write_text("results,first,last,nose\nresults.h5,0,9,up\n")
    code, output = flips("--ranges", tmp_path / "marked.csv", "--out", tmp_path / "w.json")
    assert code != 0
    assert "line 2" in output
    assert "at least 50" in flips(tmp_path / "results.h5", "--out", tmp_path / "w.json")[1]
    assert "either" in flips("--out", tmp_path / "w.json")[1]
    (tmp_path / "no results.h5").write_text("nothing of the kind")
    with pytest.raises(FileFormatError, match="no extracted session"):
        walks_in(tmp_path / "no results.h5")
    with pytest.raises(FileFormatError, match="finite weights"):
        weights_in_order({"skewness": 1.0})


def test_the_classifier_is_kept_with_the_results(tmp_path: Path) -> None:
    write_session(tmp_path / "a", "a")
    weights = dict.fromkeys(FEATURES, 0.0) | {"skewness": 1.0}
    (tmp_path / "w.json").write_text(json.dumps({"head_tail_weights": weights}))
    code, _, error = extract(tmp_path / "a", "--head-tail", tmp_path / "w.json", "--no-movie")
    assert (code, error) == (0, None)
    assert open_results(tmp_path / "a/proc/results_00.h5").extraction.head_tail_weights == weights
