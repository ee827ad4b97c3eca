"""A bundle made from moseq2's files holds the model that was trained, or is refused with what to do."""

import json
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import joblib
import numpy as np
import pytest
from click.testing import CliRunner

from offline.model_commands import import_command, info_command
from offline.model_import import ImportOptions, MoseqFiles, import_model
from online import projection as projecting
from online.emission import log_likelihoods, whiten
from online.errors import ConfigError, EtholoopError, FileFormatError
from online.files.bundle import load_bundle
from online.files.names import save_names
from online.model import ARHMM, Array, PixelFilter, Projection, Whitening
from online.simulation.arhmm import random_arhmm
from tests.real_data import MOSEQ, needs_moseq

SIZE, D, K, LAGS = 40, 4, 6, 3
OPTIONS = ImportOptions(frame_rate_hz=30.0, pseudo_count=1.0)


@dataclass
class Folder:
    """Files of one trained model, and the truth behind them."""

    files: MoseqFiles
    arhmm: ARHMM
    labels: dict[str, Any]
    raw: dict[str, Any]

    def rewrite(self, compress: int = 0) -> None:
        joblib.dump(self.raw, self.files.model, compress=compress)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Two sessions of blobs, projected with a blur of 1.5 px in both axes while pca.yaml says 1.5 and 1.0."""
    rng = np.random.default_rng(0)
    components = rng.normal(size=(D + 2, SIZE**2)).astype(np.float32)
    state = projecting.init(Projection(components, None, PixelFilter(9, 5.0, 21, 1.5, 1.5)), SIZE)
    scores, frames = {}, {}
    for uuid in ("a", "b"):
        frames[uuid] = np.zeros((150, SIZE, SIZE), np.uint8)
        for frame in frames[uuid]:
            top, left = rng.integers(0, 15, 2)
            frame[top : top + 20, left : left + 18] = rng.integers(20, 80, (20, 18))
        scores[uuid] = np.stack([projecting.step(state, f).copy() for f in frames[uuid]])
        scores[uuid] = np.insert(scores[uuid], 10, np.nan, axis=0)
    rows = np.concatenate(list(scores.values()))[:, :D]
    rows = rows[np.isfinite(rows).all(1)]
    whitening = Whitening(rows.mean(0), np.linalg.cholesky(np.cov(rows.T, bias=True)))
    arhmm = random_arhmm(1, K, D, LAGS, separation=0.5)
    labels = {uuid: likeliest(arhmm, whiten(whitening, s[:, :D])) for uuid, s in scores.items()}
    write_hdf5(tmp_path / "pca.h5", {"components": components})
    (tmp_path / "pca.yaml").write_text(
        "tailfilter_shape: ellipse\ntailfilter_size: [9, 9]\nmask_height_threshold: 5.0\n"
        "gaussfilter_space: [1.5, 1.0]\n"
        "gaussfilter_time: 0.0\nmedfilter_space: [0]\nmedfilter_time: [0]\nuse_fft:\n"
    )
    numbers = np.insert(np.arange(150, dtype=float), 10, np.nan)
    write_hdf5(
        tmp_path / "pca_scores.h5",
        {f"scores/{u}": s.astype(np.float32) for u, s in scores.items()} | {f"scores_idx/{u}": numbers for u in scores},
    )
    write_results(tmp_path / "results_00.h5", frames["a"])
    files = MoseqFiles(
        tmp_path / "pca.h5",
        tmp_path / "pca.yaml",
        tmp_path / "pca_scores.h5",
        tmp_path / "model.p",
        tmp_path / "results_00.h5",
    )
    made = Folder(files, arhmm, labels, moseq_form(arhmm, labels))
    made.rewrite()
    return made


def likeliest(arhmm: ARHMM, x: Array) -> Any:
    likelihood = log_likelihoods(arhmm, x)
    known = np.isfinite(likelihood).all(1)
    labels = np.where(known, np.nan_to_num(likelihood).argmax(1), 0).astype(np.int16)
    labels[:LAGS] = -5
    return labels


def moseq_form(arhmm: ARHMM, labels: dict[str, Any]) -> dict[str, Any]:
    """The model as moseq2-model saves it: oldest lag first, affine term last."""
    blocks = [
        np.concatenate([*a, b[:, None]], axis=1) for a, b in zip(arhmm.ar_coefficients, arhmm.ar_bias, strict=True)
    ]
    return {
        "labels": list(labels.values()),
        "keys": list(labels),
        "train_list": list(labels),
        "model_parameters": {"ar_mat": blocks, "sig": list(arhmm.ar_covariance), "nu": np.nan, "nlags": LAGS},
        "run_parameters": {"whiten": "all", "num_iter": 100},
        "model": None,
    }


def write_hdf5(path: Path, content: dict[str, Any]) -> None:
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            file[name] = value


def write_results(path: Path, frames: Any) -> None:
    write_hdf5(
        path,
        {
            "frames": frames,
            "timestamps": 1000 / 30 * np.arange(len(frames)),
            "metadata/uuid": "a",
            "metadata/extraction/true_depth": 673.5,
            "metadata/extraction/roi": np.ones((424, 512), bool),
            "metadata/extraction/parameters/min_height": 10,
            "metadata/extraction/parameters/max_height": 90,
            "metadata/extraction/parameters/tail_filter_size": [9, 9],
        },
    )


@pytest.fixture
def pyhsmm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Classes of the names that moseq2 pickles, for writing; gone again when the file is read."""
    module = types.ModuleType("pyhsmm_like")
    for name in ("Model", "Transitions", "Row"):
        setattr(module, name, type(name, (), {"__module__": "pyhsmm_like"}))
    monkeypatch.setitem(sys.modules, "pyhsmm_like", module)
    return module


def transitions_object(pyhsmm: Any, matrix: Array) -> Any:
    transitions = pyhsmm.Transitions()
    transitions._row_distns = [pyhsmm.Row() for _ in matrix]
    for row, weights in zip(transitions._row_distns, matrix, strict=True):
        row.weights = weights
    return transitions


def test_the_model_comes_through_unchanged(folder: Folder) -> None:
    bundle = import_model(folder.files, OPTIONS)
    np.testing.assert_array_equal(bundle.arhmm.ar_coefficients, folder.arhmm.ar_coefficients)
    np.testing.assert_array_equal(bundle.arhmm.ar_bias, folder.arhmm.ar_bias)
    np.testing.assert_allclose(bundle.arhmm.ar_covariance, folder.arhmm.ar_covariance)
    assert bundle.runs_at_rig
    assert bundle.extraction is not None
    assert bundle.extraction.mm_per_crop_pixel == pytest.approx(673.5 / 361.56, rel=1e-3)
    assert bundle.extraction.max_height_mm == 90
    assert bundle.extraction.opening_diameter_px == 9
    assert bundle.provenance.transition_source == "estimated from labels"
    assert bundle.provenance.pseudo_count == 1
    assert "(100.0 %)" in bundle.provenance.notes


def test_the_blur_that_made_the_scores_is_found(folder: Folder) -> None:
    bundle = import_model(folder.files, OPTIONS)
    assert bundle.projection is not None
    assert (bundle.projection.pixel_filter.blur_sigma_x_px, bundle.projection.pixel_filter.blur_sigma_y_px) == (
        1.5,
        1.5,
    )
    without = MoseqFiles(*(getattr(folder.files, n) for n in ("pca", "pca_yaml", "scores", "model")), results=None)
    with pytest.raises(ConfigError, match=r"--blur-sigma 1\.5 1\.5"):
        import_model(without, OPTIONS)
    options = ImportOptions(30.0, 1.0, mm_per_px=1.8, blur_sigma_px=(1.5, 1.0))
    decided = import_model(without, options)
    assert decided.projection is not None
    assert decided.projection.pixel_filter.blur_sigma_y_px == 1.0
    with pytest.raises(ConfigError, match="--mm-per-pixel"):
        import_model(without, ImportOptions(30.0, 1.0, blur_sigma_px=(1.5, 1.0)))


def test_transitions_are_counted_from_the_labels(folder: Folder) -> None:
    got = import_model(folder.files, ImportOptions(30.0, 2.0)).arhmm.transition_matrix
    expected = np.full((K, K), 2.0 / K)
    for labels in folder.labels.values():
        for source, target in zip(labels[LAGS:-1], labels[LAGS + 1 :], strict=True):
            expected[source, target] += 1
    np.testing.assert_allclose(got, expected / expected.sum(1, keepdims=True))


@pytest.mark.parametrize("compress", [0, 3])
def test_transitions_are_read_from_the_model_object(folder: Folder, pyhsmm: Any, compress: int) -> None:
    folder.raw["model"] = pyhsmm.Model()
    folder.raw["model"].trans_distn = transitions_object(pyhsmm, folder.arhmm.transition_matrix)
    folder.rewrite(compress)
    del sys.modules["pyhsmm_like"]
    bundle = import_model(folder.files, OPTIONS)
    np.testing.assert_allclose(bundle.arhmm.transition_matrix, folder.arhmm.transition_matrix)
    assert bundle.provenance.transition_source == "learned"
    assert bundle.provenance.pseudo_count is None


def test_separate_transitions_need_a_choice(folder: Folder, pyhsmm: Any) -> None:
    matrices = {"saline": np.full((K, K), 1 / K), "drug": folder.arhmm.transition_matrix}
    folder.raw["model"] = pyhsmm.Model()
    folder.raw["model"].trans_distns = {g: transitions_object(pyhsmm, m) for g, m in matrices.items()}
    folder.rewrite()
    with pytest.raises(ConfigError, match="groups in the file: drug, saline"):
        import_model(folder.files, OPTIONS)
    bundle = import_model(folder.files, ImportOptions(30.0, 1.0, group="drug"))
    np.testing.assert_allclose(bundle.arhmm.transition_matrix, matrices["drug"])


def test_earlier_files_wrap_everything_in_lists(folder: Folder) -> None:
    expected = import_model(folder.files, OPTIONS)
    folder.raw["labels"] = [[labels.reshape(1, -1) for labels in folder.raw["labels"]]]
    folder.raw["model_parameters"] = [folder.raw["model_parameters"]]
    folder.rewrite()
    got = import_model(folder.files, OPTIONS)
    np.testing.assert_array_equal(got.arhmm.transition_matrix, expected.arhmm.transition_matrix)


def test_student_innovations_and_stored_whitening_are_taken_over(folder: Folder) -> None:
    folder.raw["model_parameters"]["nu"] = [4.0] * K
    rows = whitened_rows(folder)
    folder.raw["whitening_parameters"] = {"mu": rows.mean(0) + 1, "L": np.eye(D) * 2, "offset": 0.5}
    folder.raw["labels"] = [np.full(151, 0)] * 2
    folder.raw["model_parameters"]["sig"][0] = np.eye(D) * 1e9
    folder.rewrite()
    bundle = import_model(folder.files, OPTIONS)
    assert bundle.arhmm.degrees_of_freedom is not None
    np.testing.assert_array_equal(bundle.arhmm.degrees_of_freedom, 4.0)
    got = whiten(bundle.whitening, rows)
    np.testing.assert_allclose(got, (rows - rows.mean(0) - 1) / 2 + 0.5, atol=1e-9)


def whitened_rows(folder: Folder) -> Array:
    with h5py.File(folder.files.scores) as file:
        rows = np.concatenate([np.asarray(d[:, :D], float) for d in file["scores"].values()])
    return rows[np.isfinite(rows).all(1)]


def test_a_degenerate_covariance_needs_a_stated_floor(folder: Folder) -> None:
    folder.raw["model_parameters"]["sig"][2] = np.diag([1.0, 1.0, 1.0, 0.0])
    folder.rewrite()
    with pytest.raises(ConfigError, match=r"syllable 2.*--covariance-floor"):
        import_model(folder.files, OPTIONS)
    bundle = import_model(folder.files, ImportOptions(30.0, 1.0, covariance_floor=1e-3))
    assert np.linalg.eigvalsh(bundle.arhmm.ar_covariance).min() == pytest.approx(1e-3)
    assert "raised to at least 0.001" in bundle.provenance.notes


def test_files_that_do_not_belong_together_are_refused(folder: Folder) -> None:
    with h5py.File(folder.files.scores, "r+") as file:
        file["scores/a"][:] = np.random.default_rng(3).normal(size=(151, D + 2))
    with pytest.raises(ConfigError, match="not reproduced from the crops"):
        import_model(folder.files, OPTIONS)


def test_scores_of_other_sessions_are_refused(folder: Folder) -> None:
    with h5py.File(folder.files.scores, "r+") as file:
        del file["scores/b"]
    with pytest.raises(ConfigError, match="has no session b"):
        import_model(folder.files, OPTIONS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_parameters": None}, "no 'model_parameters'"),
        ({"labels": [np.zeros(151)]}, "1 label arrays"),
        ({"run_parameters": {"whiten": "each"}}, "train with --whiten all"),
        ({"model_parameters": [{}, {}]}, "2 restarts"),
    ],
)
def test_an_unusable_model_file_says_why(folder: Folder, change: dict[str, Any], message: str) -> None:
    folder.raw |= change
    folder.rewrite()
    with pytest.raises(EtholoopError, match=message):
        import_model(folder.files, OPTIONS)


def test_an_unsupported_filter_is_refused(folder: Folder) -> None:
    text = folder.files.pca_yaml.read_text()
    folder.files.pca_yaml.write_text(text.replace("gaussfilter_time: 0.0", "gaussfilter_time: 2.0"))
    with pytest.raises(ConfigError, match=r"gaussfilter_time = 2\.0"):
        import_model(folder.files, OPTIONS)
    folder.files.pca_yaml.write_text("- nonsense")
    with pytest.raises(FileFormatError, match=r"no readable pca\.yaml"):
        import_model(folder.files, OPTIONS)


def test_an_hdf5_model_is_read(folder: Folder, tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        for name, value in folder.raw["model_parameters"].items():
            file[f"model_parameters/{name}"] = np.asarray(value)
        file["labels"] = np.stack(folder.raw["labels"])
        file["keys"] = folder.raw["keys"]
        file["run_parameters/whiten"] = "all"
    files = MoseqFiles(folder.files.pca, folder.files.pca_yaml, folder.files.scores, path, folder.files.results)
    got = import_model(files, OPTIONS)
    np.testing.assert_array_equal(got.arhmm.ar_bias, folder.arhmm.ar_bias)


def arguments(folder: Folder, out: Path) -> list[str]:
    f = folder.files
    given = {"pca": f.pca, "scores": f.scores, "model": f.model, "results": f.results, "out": out}
    return [word for name, path in given.items() for word in (f"--{name}", str(path))]


def test_the_commands_write_and_describe_a_bundle(folder: Folder, tmp_path: Path) -> None:
    out = tmp_path / "mouse.model.h5"
    done = CliRunner().invoke(import_command, arguments(folder, out), catch_exceptions=False)
    assert done.exit_code == 0
    assert "sigma 1.5 x 1.5 px" in done.output
    save_names(out, {2: "rear"}, K)
    told = CliRunner().invoke(info_command, [str(out), "--json"], catch_exceptions=False)
    facts = json.loads(told.stdout)
    assert facts["num_syllables"] == K
    assert facts["runs_at_rig"]
    assert {row["syllable"]: row["name"] for row in facts["syllables"]}[2] == "rear"
    assert sum(row["usage"] for row in facts["syllables"]) == pytest.approx(1)
    plain = CliRunner().invoke(info_command, [str(out)], catch_exceptions=False)
    assert "estimated from labels" in plain.output


def test_a_bundle_is_not_written_where_it_cannot_be_found(folder: Folder, tmp_path: Path) -> None:
    for out, message in ((tmp_path / "mouse.h5", "ends in"), (tmp_path / "no" / "mouse.model.h5", "does not exist")):
        with pytest.raises(ConfigError, match=message):
            CliRunner().invoke(import_command, arguments(folder, out), catch_exceptions=False)


@needs_moseq
def test_published_labels_are_reproduced_on_every_testable_frame(tmp_path: Path) -> None:
    out = tmp_path / "mock.model.h5"
    names = {"pca": "pca.h5", "scores": "pca_scores.h5", "model": "mock_model.p", "results": "results_00.h5"}
    words = [word for option, name in names.items() for word in (f"--{option}", str(MOSEQ / name))]
    done = CliRunner().invoke(import_command, [*words, "--out", str(out)], catch_exceptions=False)
    assert "1784 of 1784 testable labels (100.0 %)" in done.output
    bundle = load_bundle(out)
    assert bundle.projection is not None
    assert bundle.projection.pixel_filter.blur_sigma_y_px == 1.5
    assert bundle.arhmm.num_syllables == 100
