"""The Gibbs chain: its conditionals, its determinism, and that it finds simulated syllables."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_mutual_info_score

from offline.arhmm.data import Sessions, assemble, fit_whitening
from offline.arhmm.fit import Fit, Schedule, fit, log_likelihood_per_frame
from offline.arhmm.gibbs import Settings, annealed, pooled_prior
from offline.arhmm.labelling import filtered_posterior, label
from offline.arhmm.log_hmm import log_smooth_backward
from offline.arhmm.prior import (
    Conditional,
    condition,
    expected_emission,
    sample_degrees_of_freedom,
    sample_emission,
)
from offline.arhmm.statistics import zero_statistics
from offline.arhmm.transitions import StickyHDP, Transitions, sample_transitions
from online.emission import whiten
from online.errors import EtholoopError
from online.simulation.arhmm import random_arhmm, sample

MODEL = random_arhmm(1, num_syllables=6, num_dims=3, num_lags=2, mean_duration_frames=12, separation=3)


def simulated(num_sessions: int = 4, num_frames: int = 700) -> tuple[Sessions, list[NDArray[np.int64]]]:
    drawn = [sample(MODEL, num_frames, seed) for seed in range(num_sessions)]
    drawn[0][1][100] = np.nan
    whitening = fit_whitening([x for _, x in drawn])
    names = [f"s{i}" for i in range(num_sessions)]
    return assemble(names, [whiten(whitening, x) for _, x in drawn], 2), [z for z, _ in drawn]


def run(sessions: Sessions, threads: int = 1, seed: int = 0, student_t: bool = False, sweeps: int = 40) -> Fit:
    settings = Settings(StickyHDP(kappa=100.0), max_syllables=12, student_t=student_t, seed=seed)
    return fit(sessions, None, settings, Schedule(sweeps, 15, threads))


def test_sampled_parameters_have_the_posterior_mean() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(2, 5, 5))
    conditional = Conditional(
        mean=rng.normal(size=(2, 2, 5)),
        precision=root @ root.transpose(0, 2, 1) + np.eye(5),
        scale=np.array([[[3.0, 1.0], [1.0, 2.0]], [[1.0, -0.3], [-0.3, 4.0]]]),
        dof=np.array([9.0, 12.0]),
    )
    draws = [sample_emission(conditional, None, rng) for _ in range(20_000)]
    expected = expected_emission(conditional, None)
    covariance = np.mean([d.covariance for d in draws], axis=0)
    np.testing.assert_allclose(covariance, expected.covariance, atol=0.03)
    deviation = np.array([d.weights for d in draws]) - conditional.mean
    np.testing.assert_allclose(deviation.mean(0), 0, atol=0.02)
    between = np.einsum("nkdp,nkdq->kpq", deviation, deviation) / len(draws)
    trace = np.trace(expected.covariance, axis1=1, axis2=2)[:, None, None]
    np.testing.assert_allclose(between, np.linalg.inv(conditional.precision) * trace, atol=0.03)


def test_sampled_transitions_follow_their_counts() -> None:
    counts = np.array([[50.0, 10.0, 0.0], [0.0, 80.0, 20.0], [30.0, 0.0, 30.0]])
    hdp = StickyHDP(kappa=40.0, alpha=5.7, gamma=1000.0)
    rng = np.random.default_rng(0)
    current = Transitions(np.full(3, 1 / 3), np.eye(3))
    total = np.zeros((3, 3))
    for _ in range(4000):
        current = sample_transitions(current, counts, hdp, rng)
        total += current.matrix
    concentration = counts + 5.7 / 3 + 40 * np.eye(3)
    np.testing.assert_allclose(total / 4000, concentration / concentration.sum(1, keepdims=True), atol=0.01)


def test_degrees_of_freedom_are_found_again() -> None:
    rng = np.random.default_rng(0)
    truth = np.array([3.0, 12.0])
    factors = [rng.gamma(nu / 2, 2 / nu, 4000) for nu in truth]
    statistics = zero_statistics(2, 1, 0)
    statistics.moments[:, 0, 0] = [f.sum() for f in factors]
    statistics.frames[:] = 4000
    statistics.log_weights[:] = [np.log(f).sum() for f in factors]
    current, kept = np.full(2, 4.0), []
    for _ in range(60):
        current = sample_degrees_of_freedom(current, statistics, rng)
        kept.append(current)
    np.testing.assert_allclose(np.mean(kept[20:], axis=0), truth, rtol=0.12)


def test_prior_puts_the_identity_on_the_newest_lag() -> None:
    sessions, _ = simulated()
    plain = pooled_prior(sessions, Settings(StickyHDP(1.0)))
    compatible = pooled_prior(sessions, Settings(StickyHDP(1.0), identity_on_oldest=True))
    np.testing.assert_array_equal(plain.mean[:, 3:6], np.eye(3))
    np.testing.assert_array_equal(compatible.mean[:, :3], np.eye(3))
    assert plain.mean.sum() == compatible.mean.sum() == 3
    mean_noise = condition(plain, zero_statistics(1, 3, 2)).scale[0]
    residual = np.cov((sessions.x[1:] - sessions.x[:-1])[sessions.has_evidence[1:]].T)
    assert 0 < np.trace(mean_noise) < np.trace(residual) * 1.01


def test_simulated_syllables_are_found() -> None:
    sessions, truth = simulated()
    result = run(sessions)
    found = np.concatenate([label(result.model, sessions.x[sessions.rows(i)], "smoothed")[0] for i in range(4)])
    seen = sessions.has_evidence
    assert adjusted_mutual_info_score(np.concatenate(truth)[seen], found[seen]) > 0.75
    assert (np.diff(result.usage) <= 0).all()
    assert result.usage.sum() == pytest.approx(1)
    assert log_likelihood_per_frame(result.model, sessions) > result.trace[-1].train - 0.05


@pytest.mark.parametrize("student_t", [False, True])
def test_threads_change_nothing_and_seeds_do(student_t: bool) -> None:
    sessions, _ = simulated(3, 300)
    one, four = (run(sessions, threads, student_t=student_t, sweeps=16) for threads in (1, 4))
    for name in ("ar_coefficients", "ar_bias", "ar_covariance", "transition_matrix", "degrees_of_freedom"):
        np.testing.assert_array_equal(getattr(one.model, name), getattr(four.model, name))
    np.testing.assert_array_equal(one.gibbs_labels, four.gibbs_labels)
    assert one.trace == four.trace
    other = run(sessions, seed=1, student_t=student_t, sweeps=16)
    assert other.trace != one.trace


def test_gibbs_labels_are_draws_from_the_posterior() -> None:
    """Their frequencies over many seeds are the smoothed marginals; they last shorter than the most probable path."""
    _, x = sample(MODEL, 60, 5)
    draws = np.stack([label(MODEL, x, "gibbs", seed)[0] for seed in range(400)])
    log_posterior = filtered_posterior(MODEL, x)[0]
    log_smooth_backward(log_posterior, 2, MODEL.transition_matrix, np.log(MODEL.transition_matrix))
    posterior = np.exp(log_posterior)
    shares = np.stack([(draws == k).mean(0) for k in range(6)], axis=1)
    np.testing.assert_allclose(shares[2:], posterior[2:], atol=0.1)
    np.testing.assert_array_equal(draws[0], label(MODEL, x, "gibbs", 0)[0])
    assert (draws[:, :2] == -5).all()


def test_kappa_rises_over_the_first_half() -> None:
    settings = Settings(StickyHDP(kappa=100.0))
    kappas = [annealed(settings, done, 20).hdp.kappa for done in range(20)]
    assert kappas[0] == pytest.approx(1.0)
    assert (np.diff(kappas[:11]) > 0).all()
    assert kappas[10:] == [100.0] * 10
    assert annealed(replace(settings, anneal=False), 0, 20).hdp.kappa == 100.0


def test_groups_have_transitions_of_their_own() -> None:
    """Two groups move alike but one goes round the syllables the other way."""
    ways = [replace(MODEL, transition_matrix=m) for m in (one_way(1), one_way(-1))]
    drawn = [sample(ways[i % 2], 1800, i)[1] for i in range(4)]
    whitening = fit_whitening(drawn)
    sessions = assemble([*"abcd"], [whiten(whitening, x) for x in drawn], 2, groups=[0, 1, 0, 1])
    result = run(sessions)
    assert len(result.by_group) == 2
    first, second = (m.transition_matrix - np.diag(np.diag(m.transition_matrix)) for m in result.by_group)
    assert np.corrcoef(first.ravel(), second.T.ravel())[0, 1] > 0.8
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] < 0.3
    np.testing.assert_array_equal(result.by_group[0].ar_bias, result.model.ar_bias)
    assert run(replace(sessions, groups=(0, 0, 0, 0))).by_group == ()


def one_way(direction: int) -> NDArray[np.float64]:
    """A chain that leaves every syllable for its neighbour."""
    stay = 0.92 * np.eye(6)
    return np.asarray(stay + 0.08 * np.roll(np.eye(6), direction, axis=1))


def test_sessions_without_usable_frames_are_refused() -> None:
    short = assemble(["a", "b"], [np.zeros((2, 3)), np.full((50, 3), np.nan)], 2)
    with pytest.raises(EtholoopError, match="no frame"):
        run(short)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda s: s[:3], "only 3 complete rows"),
        (lambda s: s * [1, 0, 1], "dimension 2 is constant"),
        (lambda s: np.stack([s[:, 0], s[:, 1], s[:, 0] + s[:, 1]], 1), "combinations"),
        (lambda s: s * [1, np.nan, 1], "only 0 complete rows"),
    ],
)
def test_scores_that_cannot_be_whitened_are_refused(spoil, complaint: str) -> None:  # type: ignore[no-untyped-def]
    scores = np.random.default_rng(0).normal(size=(100, 3))
    with pytest.raises(EtholoopError, match=complaint):
        fit_whitening([spoil(scores)])


def test_sessions_that_are_too_short_or_empty_change_nothing() -> None:
    """One frame, no frame, as many frames as lags, and nothing but gaps, among good ones."""
    sessions, _ = simulated(3, 300)
    good = [sessions.x[sessions.rows(i)] for i in range(3)]
    good[0] = np.where(sessions.present[sessions.rows(0), None], good[0], np.nan)
    odd = [np.zeros((1, 3)), np.zeros((0, 3)), np.zeros((2, 3)), np.full((9, 3), np.nan)]
    mixed = assemble([str(i) for i in range(7)], [*good, *odd], 2)
    result = run(mixed, sweeps=12)
    alone = run(assemble(["a", "b", "c"], good, 2), sweeps=12)
    assert mixed.num_frames == sessions.num_frames
    rows = len(result.gibbs_labels) - 12
    assert (result.gibbs_labels[: sessions.rows(2).stop] >= -5).all()
    assert (result.gibbs_labels[rows : rows + 3] == -5).all()
    assert result.model.num_syllables == alone.model.num_syllables
    for x in odd:
        labels, evidence = label(result.model, x, "viterbi")
        assert (labels == -5).all()
        assert np.isnan(evidence).all()
