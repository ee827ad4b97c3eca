"""The filter against exhaustive enumeration, a dense batch pass, and what must not change its answer."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from online import decoder
from online.chain import MAX_SLOTS
from online.emission import log_likelihoods, whiten
from online.model import ARHMM, Array, Whitening
from online.simulation.arhmm import random_arhmm, sample


def plain_whitening(d: int) -> Whitening:
    return Whitening(np.zeros(d), np.eye(d))


def dense_log_likelihoods(model: ARHMM, x: Array) -> Array:
    """Every frame under every syllable straight from the definition; 0 where a lag or the frame is missing."""
    k, num_lags, d = model.num_syllables, model.num_lags, model.num_dims
    out = np.zeros((len(x), k))
    for t in range(num_lags, len(x)):
        if not np.isfinite(x[t - num_lags : t + 1]).all():
            continue
        for i in range(k):
            mean = model.ar_bias[i] + sum(
                model.ar_coefficients[i, lag] @ x[t - num_lags + lag] for lag in range(num_lags)
            )
            r, scale = x[t] - mean, model.ar_covariance[i]
            square = r @ np.linalg.solve(scale, r)
            log_det = np.linalg.slogdet(scale)[1]
            if model.degrees_of_freedom is None:
                out[t, i] = -0.5 * (square + log_det + d * math.log(2 * math.pi))
            else:
                nu = model.degrees_of_freedom[i]
                constant = math.lgamma((nu + d) / 2) - math.lgamma(nu / 2) - d / 2 * math.log(nu * math.pi)
                out[t, i] = constant - 0.5 * log_det - (nu + d) / 2 * math.log1p(square / nu)
    return out


def dense_filter(model: ARHMM, log_likelihood: Array) -> tuple[Array, Array]:
    """Filtered posterior and predictive log normaliser of every frame, with dense matrices in log space."""
    with np.errstate(divide="ignore"):
        log_transition, log_p = np.log(model.transition_matrix), np.log(model.initial_probability)
    posterior, normaliser = np.empty_like(log_likelihood), np.empty(len(log_likelihood))
    for t in range(len(log_likelihood)):
        if t > model.num_lags:
            log_p = np.logaddexp.reduce(log_p[:, None] + log_transition, axis=0)
        log_p = log_p + log_likelihood[t]
        normaliser[t] = np.logaddexp.reduce(log_p)
        log_p = log_p - normaliser[t]
        posterior[t] = np.exp(log_p)
    return posterior, normaliser


def stream(model: ARHMM, x: Array, keep: NDArray[np.bool_], phases: int = 1) -> list[tuple[Array, bool, float | None]]:
    """Feed the frames `keep` (T,) lets through; the others are dropped by the camera."""
    state = decoder.init(model, plain_whitening(model.num_dims), phases, missing_lags="skip")
    out, elapsed = [], 0
    for t in range(len(x)):
        elapsed += 1
        if keep[t]:
            d = decoder.step(state, x[t], elapsed)
            out.append((d.posterior.copy(), d.has_evidence, d.log_evidence))
            elapsed = 0
    return out


def some_model(seed: int = 0, k: int = 5, d: int = 3, num_lags: int = 2, nu: float | None = None) -> ARHMM:
    return random_arhmm(seed, k, d, num_lags, mean_duration_frames=4, separation=1.0, degrees_of_freedom=nu)


@pytest.mark.parametrize("nu", [None, 4.0])
def test_the_posterior_is_that_of_summing_over_every_path(nu: float | None) -> None:
    model = some_model(1, k=3, d=2, num_lags=2, nu=nu)
    _, x = sample(model, 8, seed=2)
    x[4] = np.nan
    log_likelihood = dense_log_likelihoods(model, x)
    first, posterior, evidence = model.num_lags, np.zeros(3), 0.0
    for path in itertools.product(range(3), repeat=8 - first):
        p = model.initial_probability[path[0]]
        for here, there in itertools.pairwise(path):
            p *= model.transition_matrix[here, there]
        p *= math.exp(sum(log_likelihood[first + i, k] for i, k in enumerate(path)))
        posterior[path[-1]] += p
        evidence += p
    got = stream(model, x, np.ones(8, bool))
    np.testing.assert_allclose(got[-1][0], posterior / posterior.sum(), atol=1e-12)
    assert sum(e for _, _, e in got if e is not None) == pytest.approx(math.log(evidence), abs=1e-10)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**31), nu=st.sampled_from([None, 4.0]), phases=st.integers(1, 3))
def test_streaming_equals_batch_under_any_pattern_of_loss(
    data: st.DataObject, seed: int, nu: float | None, phases: int
) -> None:
    model = some_model(seed % 5, nu=nu)
    x = np.random.default_rng(seed).normal(0, 3, (60, model.num_dims))
    x[data.draw(st.lists(st.integers(0, 59), max_size=20))] = np.nan
    keep = np.ones(60, bool)
    keep[data.draw(st.lists(st.integers(0, 59), max_size=20))] = False
    got = iter(stream(model, x, keep, phases))
    x[~keep] = np.nan
    expected = [dense_filter(model, dense_log_likelihoods(model, x[p::phases])) for p in range(phases)]
    for t in np.flatnonzero(keep):
        posterior, normaliser = (values[t // phases] for values in expected[t % phases])
        lags = x[t % phases :: phases][max(0, t // phases - model.num_lags) : t // phases + 1]
        here, has_evidence, log_evidence = next(got)
        np.testing.assert_allclose(here, posterior, atol=1e-10)
        assert has_evidence == (len(lags) == model.num_lags + 1 and bool(np.isfinite(lags).all()))
        if has_evidence:
            assert log_evidence == pytest.approx(normaliser, abs=1e-9)
        else:
            assert log_evidence is None


@pytest.mark.parametrize("gap", [1, 7, 100, 12345, MAX_SLOTS])
def test_a_gap_of_any_length_is_predicted_through(gap: int) -> None:
    model = some_model(3)
    _, x = sample(model, 20, seed=4)
    state = decoder.init(model, plain_whitening(3), missing_lags="skip")
    for row in x:
        before = decoder.step(state, row, 1).posterior.copy()
    after = decoder.step(state, x[0], gap).posterior
    expected = before @ np.linalg.matrix_power(model.transition_matrix, gap if gap < 10**6 else 10**6)
    if gap == 1:
        expected = expected * np.exp(dense_log_likelihoods(model, np.vstack([x, x[:1]]))[-1])
        expected /= expected.sum()
    np.testing.assert_allclose(after, expected, atol=1e-10)


def test_a_nearly_frozen_chain_and_a_periodic_one_are_exact_over_long_gaps() -> None:
    for matrix, n in (
        (np.array([[1 - 1e-6, 1e-6], [2e-6, 1 - 2e-6]]), 500_000),
        (np.array([[0.0, 1.0], [1.0, 0.0]]), 2**23 + 1),
    ):
        chain = decoder.make_chain(matrix)
        log_p = np.log(np.array([0.9, 0.1]))
        decoder.advance(log_p, n, chain, np.empty(2), np.empty(2))
        stationary = np.array([matrix[1, 0], matrix[0, 1]]) / (matrix[0, 1] + matrix[1, 0])
        eigenvalue = 1 - matrix[0, 1] - matrix[1, 0]
        decay = math.exp(n * math.log1p(-3e-6)) if eigenvalue > 0 else -1.0
        expected = stationary + decay * (np.array([0.9, 0.1]) - stationary)
        np.testing.assert_allclose(np.exp(log_p), expected, atol=1e-10)


def test_contrast_beyond_the_range_of_doubles_is_kept() -> None:
    """Only syllable 1 leads to syllable 2; it is e^-2000 at one frame and the only explanation of the next."""
    transition = np.array([[1.0, 0.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.0, 1.0]])
    model = ARHMM(
        ar_coefficients=np.zeros((3, 1, 1, 1)),
        ar_bias=np.array([[0.0], [63.0], [200.0]]),
        ar_covariance=np.ones((3, 1, 1)),
        degrees_of_freedom=None,
        transition_matrix=transition,
        initial_probability=np.array([0.5, 0.5, 0.0]),
    )
    got = stream(model, np.array([[0.0], [0.0], [200.0]]), np.ones(3, bool))
    assert got[1][0][1] == 0.0
    assert got[2][0][2] == pytest.approx(1.0)


@given(constant=st.floats(-1000, 1000))
@settings(max_examples=20, deadline=None)
def test_scaling_every_likelihood_changes_only_the_evidence(constant: float) -> None:
    model = some_model(6)
    _, x = sample(model, 30, seed=7)
    plain, shifted = (decoder.init(model, plain_whitening(3)) for _ in range(2))
    shifted.emission.log_normaliser[:] += constant
    for row in x:
        a, b = decoder.step(plain, row, 1), decoder.step(shifted, row, 1)
        np.testing.assert_allclose(a.posterior, b.posterior, atol=1e-10)
        if a.log_evidence is not None:
            assert b.log_evidence == pytest.approx(a.log_evidence + constant, abs=1e-9)


def test_relabelling_the_syllables_commutes_with_decoding() -> None:
    model = some_model(8)
    order = np.array([3, 1, 4, 0, 2])
    relabelled = ARHMM(
        model.ar_coefficients[order],
        model.ar_bias[order],
        model.ar_covariance[order],
        None,
        model.transition_matrix[np.ix_(order, order)],
        model.initial_probability[order],
    )
    _, x = sample(model, 40, seed=9)
    keep = np.arange(40) % 11 != 5
    for (p, _, _), (q, _, _) in zip(stream(model, x, keep), stream(relabelled, x, keep), strict=True):
        np.testing.assert_allclose(p[order], q, atol=1e-12)


def test_whitening_undoes_an_affine_map_of_the_scores() -> None:
    model = some_model(10)
    rng = np.random.default_rng(0)
    whitening = Whitening(rng.normal(size=3), np.linalg.cholesky(np.cov(rng.normal(size=(3, 20)))))
    _, x = sample(model, 30, seed=11)
    scores = x @ whitening.cholesky.T + whitening.mean
    np.testing.assert_allclose(whiten(whitening, scores), x, atol=1e-10)
    state, plain = decoder.init(model, whitening), decoder.init(model, plain_whitening(3))
    for raw, white in zip(scores, x, strict=True):
        got = decoder.step(state, raw, 1).posterior
        np.testing.assert_allclose(got, decoder.step(plain, white, 1).posterior, atol=1e-8)


@pytest.mark.parametrize("nu", [None, 3.0])
def test_batch_log_likelihoods_are_those_of_the_definition(nu: float | None) -> None:
    model = some_model(12, nu=nu)
    _, x = sample(model, 40, seed=13)
    x[17] = np.nan
    got = log_likelihoods(model, x)
    known = np.isfinite(got).all(1)
    assert (~known).sum() == model.num_lags + 1 + model.num_lags
    np.testing.assert_allclose(got[known], dense_log_likelihoods(model, x)[known], atol=1e-10)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e7, 1e200, 1e308])
def test_impossible_scores_never_make_a_wrong_number(bad: float) -> None:
    model = some_model(14)
    _, x = sample(model, 30, seed=15)
    state = decoder.init(model, plain_whitening(3), missing_lags="skip")
    for t, row in enumerate(x):
        if t == 20:
            row = np.full(3, bad)
        got = decoder.step(state, row, 1)
        assert got.posterior.sum() == pytest.approx(1)
        assert got.has_evidence == (t >= 2 and not 20 <= t <= 22)


def test_a_missing_mouse_counts_as_a_missing_frame() -> None:
    model = some_model(14)
    _, x = sample(model, 30, seed=15)
    a, b = decoder.init(model, plain_whitening(3)), decoder.init(model, plain_whitening(3))
    for t, row in enumerate(x):
        p = decoder.step(a, None if t in (9, 20) else row, 1).posterior
        q = decoder.step(b, np.full(3, np.nan) if t in (9, 20) else row, 1).posterior
        np.testing.assert_array_equal(p, q)


def test_a_call_that_cannot_be_meant_is_refused() -> None:
    state = decoder.init(some_model(), plain_whitening(3))
    with pytest.raises(ValueError, match="slots_elapsed"):
        decoder.step(state, None, 0)
    with pytest.raises(ValueError, match="scores must be"):
        decoder.step(state, np.zeros(4), 1)
    with pytest.raises(ValueError, match="phases"):
        decoder.init(some_model(), plain_whitening(3), phases=0)
    with pytest.raises(ValueError, match="2 dimensions given for an AR-HMM of 3"):
        decoder.init(some_model(), plain_whitening(2))


def test_no_array_is_allocated_in_a_step() -> None:
    model = random_arhmm(0, 100, 10)
    _, x = sample(model, 50, seed=1)
    state = decoder.init(model, plain_whitening(10), phases=3)
    largest = 0
    tracemalloc.start()
    for t in range(2000):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        decoder.step(state, None if t % 17 == 0 else x[t % 50], 1 + (t % 29 == 0))
        largest = max(largest, tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    assert largest < 8 * 1024
