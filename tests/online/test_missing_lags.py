"""Missing lags integrated out: exact with one syllable, close to exact with several, better than leaving frames out."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from online import decoder
from online.missing_lags import MAX_FILLED_SLOTS
from online.model import ARHMM, Array, Whitening
from online.simulation.arhmm import random_arhmm, sample


def run(
    model: ARHMM, x: Array, keep: NDArray[np.bool_], missing_lags: decoder.MissingLags = "fill"
) -> tuple[Array, Array]:
    """Posterior (T, K) and log evidence (T,) after each frame, NaN where a frame was dropped or has no evidence."""
    state = decoder.init(model, Whitening(np.zeros(model.num_dims), np.eye(model.num_dims)), 1, missing_lags)
    posterior, evidence = np.full((len(x), model.num_syllables), np.nan), np.full(len(x), np.nan)
    elapsed = 0
    for t, row in enumerate(x):
        elapsed += 1
        if keep[t]:
            out = decoder.step(state, row, elapsed)
            posterior[t], elapsed = out.posterior, 0
            evidence[t] = np.nan if out.log_evidence is None else out.log_evidence
    return posterior, evidence


def path_moments(model: ARHMM, start: Array, path: tuple[int, ...]) -> tuple[Array, Array]:
    """Mean (T*D,) and covariance of frames L ... L+T-1 given the L frames `start` and the syllables of a path."""
    num_lags, d = model.num_lags, model.num_dims
    total = len(path) * d
    mean, mixing = np.zeros(total), np.zeros((total, total))
    for t, k in enumerate(path):
        rows = slice(t * d, (t + 1) * d)
        mean[rows] = model.ar_bias[k]
        mixing[rows, rows] = np.linalg.cholesky(model.ar_covariance[k])
        for lag in range(num_lags):
            a, source = model.ar_coefficients[k, lag], t - num_lags + lag
            if source < 0:
                mean[rows] += a @ start[num_lags + source]
            else:
                mean[rows] += a @ mean[source * d : (source + 1) * d]
                mixing[rows] += a @ mixing[source * d : (source + 1) * d]
    return mean, mixing @ mixing.T


def exact(model: ARHMM, x: Array, keep: NDArray[np.bool_]) -> tuple[Array, float]:
    """Posterior of the last syllable and log density of the seen frames, summed over every path; Gaussian."""
    first, d = model.num_lags, model.num_dims
    seen = np.repeat(keep[first:], d)
    logs, last = [], []
    for path in itertools.product(range(model.num_syllables), repeat=len(x) - first):
        mean, covariance = path_moments(model, x[:first], path)
        r, c = x[first:].ravel()[seen] - mean[seen], covariance[np.ix_(seen, seen)]
        log_p = math.log(model.initial_probability[path[0]])
        log_p += sum(math.log(model.transition_matrix[i, j]) for i, j in itertools.pairwise(path))
        logs.append(log_p - 0.5 * (r @ np.linalg.solve(c, r) + np.linalg.slogdet(2 * math.pi * c)[1]))
        last.append(path[-1])
    weights = np.exp(np.array(logs) - max(logs))
    posterior = np.bincount(last, weights, model.num_syllables)
    return posterior / posterior.sum(), max(logs) + math.log(weights.sum())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), dropped=st.sets(st.integers(2, 11), max_size=6))
def test_with_one_syllable_it_is_the_exact_gaussian_marginal(seed: int, dropped: set[int]) -> None:
    model = random_arhmm(seed, num_syllables=1, num_dims=2, num_lags=2)
    _, x = sample(model, 12, seed)
    keep = np.array([t not in dropped for t in range(12)])
    _, evidence = run(model, x, keep)
    assert np.nansum(evidence) == pytest.approx(exact(model, x, keep)[1], abs=1e-8)
    assert np.isfinite(evidence[2:]).sum() == keep[2:].sum()


def test_with_several_syllables_it_is_close_to_summing_over_every_path() -> None:
    differences: dict[decoder.MissingLags, list[float]] = {"fill": [], "skip": []}
    keep = np.ones(8, bool)
    keep[[4, 6]] = False
    for seed in range(20):
        model = random_arhmm(seed, num_syllables=3, num_dims=2, num_lags=2, mean_duration_frames=4)
        _, x = sample(model, 8, seed)
        truth, _ = exact(model, x, keep)
        for convention, values in differences.items():
            values.append(float(np.abs(run(model, x, keep, convention)[0][-1] - truth).sum()))
    assert np.mean(differences["fill"]) < 0.3 * np.mean(differences["skip"])


@pytest.mark.parametrize("nu", [None, 4.0])
def test_nothing_changes_while_nothing_is_missing(nu: float | None) -> None:
    model = random_arhmm(0, degrees_of_freedom=nu)
    _, x = sample(model, 100, seed=1)
    keep = np.ones(100, bool)
    np.testing.assert_array_equal(run(model, x, keep, "fill")[0], run(model, x, keep, "skip")[0])


@pytest.mark.parametrize("nu", [None, 4.0])
def test_it_follows_the_formulas_written_plainly(nu: float | None) -> None:
    model = random_arhmm(3, num_syllables=4, num_dims=3, num_lags=3, mean_duration_frames=5, degrees_of_freedom=nu)
    _, x = sample(model, 60, seed=4)
    keep = np.random.default_rng(5).random(60) > 0.25
    keep[:4] = True
    posterior, _ = run(model, x, keep)
    expected = plain_fill(model, x, keep)
    np.testing.assert_allclose(posterior[keep], expected[keep], atol=1e-7)


def plain_fill(model: ARHMM, x: Array, keep: NDArray[np.bool_]) -> Array:
    """The filter with moment matching, dense and without shortcuts."""
    k, num_lags, d = model.num_syllables, model.num_lags, model.num_dims
    stacked = [np.concatenate(list(a), axis=1) for a in model.ar_coefficients]
    m, p = x[:num_lags].ravel(), np.zeros((num_lags * d, num_lags * d))
    w, out = model.initial_probability, np.tile(model.initial_probability, (len(x), 1))
    nu = None if model.degrees_of_freedom is None else model.degrees_of_freedom[0]
    inflation = 1.0 if nu is None else nu / (nu - 2)
    for t in range(num_lags, len(x)):
        w = w if t == num_lags else w @ model.transition_matrix
        joint_m, joint_p, log_l = [], [], np.zeros(k)
        for i in range(k):
            a, scale = stacked[i], model.ar_covariance[i] * (1.0 if keep[t] else inflation)
            mean, v, cross = a @ m + model.ar_bias[i], a @ p @ a.T + scale, p @ a.T
            if keep[t]:
                r = x[t] - mean
                square, log_det = r @ np.linalg.solve(v, r), np.linalg.slogdet(v)[1]
                log_l[i] = -0.5 * log_det - (0.5 * square if nu is None else 0.5 * (nu + d) * math.log1p(square / nu))
                gain = cross @ np.linalg.inv(v)
                joint_m.append(np.concatenate([m + gain @ r, x[t]]))
                joint_p.append(np.pad(p - gain @ cross.T, (0, d)))
            else:
                joint_m.append(np.concatenate([m, mean]))
                joint_p.append(np.block([[p, cross], [cross.T, v]]))
        w = w * np.exp(log_l - log_l.max())
        w = out[t] = w / w.sum()
        m = sum(wi * mi for wi, mi in zip(w, joint_m, strict=True))
        p = sum(wi * (pi + np.outer(mi - m, mi - m)) for wi, mi, pi in zip(w, joint_m, joint_p, strict=True))
        m, p = m[d:], p[d:, d:]
    return out


@pytest.mark.parametrize("nu", [None, 4.0])
@pytest.mark.parametrize("dropped", [0.01, 0.05, 0.1])
def test_filling_is_the_better_default(nu: float | None, dropped: float) -> None:
    """Simulated sessions with dropped frames: more frames right, less surprise at the true syllable."""
    model = random_arhmm(7, num_syllables=20, num_dims=4, degrees_of_freedom=nu)
    syllables, x = sample(model, 3000, seed=8)
    keep = np.random.default_rng(9).random(3000) > dropped
    rows = np.flatnonzero(keep)[10:]
    accuracy, surprise = {}, {}
    for convention in ("fill", "skip"):
        posterior, _ = run(model, x, keep, convention)  # type: ignore[arg-type]  # a loop over a Literal's values
        accuracy[convention] = (posterior[rows].argmax(1) == syllables[rows]).mean()
        surprise[convention] = -np.log(posterior[rows, syllables[rows]]).mean()
    assert accuracy["fill"] > accuracy["skip"] + 0.1 * dropped
    assert surprise["fill"] < surprise["skip"] - dropped


def test_too_long_a_gap_leaves_the_lags_unknown() -> None:
    model = random_arhmm(0, num_syllables=3, num_dims=2, num_lags=2)
    _, x = sample(model, 60, seed=1)
    for gap, has_evidence in ((MAX_FILLED_SLOTS, True), (MAX_FILLED_SLOTS + 1, False)):
        keep = np.ones(60, bool)
        keep[20 : 20 + gap] = False
        evidence = run(model, x, keep)[1]
        assert np.isfinite(evidence[20 + gap]) == has_evidence
        assert np.isfinite(evidence[20 + gap + 2])


def test_an_explosive_model_never_makes_a_wrong_number() -> None:
    stable = random_arhmm(0, num_syllables=3, num_dims=2, num_lags=2)
    model = ARHMM(
        stable.ar_coefficients * 8,
        stable.ar_bias,
        stable.ar_covariance,
        None,
        stable.transition_matrix,
        stable.initial_probability,
    )
    x = np.random.default_rng(0).normal(size=(80, 2))
    keep = np.random.default_rng(1).random(80) > 0.4
    posterior, evidence = run(model, x, keep)
    np.testing.assert_allclose(posterior[keep].sum(1), 1)
    assert np.isfinite(evidence[-3:]).any()
