"""Fast kernels beside plain references: exhaustive enumeration, scipy's densities, dense loops."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from offline.arhmm.data import evidence_mask
from offline.arhmm.emission import Emission, PackedArrays, pack
from offline.arhmm.hmm import (
    NO_LABEL,
    _multiply_exponentials,
    forward_filter,
    sample_backward,
    session_log_likelihood,
    viterbi,
)
from offline.arhmm.labelling import decode, label, log_likelihoods, regression_form
from offline.arhmm.log_hmm import log_forward_filter, log_sample_backward, log_smooth_backward
from offline.arhmm.statistics import session_statistics
from online import decoder
from online.model import ARHMM, Whitening
from online.simulation.arhmm import random_arhmm, sample

Array = NDArray[np.float64]


def small_session(degrees_of_freedom: float | None = None) -> tuple[ARHMM, Array]:
    model = random_arhmm(3, num_syllables=4, num_dims=3, num_lags=2, degrees_of_freedom=degrees_of_freedom)
    x = sample(model, 300, seed=5)[1]
    x[[40, 41, 150]] = np.nan
    return model, x


def likelihoods(x: Array, seen: NDArray[np.bool_], arrays: PackedArrays) -> Array:
    out = np.empty((len(x), len(arrays[2])), arrays[0].dtype)
    session_log_likelihood(x, seen, 2, arrays, out)
    return out


@pytest.mark.parametrize("dof", [None, 5.0])
def test_emission_likelihood_is_the_density_of_the_residual(dof: float | None) -> None:
    model, x = small_session(dof)
    fast, seen = log_likelihoods(model, x)
    assert not seen[[0, 1, 40, 41, 42, 43, 150, 151, 152]].any()
    assert seen.sum() == 300 - 9
    for t in np.flatnonzero(seen)[::7]:
        for k in range(4):
            mean = model.ar_bias[k] + sum(model.ar_coefficients[k, lag] @ x[t - 2 + lag] for lag in range(2))
            if dof is None:
                density = stats.multivariate_normal(mean, model.ar_covariance[k])
            else:
                density = stats.multivariate_t(mean, model.ar_covariance[k], df=dof)
            assert fast[t, k] == pytest.approx(density.logpdf(x[t]), abs=1e-9)
    assert (fast[~seen] == 0).all()


def test_emission_kernel_does_not_depend_on_where_blocks_end() -> None:
    model, x = small_session()
    arrays = pack(regression_form(model)).arrays
    clean = np.nan_to_num(x)
    whole = likelihoods(clean, evidence_mask(x, 2), arrays)
    for start in (1, 77):
        part = likelihoods(clean[start:].copy(), evidence_mask(x, 2)[start:], arrays)
        np.testing.assert_allclose(part[2:], whole[start + 2 :], rtol=1e-12)


def test_single_precision_is_kept_by_taking_differences_first() -> None:
    """Slow movement far from the origin with tiny innovations: raw lags would cost tens of nats in float32."""
    rng = np.random.default_rng(0)
    x = 5 + np.cumsum(rng.normal(0, 1e-3, (200, 3)), axis=0)
    weights = np.concatenate(
        [np.tile(-0.3 * np.eye(3), (2, 1, 1)), np.tile(1.3 * np.eye(3), (2, 1, 1)), np.zeros((2, 3, 1))], 2
    )
    emission = Emission(weights, np.array([1e-6, 4e-6])[:, None, None] * np.eye(3), None)
    seen = evidence_mask(x, 2)
    exact = likelihoods(x, seen, pack(emission).arrays)
    single = likelihoods(x, seen, pack(emission, np.float32).arrays)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, exact, atol=0.01)


def test_the_vector_exponential_is_the_exponential() -> None:
    exponents = np.concatenate([-np.logspace(-12, 2, 500), [0.0]])
    row = exponents.copy()
    total = _multiply_exponentials(np.ones(len(row)), row, 0.0)
    np.testing.assert_allclose(row, np.exp(exponents), rtol=1e-11)
    assert total == pytest.approx(row.sum(), rel=1e-12)
    far = np.array([-300.0, -1e4, 0.0])
    _multiply_exponentials(np.ones(3), far, 0.0)
    np.testing.assert_allclose(far, [np.exp(-300), 0, 1], rtol=1e-5, atol=1e-300)


def enumerate_paths(log_likelihood: Array, transition: Array, initial: Array) -> tuple[NDArray[np.int64], Array]:
    """All label paths and the log joint of each."""
    num_frames, num_syllables = log_likelihood.shape
    paths = np.array(list(itertools.product(range(num_syllables), repeat=num_frames)))
    with np.errstate(divide="ignore"):
        return paths, _joint(log_likelihood, paths, transition, initial)


def _joint(log_likelihood: Array, paths: NDArray[np.int64], transition: Array, initial: Array) -> Array:
    num_frames = len(log_likelihood)
    joint: Array = np.log(initial[paths[:, 0]]) + log_likelihood[np.arange(num_frames), paths].sum(1)
    for t in range(1, num_frames):
        joint = joint + np.log(transition[paths[:, t - 1], paths[:, t]])
    return joint


@pytest.fixture
def toy() -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(8)
    log_likelihood = rng.normal(0, 3, (6, 3))
    log_likelihood[3] = 0.0  # a frame without evidence
    return log_likelihood, rng.dirichlet(np.ones(3), 3), rng.dirichlet(np.ones(3))


def test_filter_smoother_and_evidence_match_enumeration(toy: tuple[Array, Array, Array]) -> None:
    log_likelihood, transition, initial = toy
    filtered, evidence = log_likelihood.copy(), np.zeros(6)
    forward_filter(filtered, 0, transition, initial, evidence)
    for t in range(6):
        paths, joint = enumerate_paths(log_likelihood[: t + 1], transition, initial)
        weight = np.exp(joint - joint.max())
        exact = [weight[paths[:, t] == k].sum() / weight.sum() for k in range(3)]
        np.testing.assert_allclose(filtered[t], exact, atol=1e-13)
        assert evidence[: t + 1].sum() == pytest.approx(np.logaddexp.reduce(joint), abs=1e-12)


@pytest.fixture(params=["dense", "zeros"])
def logs(request: pytest.FixtureRequest, toy: tuple[Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
    """Log-likelihoods, transitions, their logarithm, log initial; with zeros, the most likely cannot be reached."""
    log_likelihood, transition, initial = toy
    if request.param == "zeros":
        transition = np.array([[0.7, 0.3, 0.0], [0.0, 0.6, 0.4], [0.0, 0.0, 1.0]])
        initial = np.array([0.5, 0.5, 0.0])
        log_likelihood = log_likelihood * 1000
        log_likelihood[0, 2], log_likelihood[4, 0] = 5000.0, 4000.0
    with np.errstate(divide="ignore"):
        return log_likelihood, transition, np.log(transition), np.log(initial)


def test_log_filter_and_smoother_match_enumeration(logs: tuple[Array, Array, Array, Array]) -> None:
    log_likelihood, transition, log_transition, log_initial = logs
    filtered, evidence = log_likelihood.copy(), np.zeros(6)
    log_forward_filter(filtered, 0, transition, log_transition, log_initial, evidence)
    smoothed = filtered.copy()
    log_smooth_backward(smoothed, 0, transition, log_transition)
    with np.errstate(divide="ignore"):
        for t in range(6):
            paths, joint = enumerate_paths(log_likelihood[: t + 1], transition, np.exp(log_initial))
            exact = [np.logaddexp.reduce(joint[paths[:, t] == k]) - np.logaddexp.reduce(joint) for k in range(3)]
            np.testing.assert_allclose(filtered[t], exact, rtol=1e-10, atol=1e-10)
            assert evidence[: t + 1].sum() == pytest.approx(np.logaddexp.reduce(joint), rel=1e-12)
        for t in range(6):
            exact = [np.logaddexp.reduce(joint[paths[:, t] == k]) - np.logaddexp.reduce(joint) for k in range(3)]
            np.testing.assert_allclose(smoothed[t], exact, rtol=1e-10, atol=1e-10)


def test_viterbi_finds_the_best_of_all_paths(toy: tuple[Array, Array, Array]) -> None:
    log_likelihood, transition, initial = toy
    labels = np.full(6, NO_LABEL, np.int16)
    viterbi(log_likelihood, 0, np.log(transition), np.log(initial), labels)
    paths, joint = enumerate_paths(log_likelihood, transition, initial)
    np.testing.assert_array_equal(labels, paths[joint.argmax()])


def test_sampled_paths_have_the_posterior_distribution(toy: tuple[Array, Array, Array]) -> None:
    log_likelihood, transition, initial = toy
    filtered = log_likelihood.copy()
    forward_filter(filtered, 0, transition, initial, np.zeros(6))
    rng = np.random.default_rng(1)
    into = np.ascontiguousarray(transition.T)
    labels = np.empty(6, np.int16)
    with np.errstate(divide="ignore"):
        logs = np.log(filtered), np.log(transition)
    in_logs = np.empty(6, np.int16)
    counts = np.zeros(3**6)
    for _ in range(20_000):
        uniforms = rng.random(6)
        sample_backward(filtered, 0, into, uniforms, labels)
        log_sample_backward(logs[0], 0, logs[1], uniforms, in_logs)
        np.testing.assert_array_equal(in_logs, labels)
        counts[int((labels.astype(np.int64) * 3 ** np.arange(5, -1, -1)).sum())] += 1
    joint = enumerate_paths(log_likelihood, transition, initial)[1]
    expected = np.exp(joint - np.logaddexp.reduce(joint)) * 20_000
    large = expected > 5
    observed = np.append(counts[large], counts[~large].sum())
    result = stats.chisquare(observed, np.append(expected[large], expected[~large].sum()))
    assert result.pvalue > 1e-3


def test_a_certain_past_and_a_contradicting_frame_do_not_underflow() -> None:
    log_likelihood = np.array([[0.0, -2000.0], [-2000.0, 0.0], [0.0, -1e6]])
    transition = np.array([[1 - 1e-12, 1e-12], [1e-12, 1 - 1e-12]])
    filtered, evidence = log_likelihood.copy(), np.zeros(3)
    forward_filter(filtered, 0, transition, np.array([0.5, 0.5]), evidence)
    assert np.isfinite(filtered).all()
    assert np.isfinite(evidence).all()
    np.testing.assert_allclose(filtered, [[1, 0], [0, 1], [1, 0]], atol=1e-9)


def test_statistics_are_plain_sums() -> None:
    _, x = small_session()
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 300).astype(np.int16)
    weights = rng.uniform(0.5, 2, 300)
    seen = evidence_mask(x, 2)
    moments, frames, log_weights, transitions = session_statistics(np.nan_to_num(x), seen, labels, weights, 5, 2)
    expected = np.zeros((5, 10, 10))
    for t in np.flatnonzero(seen):
        row = np.concatenate([x[t - 2], x[t - 1], [1.0], x[t]])
        expected[labels[t]] += weights[t] * np.outer(row, row)
    np.testing.assert_allclose(moments, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(frames, np.bincount(labels[seen], minlength=5))
    np.testing.assert_allclose(log_weights[:4], [np.log(weights[seen & (labels == k)]).sum() for k in range(4)])
    pairs = np.zeros((5, 5))
    np.add.at(pairs, (labels[2:-1], labels[3:]), 1)
    np.testing.assert_array_equal(transitions, pairs)


@pytest.mark.parametrize("dof", [None, 4.0])
def test_filtered_labels_and_likelihoods_are_those_of_the_rig(dof: float | None) -> None:
    model, x = small_session(dof)
    labels, evidence = label(model, x, "filtered")
    state = decoder.init(model, Whitening(np.zeros(3), np.eye(3)), missing_lags="skip")
    for t in range(len(x)):
        decoded = decoder.step(state, x[t].copy(), 1)
        if decoded.has_evidence:
            assert evidence[t] == pytest.approx(decoded.log_evidence, abs=1e-10)
            assert labels[t] == decoded.posterior.argmax()
        else:
            assert np.isnan(evidence[t])
    assert (labels[:2] == NO_LABEL).all()
    assert (labels[2:] >= 0).all()


def test_sessions_with_gaps_are_decoded_as_at_the_rig() -> None:
    """`decode` fills missing lags in, and knows more of the frames after a gap than `label`."""
    model, x = small_session()
    labels, evidence = decode(model, Whitening(np.zeros(3), np.eye(3)), x)
    state = decoder.init(model, Whitening(np.zeros(3), np.eye(3)))
    live = [(d.posterior.argmax(), d.log_evidence) for d in (decoder.step(state, row.copy(), 1) for row in x)]
    seen = np.isfinite(evidence)
    np.testing.assert_array_equal(labels[2:], [k for k, _ in live[2:]])
    np.testing.assert_array_equal(seen, [e is not None for _, e in live])
    np.testing.assert_array_equal(evidence[seen], [e for _, e in live if e is not None])
    plain = label(model, x, "filtered")[1]
    assert seen.sum() > np.isfinite(plain).sum()
    first_gap = int(np.flatnonzero(~np.isfinite(x).all(1))[0])
    np.testing.assert_allclose(evidence[:first_gap], plain[:first_gap], atol=1e-10)


def test_wrong_lag_order_would_be_noticed() -> None:
    model, x = small_session()
    form = regression_form(model)
    swapped = Emission(form.weights[:, :, [3, 4, 5, 0, 1, 2, 6]], form.covariance, None)
    wrong = likelihoods(np.nan_to_num(x), evidence_mask(x, 2), pack(swapped).arrays)
    assert np.abs(wrong - log_likelihoods(model, x)[0]).max() > 1


@pytest.mark.parametrize("method", ["filtered", "smoothed", "viterbi"])
@pytest.mark.parametrize("num_frames", [0, 1, 2, 3])
def test_very_short_sessions(method: str, num_frames: int) -> None:
    model, x = small_session()
    labels, evidence = label(model, x[:num_frames], method)  # type: ignore[arg-type]
    assert labels.shape == evidence.shape == (num_frames,)
    assert (labels[:2] == NO_LABEL).all()
    assert np.isfinite(evidence).sum() == max(0, num_frames - 2)
