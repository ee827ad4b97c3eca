"""Smoothing, prediction and onsets against summing over every path, and against a dense batch pass."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from online import decoder
from online.history import History, init, record
from online.model import ARHMM, Array, Whitening
from online.prediction import began_within, predict
from online.simulation.arhmm import random_arhmm, sample
from online.smoothing import smooth

K, L = 3, 2


def decode(
    model: ARHMM, x: Array, keep: NDArray[np.bool_], reach: int, shift: float = 0.0
) -> tuple[decoder.DecoderState, History, Array]:
    """Decode a session; also the likelihoods (T, K) as the decoder used them, zero where a frame is missing."""
    state = decoder.init(model, Whitening(np.zeros(model.num_dims), np.eye(model.num_dims)), missing_lags="skip")
    state.emission.log_normaliser[:] += shift
    history, log_likelihood, elapsed = init(state, reach), np.zeros((len(x), model.num_syllables)), 0
    for t, row in enumerate(x):
        elapsed += 1
        if keep[t]:
            out = decoder.step(state, row, elapsed)
            record(history, out)
            log_likelihood[t], elapsed = out.log_likelihood, 0
    return state, history, log_likelihood


def paths(model: ARHMM, log_likelihood: Array) -> tuple[NDArray[np.int64], Array]:
    """Every path over slots L ... T-1 and its posterior probability."""
    every = np.array(list(itertools.product(range(model.num_syllables), repeat=len(log_likelihood) - L)))
    p = model.initial_probability[every[:, 0]]
    for t in range(1, every.shape[1]):
        p = p * model.transition_matrix[every[:, t - 1], every[:, t]]
    for t in range(every.shape[1]):
        p = p * np.exp(log_likelihood[L + t, every[:, t]])
    return every, p / p.sum()


def marginal(syllables: NDArray[np.int64], p: Array) -> Array:
    return np.bincount(syllables, p, K)


def a_session(seed: int, dropped: set[int]) -> tuple[ARHMM, Array, NDArray[np.bool_]]:
    model = random_arhmm(seed, K, 2, L, mean_duration_frames=3, separation=1.0)
    _, x = sample(model, 10, seed)
    keep = np.array([t not in dropped for t in range(10)])
    return model, x, keep


@given(seed=st.integers(0, 1000), dropped=st.sets(st.integers(0, 8), max_size=4), delay=st.integers(0, 7))
def test_smoothing_is_summing_over_every_path(seed: int, dropped: set[int], delay: int) -> None:
    model, x, keep = a_session(seed, dropped)
    _, history, log_likelihood = decode(model, x, keep, reach=8)
    every, p = paths(model, log_likelihood)
    got = np.zeros(K)
    assert smooth(history, delay, got)
    np.testing.assert_allclose(got, marginal(every[:, -1 - delay], p), atol=1e-11)


def test_before_the_chain_has_begun_it_stands_still() -> None:
    model, x, keep = a_session(0, set())
    _, history, log_likelihood = decode(model, x, keep, reach=9)
    every, p = paths(model, log_likelihood)
    got = np.zeros(K)
    for delay in (7, 8, 9):
        assert smooth(history, delay, got)
        np.testing.assert_allclose(got, marginal(every[:, 0], p), atol=1e-11)


@given(seed=st.integers(0, 1000), dropped=st.sets(st.integers(0, 8), max_size=4), frames=st.integers(1, 8))
def test_began_within_is_summing_over_every_path(seed: int, dropped: set[int], frames: int) -> None:
    model, x, keep = a_session(seed, dropped)
    _, history, log_likelihood = decode(model, x, keep, reach=8)
    every, p = paths(model, log_likelihood)
    recent = every[:, max(0, every.shape[1] - 1 - frames) :]
    stayed = (recent == recent[:, -1:]).all(1) & (frames < every.shape[1])
    got = np.zeros(K)
    began_within(history, frames, got)
    np.testing.assert_allclose(got, marginal(every[:, -1], p * ~stayed), atol=1e-11)


@pytest.mark.parametrize("frames", [0, 1, 7, 200])
def test_prediction_is_a_power_of_the_transition_matrix(frames: int) -> None:
    model, x, keep = a_session(1, {5})
    state, history, _ = decode(model, x, keep, reach=0)
    got = np.zeros(K)
    predict(history, frames, got)
    expected = state.decoded.posterior @ np.linalg.matrix_power(model.transition_matrix, frames)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_prediction_knows_that_the_chain_begins_at_slot_l() -> None:
    model, x, keep = a_session(1, set())
    _, history, _ = decode(model, x[:1], keep[:1], reach=0)
    got = np.zeros(K)
    predict(history, L, got)
    np.testing.assert_allclose(got, model.initial_probability)
    predict(history, L + 1, got)
    np.testing.assert_allclose(got, model.initial_probability @ model.transition_matrix)


@pytest.mark.parametrize("shift", [0.0, -1000.0])
@pytest.mark.parametrize("gap", [0, 3, 40])
def test_smoothing_a_long_session_equals_a_dense_batch_pass(shift: float, gap: int) -> None:
    model = random_arhmm(5, 12, 3, L, mean_duration_frames=6)
    _, x = sample(model, 150, seed=6)
    keep = np.random.default_rng(7).random(150) > 0.1
    keep[:3], keep[70 : 70 + gap], keep[-1] = True, False, True
    _, _, log_likelihood = decode(model, x, keep, reach=15)
    log_t = np.log(model.transition_matrix)
    alpha = np.tile(np.log(model.initial_probability), (150, 1))
    for t in range(L, 150):
        if t > L:
            alpha[t] = np.logaddexp.reduce(alpha[t - 1][:, None] + log_t, axis=0)
        alpha[t] += log_likelihood[t]
    for end in np.flatnonzero(keep[20:])[::7] + 20:
        _, history, _ = decode(model, x[: end + 1], keep[: end + 1], reach=15, shift=shift)
        beta = np.zeros(12)
        for t in range(end, end - 15, -1):
            beta = np.logaddexp.reduce(log_t + log_likelihood[t] + beta, axis=1)
        expected = alpha[end - 15] + beta
        got = np.zeros(12)
        assert smooth(history, 15, got)
        np.testing.assert_allclose(got, np.exp(expected - np.logaddexp.reduce(expected)), atol=1e-10)


def test_each_phase_has_a_history_of_its_own() -> None:
    model = random_arhmm(5, 6, 3, L)
    sessions = [sample(model, 40, seed)[1] for seed in range(3)]
    whitening = Whitening(np.zeros(3), np.eye(3))
    together = decoder.init(model, whitening, phases=3)
    alone = [decoder.init(model, whitening) for _ in range(3)]
    histories = [init(s, 5) for s in (together, *alone)]
    got, expected = np.zeros(6), np.zeros(6)
    for t in range(40):
        for phase in range(3):
            record(histories[0], decoder.step(together, sessions[phase][t], 1))
            record(histories[1 + phase], decoder.step(alone[phase], sessions[phase][t], 1))
            assert smooth(histories[0], 5, got) == smooth(histories[1 + phase], 5, expected)
            np.testing.assert_array_equal(got, expected)


def test_smoothing_knows_better_than_the_filter() -> None:
    model = random_arhmm(2, 20, 4)
    syllables, x = sample(model, 1500, seed=3)
    state = decoder.init(model, Whitening(np.zeros(4), np.eye(4)))
    history, out, right = init(state, 5), np.zeros(20), np.zeros((2, 1500))
    for t, row in enumerate(x):
        decoded = decoder.step(state, row, 1)
        record(history, decoded)
        right[0, t] = decoded.posterior.argmax() == syllables[t]
        if smooth(history, 5, out):
            right[1, t] = out.argmax() == syllables[t - 5]
    filtered, smoothed = right.mean(1)
    assert smoothed > filtered + 0.02


def test_what_the_history_does_not_hold_is_refused() -> None:
    model, x, keep = a_session(0, set())
    state, history, _ = decode(model, x[:3], keep[:3], reach=4)
    out = np.full(K, 7.0)
    assert not smooth(history, 3, out)
    assert (out == 7).all()
    with pytest.raises(ValueError, match="reaches 4 frames back, not 5"):
        smooth(history, 5, out)
    with pytest.raises(ValueError, match=r"1 \.\.\. 4, not 0"):
        began_within(history, 0, out)
    with pytest.raises(ValueError, match="not 16777216"):
        predict(history, 2**24, np.zeros(K))
    with pytest.raises(ValueError, match="before the decoder's first step"):
        init(state, 3)


def test_no_array_is_allocated() -> None:
    model = random_arhmm(0, 100, 10)
    _, x = sample(model, 50, seed=1)
    state = decoder.init(model, Whitening(np.zeros(10), np.eye(10)))
    history, out = init(state, 15), np.zeros(100)
    largest = 0
    for t in range(600):
        if t == 100:
            tracemalloc.start()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        record(history, decoder.step(state, x[t % 50], 1 + (t % 29 == 0)))
        smooth(history, 15, out)
        began_within(history, 5, out) if t > 5 else None
        predict(history, 3, out)
        largest = max(largest, tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    assert largest < 8 * 1024
