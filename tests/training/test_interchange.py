"""Export to moseq2, import from jax-moseq, and merging: each convention fails when it is done the other way."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import h5py
import joblib
import numpy as np
import pytest
from click.testing import CliRunner

from offline.apply_command import label_scores
from offline.arhmm.fit import log_likelihood_per_frame
from offline.arhmm.regression import ar_parameters, regression_weights
from offline.dataset import open_dataset
from offline.dataset_files import Selection
from offline.interchange_commands import export_command, merge_command
from offline.jax_moseq import import_jax_model
from offline.model_commands import import_command
from offline.model_export import frame_numbers_of, moseq_labels, whitening_parameters_of
from offline.model_merge import merge, ready
from offline.moseq_arhmm import whitening_of
from offline.moseq_model import read_moseq_model
from offline.scores import ScoredSession, session_key, session_sha256
from online.emission import log_likelihoods, whiten
from online.errors import ConfigError, FileFormatError
from online.files.bundle import load_bundle, save_bundle
from online.model import ARHMM, Array, ModelBundle, Provenance, Whitening
from online.simulation.arhmm import random_arhmm, sample

K, D, LAGS = 5, 3, 2
MODEL = random_arhmm(4, K, D, LAGS, separation=2.5)
AR_MAT = regression_weights(MODEL.ar_coefficients, MODEL.ar_bias)
RNG = np.random.default_rng(0)
MIX = np.tril(RNG.normal(size=(D, D))) * 20 + 60 * np.eye(D)


def scored(uuid: str, seed: int) -> ScoredSession:
    scores = sample(MODEL, 400, seed)[1] @ MIX.T + 100
    scores[20] = np.nan
    return ScoredSession(uuid, scores.astype(np.float32).astype(np.float64), Path("scores.h5"))


@pytest.fixture(scope="module")
def sessions() -> list[ScoredSession]:
    return [scored("a", 0), scored("b", 1)]


@pytest.fixture(scope="module")
def bundle(sessions: list[ScoredSession]) -> ModelBundle:
    return ModelBundle(
        frame_rate_hz=30.0,
        extraction=None,
        projection=None,
        whitening=Whitening(np.full(D, 100.0), MIX),
        arhmm=MODEL,
        usage=np.full(K, 1 / K),
        provenance=Provenance(
            "test", "now", "learned", data_sha256={session_key("a"): session_sha256(sessions[0].scores)}
        ),
    )


@pytest.fixture
def files(tmp_path: Path, bundle: ModelBundle, sessions: list[ScoredSession]) -> Path:
    save_bundle(tmp_path / "m.model.h5", bundle)
    with h5py.File(tmp_path / "scores.h5", "w") as file:
        for session in sessions:
            file[f"scores/{session.uuid}"] = session.scores.astype(np.float32)
            file[f"scores_idx/{session.uuid}"] = frame_numbers_of(session)
    return tmp_path


def moseq_mean(ar_mat: Array, x: Array, t: int) -> Array:
    """As moseq2 predicts: ar_mat times [x_{t-2}, x_{t-1}, 1]."""
    return np.asarray(ar_mat @ np.concatenate([x[t - 2], x[t - 1], [1.0]]))


def test_lags_go_oldest_first_and_the_affine_term_last() -> None:
    x = RNG.normal(size=(3, D))
    for k in range(K):
        expected = MODEL.ar_coefficients[k, 0] @ x[0] + MODEL.ar_coefficients[k, 1] @ x[1] + MODEL.ar_bias[k]
        np.testing.assert_allclose(moseq_mean(AR_MAT[k], x, 2), expected)
    swapped = regression_weights(MODEL.ar_coefficients[:, ::-1], MODEL.ar_bias)
    assert not np.allclose(moseq_mean(swapped[0], x, 2), moseq_mean(AR_MAT[0], x, 2))
    coefficients, bias = ar_parameters(AR_MAT)
    np.testing.assert_array_equal(coefficients, MODEL.ar_coefficients)
    np.testing.assert_array_equal(bias, MODEL.ar_bias)
    assert not np.allclose(ar_parameters(np.roll(AR_MAT, 1, axis=2))[1], MODEL.ar_bias)


def test_without_lags_the_regression_weights_are_the_bias() -> None:
    coefficients, bias = ar_parameters(AR_MAT[:, :, -1:])
    assert coefficients.shape == (K, 0, D, D)
    np.testing.assert_array_equal(bias, MODEL.ar_bias)
    np.testing.assert_array_equal(regression_weights(coefficients, bias), AR_MAT[:, :, -1:])


def test_whitening_is_by_the_lower_factor(sessions: list[ScoredSession]) -> None:
    """moseq2 divides by L from the left; by its transpose the result would not be white."""
    whitening = whitening_of([s.scores for s in sessions])
    stored = whitening_parameters_of(whitening)["all"]
    rows = np.concatenate([s.scores for s in sessions])
    rows = rows[np.isfinite(rows).all(1)]
    np.testing.assert_allclose(
        np.cov(np.linalg.solve(stored["L"], (rows - stored["mu"]).T), bias=True), np.eye(D), atol=1e-9
    )
    turned = np.cov(np.linalg.solve(stored["L"].T, (rows - stored["mu"]).T), bias=True)
    assert np.abs(turned - np.eye(D)).max() > 0.1


def test_rows_without_a_label_are_those_of_moseq2() -> None:
    found = np.array([-5, -5, -5, -5, 3, 3, 1], np.int16)
    np.testing.assert_array_equal(moseq_labels(found, 2), [-5, -5, 3, 3, 3, 3, 1])
    with pytest.raises(FileFormatError, match="without a single label"):
        moseq_labels(np.full(4, -5, np.int16), 2)


def test_export_and_import_come_round(files: Path, bundle: ModelBundle, sessions: list[ScoredSession]) -> None:
    arguments = [str(files / "m.model.h5"), str(files / "scores.h5"), "--out", str(files / "out.p")]
    more = ["--scores-out", str(files / "again.h5")]
    result = CliRunner().invoke(export_command, [*arguments, *more], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    raw = joblib.load(files / "out.p")
    assert raw["keys"] == ["a", "b"]
    assert raw["hold_out_list"] == ["b"]
    assert raw["metadata"]["groups"] == {"a": "default", "b": "default"}
    assert raw["pc_score_path"] == str((files / "again.h5").resolve())
    again = read_moseq_model(files / "out.p")
    np.testing.assert_allclose(ar_parameters(again.ar_mat)[0], MODEL.ar_coefficients)
    np.testing.assert_allclose(again.transition_matrices[""], MODEL.transition_matrix)
    assert again.whitening is not None
    np.testing.assert_allclose(again.whitening.cholesky, bundle.whitening.cholesky)
    for session in sessions:
        expected = label_scores(bundle, session, "viterbi")[0]
        np.testing.assert_array_equal(again.labels[session.uuid], moseq_labels(expected, LAGS))
        assert (again.labels[session.uuid][:LAGS] == -5).all()
    copied = {s.uuid: s for s in open_dataset([files / "again.h5"], Selection(D)).sessions}
    np.testing.assert_array_equal(copied["a"].scores, sessions[0].scores)
    numbers = copied["a"].frame_numbers
    assert numbers is not None
    assert np.isnan(numbers[20])
    assert (numbers[19], numbers[21], len(numbers)) == (19, 20, 400)


def write_checkpoint(path: Path, ab: Array, scale: float = 1.0) -> None:
    """Two snapshots as keypoint-moseq stores them; the first has other parameters."""
    with h5py.File(path, "w") as file:
        for iteration, factor in ((0, 3.0), (25, scale)):
            parent = f"model_snapshots/{iteration}"
            file[f"{parent}/params/Ab"] = ab * factor
            file[f"{parent}/params/Q"] = MODEL.ar_covariance
            file[f"{parent}/params/pi"] = MODEL.transition_matrix
            file[f"{parent}/params/betas"] = np.full(K, 1 / K)
            file[f"{parent}/states/z"] = np.array([[0, 0, 1, 1], [2, 2, 4, 4]])
        file["data/mask"] = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])


def test_a_keypoint_moseq_checkpoint_becomes_a_bundle(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "checkpoint.h5", AR_MAT)
    arguments = ["--checkpoint", str(tmp_path / "checkpoint.h5"), "--out", str(tmp_path / "k.model.h5")]
    assert CliRunner().invoke(import_command, arguments, catch_exceptions=False).exit_code == 0
    found = load_bundle(tmp_path / "k.model.h5")
    assert not found.runs_at_rig
    np.testing.assert_allclose(found.arhmm.ar_coefficients, MODEL.ar_coefficients)
    np.testing.assert_allclose(found.arhmm.ar_bias, MODEL.ar_bias)
    np.testing.assert_allclose(found.arhmm.transition_matrix, MODEL.transition_matrix)
    np.testing.assert_allclose(found.usage, [2 / 6, 2 / 6, 2 / 6, 0, 0])
    first = import_jax_model(tmp_path / "checkpoint.h5", 30.0, iteration=0)
    np.testing.assert_allclose(first.arhmm.ar_bias, 3 * MODEL.ar_bias)
    with pytest.raises(ConfigError, match=r"no iteration 7; there are \[0, 25\]"):
        import_jax_model(tmp_path / "checkpoint.h5", 30.0, iteration=7)


def test_latent_trajectories_are_not_whitened_again(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", Ab=AR_MAT, Q=MODEL.ar_covariance, pi=MODEL.transition_matrix)
    found = import_jax_model(tmp_path / "p.npz", 30.0)
    x = sample(MODEL, 50, 0)[1]
    np.testing.assert_array_equal(whiten(found.whitening, x), x)
    np.testing.assert_allclose(log_likelihoods(found.arhmm, x), log_likelihoods(MODEL, x))


@pytest.mark.skipif(find_spec("jax_moseq") is None, reason="jax-moseq is not installed (extra: peers)")
def test_jax_moseq_computes_the_same_likelihoods(tmp_path: Path) -> None:
    parameters, scores, out = (tmp_path / name for name in ("p.npz", "x.npy", "out.npy"))
    np.savez(parameters, Ab=AR_MAT, Q=MODEL.ar_covariance, pi=MODEL.transition_matrix)
    x = sample(MODEL, 50, 0)[1].astype(np.float32)
    np.save(scores, x)
    script = Path(__file__).with_name("jax_moseq_likelihoods.py")
    subprocess.run([sys.executable, "-W", "ignore", script, parameters, scores, out], check=True)
    ours = log_likelihoods(import_jax_model(parameters, 30.0).arhmm, x.astype(np.float64))
    np.testing.assert_allclose(np.load(out), ours[LAGS:], rtol=1e-3, atol=1e-3)


def test_parameters_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", Ab=AR_MAT[:, :, :-1], Q=MODEL.ar_covariance, pi=MODEL.transition_matrix)
    with pytest.raises(FileFormatError, match="do not fit together"):
        import_jax_model(tmp_path / "p.npz", 30.0)
    np.savez(tmp_path / "q.npz", Q=MODEL.ar_covariance)
    with pytest.raises(FileFormatError, match="lacks Ab, pi"):
        import_jax_model(tmp_path / "q.npz", 30.0)
    with pytest.raises(ConfigError, match="needs --pca, --scores and --model"):
        CliRunner().invoke(import_command, ["--out", str(tmp_path / "x.model.h5")], catch_exceptions=False)


def doubled() -> ARHMM:
    """MODEL with syllable 1 in two halves, of which the second is number 5."""
    order = np.array([0, 1, 2, 3, 4, 1])
    half = np.array([1, 0.5, 1, 1, 1, 0.5])
    return replace(
        MODEL,
        ar_coefficients=MODEL.ar_coefficients[order],
        ar_bias=MODEL.ar_bias[order] + 1e-3 * (np.arange(6) == 5)[:, None],
        ar_covariance=MODEL.ar_covariance[order],
        transition_matrix=MODEL.transition_matrix[np.ix_(order, order)] * half,
        initial_probability=MODEL.initial_probability[order] * half,
    )


@pytest.fixture
def twice(files: Path, bundle: ModelBundle) -> Path:
    usage = np.array([0.2, 0.1, 0.2, 0.2, 0.2, 0.1])
    save_bundle(files / "twice.model.h5", replace(bundle, arhmm=doubled(), usage=usage))
    return files


def test_duplicates_are_shown_and_nothing_is_merged_unasked(twice: Path) -> None:
    arguments = [str(twice / "twice.model.h5"), str(twice / "scores.h5"), "--json"]
    result = CliRunner().invoke(merge_command, arguments, catch_exceptions=False)
    pairs = json.loads(result.stdout)["pairs"]
    assert (pairs[0]["first"], pairs[0]["second"]) == (1, 5)
    assert pairs[0]["separation"] < 0.01
    assert pairs[1]["separation"] > 0.2
    assert pairs[0]["loss"] < 0.01 < pairs[1]["loss"]
    with pytest.raises(ConfigError, match="give both"):
        CliRunner().invoke(merge_command, [*arguments, "--pair", "1,5"], catch_exceptions=False)


def test_merged_halves_are_the_whole(twice: Path, sessions: list[ScoredSession]) -> None:
    out = twice / "once.model.h5"
    arguments = [str(twice / "twice.model.h5"), str(twice / "scores.h5"), "--pair", "1,5", "--out", str(out)]
    assert CliRunner().invoke(merge_command, arguments, catch_exceptions=False).exit_code == 0
    merged = load_bundle(out)
    assert merged.arhmm.num_syllables == K
    assert "1 and 5" in merged.provenance.notes
    _, new = merge(load_bundle(twice / "twice.model.h5"), sessions, [(1, 5)])
    assert new[1] == new[5]
    order = new[:5]
    np.testing.assert_allclose(merged.arhmm.transition_matrix[np.ix_(order, order)], MODEL.transition_matrix, atol=1e-9)
    np.testing.assert_allclose(merged.arhmm.ar_bias[order[[0, 2, 3, 4]]], MODEL.ar_bias[[0, 2, 3, 4]])
    np.testing.assert_allclose(merged.arhmm.ar_covariance[order[1]], MODEL.ar_covariance[1], rtol=0.5, atol=0.3)
    with pytest.raises(ConfigError, match="two different syllables"):
        merge(merged, sessions, [(2, 2)])


def test_two_equal_student_t_syllables_merge_into_themselves() -> None:
    rng, nu = np.random.default_rng(0), 3.0
    x = np.zeros((20_000, 3))
    noise = rng.normal(size=x.shape) * np.sqrt(0.1 * nu / rng.chisquare(nu, (len(x), 1)))
    for t in range(1, len(x)):
        x[t] = 0.5 * x[t - 1] + noise[t]
    arhmm = ARHMM(
        ar_coefficients=np.tile(0.5 * np.eye(3), (2, 1, 1, 1)),
        ar_bias=np.zeros((2, 3)),
        ar_covariance=np.tile(0.1 * np.eye(3), (2, 1, 1)),
        degrees_of_freedom=np.full(2, nu),
        transition_matrix=np.array([[0.9, 0.1], [0.1, 0.9]]),
        initial_probability=np.full(2, 0.5),
    )
    whitening, made = Whitening(np.zeros(3), np.eye(3)), Provenance("tests", "2026-01-01T00:00:00+00:00", "learned")
    bundle = ModelBundle(30.0, None, None, whitening, arhmm, np.full(2, 0.5), made)
    sessions = [ScoredSession("a", x, Path("a.h5"))]
    merged = merge(bundle, sessions, [(0, 1)])[0].arhmm
    np.testing.assert_allclose(merged.ar_covariance[0], 0.1 * np.eye(3), atol=0.005)
    data = ready(bundle, sessions)
    assert log_likelihood_per_frame(merged, data) == pytest.approx(log_likelihood_per_frame(arhmm, data), abs=0.002)


def test_each_session_has_draws_of_its_own(bundle: ModelBundle, sessions: list[ScoredSession]) -> None:
    twins = [replace(sessions[0], uuid=uuid) for uuid in ("a", "b", "a")]
    first, second, again = (label_scores(bundle, twin, "gibbs", seed=4)[0] for twin in twins)
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()
