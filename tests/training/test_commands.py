"""`etholoop train` and `etholoop apply` on small files."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from offline import apply_command, model_commands, pca_command, train_command
from offline.arhmm.labelling import filtered_posterior
from offline.dataset import hold_out
from offline.scores import read_scores, session_sha256
from online.emission import whiten
from online.errors import ConfigError, EtholoopError, FileFormatError
from online.files.bundle import load_bundle
from online.simulation.arhmm import random_arhmm, sample
from tests.training.results_files import crops, write_results

QUICK = ("--max-syllables", "8", "--sweeps", "12", "--pcs", "3", "--lags", "2", "--threads", "1")


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    model = random_arhmm(2, num_syllables=4, num_dims=4, num_lags=2)
    path = tmp_path / "scores.h5"
    with h5py.File(path, "w") as file:
        for index in range(5):
            x = sample(model, 300, seed=index)[1]
            x[50] = np.nan
            file[f"scores/session-{index}"] = x.astype(np.float32) * 100 + 7
        file["scores/tiny"] = np.zeros((2, 4), np.float32)
    return path


def train(scores: Path, out: Path, *more: str) -> dict[str, object]:
    result = CliRunner().invoke(
        train_command.command, [str(scores), "--out", str(out), *QUICK, "--json", *more], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    summary: dict[str, object] = json.loads(result.stdout)
    return summary


def apply(model: Path, scores: Path, out: Path, method: str, *more: str) -> dict[str, object]:
    arguments = [str(model), str(scores), "--out", str(out), "--method", method, "--json", *more]
    result = CliRunner().invoke(apply_command.command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    summary: dict[str, object] = json.loads(result.stdout)
    return summary


def test_train_then_apply(tmp_path: Path, scores: Path) -> None:
    summary = train(scores, tmp_path / "m.model.h5")
    assert len(summary["held_out_sessions"]) == 1  # type: ignore[arg-type]
    assert summary["runs_at_rig"] is False
    bundle = load_bundle(tmp_path / "m.model.h5")
    assert bundle.arhmm.num_lags == 2
    assert bundle.provenance.transition_source == "learned"
    assert bundle.provenance.seed == 0
    trained = [f"session {uuid}" for uuid in summary["train_sessions"]]  # type: ignore[attr-defined]
    assert sorted(bundle.provenance.data_sha256) == ["scores.h5", *sorted(trained)]
    for method in ("filtered", "smoothed", "viterbi", "gibbs"):
        apply(tmp_path / "m.model.h5", scores, tmp_path / "labels.h5", method)
        with h5py.File(tmp_path / "labels.h5") as file:
            assert file["labels/session-0"].dtype == np.int16
            assert (file["labels/session-0"][:2] == -5).all()
            assert (file["labels/session-0"][2:] >= 0).all()
            assert (file["labels/tiny"][:] == -5).all()
            log_likelihood = file["log_likelihood/session-0"][:]
        assert log_likelihood.dtype == np.float64
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(log_likelihood)), [0, 1, 50, 51, 52])
    apply(tmp_path / "m.model.h5", scores, tmp_path / "labels.h5", "filtered", "--missing-lags", "fill")
    with h5py.File(tmp_path / "labels.h5") as file:
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(file["log_likelihood/session-0"][:])), [0, 1, 50])
    with pytest.raises(ConfigError, match="goes with --method filtered"):
        apply(tmp_path / "m.model.h5", scores, tmp_path / "labels.h5", "smoothed", "--missing-lags", "fill")


def test_log_likelihood_is_in_the_space_of_the_given_scores(tmp_path: Path, scores: Path) -> None:
    train(scores, tmp_path / "m.model.h5")
    apply(tmp_path / "m.model.h5", scores, tmp_path / "labels.h5", "filtered")
    bundle = load_bundle(tmp_path / "m.model.h5")
    session = read_scores(scores, 3)[0]
    evidence = filtered_posterior(bundle.arhmm, whiten(bundle.whitening, session.scores))[1]
    jacobian = np.linalg.slogdet(bundle.whitening.cholesky)[1]
    assert jacobian > 5
    with h5py.File(tmp_path / "labels.h5") as file:
        np.testing.assert_allclose(file["log_likelihood/session-0"][:], evidence - jacobian)


def test_held_out_sessions_touch_neither_whitening_nor_model(tmp_path: Path, scores: Path) -> None:
    summary = train(scores, tmp_path / "a.model.h5")
    with h5py.File(scores, "a") as file:
        file["scores"][summary["held_out_sessions"][0]][...] *= 50  # type: ignore[index]
    train(scores, tmp_path / "b.model.h5")
    a, b = load_bundle(tmp_path / "a.model.h5"), load_bundle(tmp_path / "b.model.h5")
    np.testing.assert_array_equal(a.whitening.cholesky, b.whitening.cholesky)
    np.testing.assert_array_equal(a.arhmm.ar_covariance, b.arhmm.ar_covariance)


def test_the_bundle_names_the_sessions_that_judged_it(tmp_path: Path, scores: Path) -> None:
    arguments = [str(scores), "--out", str(tmp_path / "m.model.h5"), *QUICK]
    said = CliRunner().invoke(train_command.command, arguments, catch_exceptions=False)
    held = load_bundle(tmp_path / "m.model.h5").provenance.held_out_sha256
    assert held is not None
    (name,) = held
    assert held[name] == session_sha256(next(s.scores for s in read_scores(scores, 3) if s.uuid == name))
    assert f"held out, to judge the model (1 of 6 sessions): {name}\n" in said.stderr
    info = CliRunner().invoke(model_commands.info_command, [str(tmp_path / "m.model.h5")], catch_exceptions=False)
    assert f"held-out sessions        {name}\n" in info.stdout
    train(scores, tmp_path / "all.model.h5", "--hold-out", "0")
    assert load_bundle(tmp_path / "all.model.h5").provenance.held_out_sha256 == {}


def test_components_can_be_learned_without_the_held_out_sessions(tmp_path: Path) -> None:
    results = [write_results(tmp_path / f"{i}.h5", f"uuid-{i}", crops(60, i)) for i in range(4)]
    pca, scores = tmp_path / "pca.h5", tmp_path / "scores.h5"

    def components(*arguments: str) -> NDArray[np.float32]:
        more = ["--out", str(pca), "--scores", str(scores), "--components", "4", "--overwrite", *arguments]
        result = CliRunner().invoke(pca_command.command, more, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        with h5py.File(pca) as file:
            return np.asarray(file["components"])

    def held_and_said() -> tuple[list[str], str]:
        more = [*QUICK, "--json", "--hold-out", "0.25", "--overwrite"]
        arguments = [str(scores), "--out", str(tmp_path / "m.model.h5"), *more]
        result = CliRunner().invoke(train_command.command, arguments, catch_exceptions=False)
        return json.loads(result.stdout)["held_out_sessions"], result.stderr

    components(*map(str, results))
    held, said = held_and_said()
    assert "components were learned from held-out sessions as well" in said
    apart = components(*map(str, results), "--hold-out", "0.25")
    assert {s.uuid for s in read_scores(scores) if not s.in_components} == set(held)
    assert len(read_scores(scores)) == 4
    again, said = held_and_said()
    assert again == held
    assert "components were learned" not in said
    np.testing.assert_array_equal(apart, components(*(str(r) for r in results if f"uuid-{r.stem}" not in held)))


def test_a_model_with_components_runs_at_the_rig(tmp_path: Path) -> None:
    results = [write_results(tmp_path / f"{i}.h5", f"uuid-{i}", crops(150, i)) for i in range(2)]
    arguments = [*map(str, results), "--out", str(tmp_path / "pca.h5"), "--scores", str(tmp_path / "scores.h5")]
    assert CliRunner().invoke(pca_command.command, arguments, catch_exceptions=False).exit_code == 0
    summary = train(tmp_path / "scores.h5", tmp_path / "m.model.h5", "--pca", str(tmp_path / "pca.h5"))
    assert summary["runs_at_rig"] is True
    bundle = load_bundle(tmp_path / "m.model.h5")
    assert bundle.extraction is not None
    assert bundle.projection is not None
    assert bundle.extraction.mm_per_crop_pixel == 1.5
    assert bundle.projection.components.shape == (3, 6400)
    assert bundle.frame_rate_hz == 30


def test_the_prior_is_fixed_for_scores_of_crops_and_learned_for_others(tmp_path: Path, scores: Path) -> None:
    """Neither more nor less than with the prior named."""

    def coefficients(*more: str) -> NDArray[np.float64]:
        train(scores, tmp_path / "m.model.h5", "--overwrite", *more)
        return load_bundle(tmp_path / "m.model.h5").arhmm.ar_coefficients

    fixed, learned = coefficients("--prior", "fixed"), coefficients("--prior", "learned")
    np.testing.assert_array_equal(coefficients(), learned)
    with h5py.File(scores, "r+") as file:
        file["metadata/session-0/DepthResolution"] = [512, 424]
    np.testing.assert_array_equal(coefficients(), fixed)
    assert fixed.shape != learned.shape or (fixed != learned).any()


def test_bad_scores_get_clear_errors(tmp_path: Path, scores: Path) -> None:
    with pytest.raises(FileFormatError, match="4 components, 9 are needed"):
        read_scores(scores, 9)
    empty = tmp_path / "empty.h5"
    h5py.File(empty, "w").close()
    with pytest.raises(FileFormatError, match="no scores"):
        read_scores(empty)
    copy = tmp_path / "copy.h5"
    copy.write_bytes(scores.read_bytes())
    arguments = [str(scores), str(copy), "--out", str(tmp_path / "m.model.h5"), *QUICK]
    with pytest.raises(EtholoopError, match="give one"):
        CliRunner().invoke(train_command.command, arguments, catch_exceptions=False)
    assert not (tmp_path / "m.model.h5").exists()


def test_what_cannot_be_judged_or_learned_is_said(tmp_path: Path, scores: Path) -> None:
    only = tmp_path / "only.h5"
    with h5py.File(scores) as source, h5py.File(only, "w") as file:
        source.copy("scores/session-0", file.create_group("scores"))
        source.copy("scores/tiny", file["scores"])
    seed = next(seed for seed in range(20) if hold_out(read_scores(only), 0.2, seed) == ["tiny"])
    arguments = [str(only), "--out", str(tmp_path / "m.model.h5"), *QUICK, "--seed", str(seed)]
    said = CliRunner().invoke(train_command.command, arguments, catch_exceptions=False).stdout
    assert "no frame of 1 held-out session(s) could be judged" in said
    with h5py.File(scores, "a") as file:
        for uuid in file["scores"]:
            file["scores"][uuid][:, 1] = np.nan
    with pytest.raises(ConfigError, match=r"session session-\d: score 2 is missing in every frame"):
        train(scores, tmp_path / "other.model.h5")
