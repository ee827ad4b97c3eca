"""Merge moves: their gain beside plain sums, and that a divided syllable becomes one again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln

from offline.arhmm import merging
from offline.arhmm.checkpoint import TracePoint
from offline.arhmm.data import Sessions, assemble, fit_whitening
from offline.arhmm.fit import Schedule, fit
from offline.arhmm.gibbs import Chain, Settings, collect, start, sweep, workers
from offline.arhmm.merging import log_evidence, merge_duplicates
from offline.arhmm.prior import Prior
from offline.arhmm.statistics import session_statistics, zero_statistics
from offline.arhmm.transitions import StickyHDP, Transitions
from online.emission import whiten
from online.simulation.arhmm import random_arhmm, sample

Array = NDArray[np.float64]
MODEL = random_arhmm(1, num_syllables=4, num_dims=3, num_lags=2, mean_duration_frames=12, separation=3)


def simulated(num_sessions: int = 3, num_frames: int = 900) -> tuple[Sessions, NDArray[np.int16]]:
    drawn = [sample(MODEL, num_frames, seed) for seed in range(num_sessions)]
    whitening = fit_whitening([x for _, x in drawn])
    truth = [z.astype(np.int16) for z, _ in drawn]
    for z in truth:
        z[:2] = -5
    return assemble([*"abc"], [whiten(whitening, x) for _, x in drawn], 2), np.concatenate(truth)


def plain_evidence(prior: Prior, phi: Array, x: Array) -> float:
    """The chain rule: each frame under the multivariate-t prediction from those before it."""
    precision, mean = prior.column_precision, prior.mean
    scale, dof, num_dims = prior.scale, prior.dof, len(prior.scale)
    total = 0.0
    for p, y in zip(phi, x, strict=True):
        spread = 1 + p @ np.linalg.solve(precision, p)
        free = dof - num_dims + 1
        total += stats.multivariate_t(mean @ p, scale * spread / free, df=free).logpdf(y)
        grown = precision + np.outer(p, p)
        moved = np.linalg.solve(grown, (mean @ precision + np.outer(y, p)).T).T
        scale = scale + np.outer(y, y) + mean @ precision @ mean.T - moved @ grown @ moved.T
        precision, mean, dof = grown, moved, dof + 1
    return total


def test_evidence_is_the_product_of_predictions() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2)).cumsum(0) * 0.3
    labels = np.zeros(40, np.int16)
    fields = session_statistics(x, np.arange(40) >= 1, labels, np.ones(40), 1, 1)
    statistics = zero_statistics(1, 2, 1)
    statistics.add_session(fields, 0)
    prior = Prior(rng.normal(size=(2, 3)), np.array([[1.0, 0.2], [0.2, 0.5]]), 5.5, np.diag([0.1, 0.2, 0.3]))
    phi = np.column_stack([x[:-1], np.ones(39)])
    assert log_evidence(prior, statistics)[0] == pytest.approx(plain_evidence(prior, phi, x[1:]), abs=1e-5)


def log_joint(chain: Chain, settings: Settings) -> float:
    """Labels, data and precision factors, up to what no label changes."""
    statistics, hdp = chain.statistics, settings.hdp
    total = float(log_evidence(chain.prior, statistics).sum())
    for counts, shared in zip(statistics.transitions, chain.transitions.shared, strict=True):
        rows = hdp.alpha * shared + hdp.kappa * np.eye(len(shared))
        total += (gammaln(rows.sum(1)) - gammaln(rows.sum(1) + counts.sum(1))).sum()
        total += (gammaln(rows + counts) - gammaln(rows)).sum()
    if chain.emission is not None and chain.emission.degrees_of_freedom is not None:
        nu = chain.emission.degrees_of_freedom[np.maximum(chain.labels, 0)]
        tau = chain.weights
        density = stats.gamma(nu / 2, scale=2 / nu).logpdf(tau) - (nu / 2 - 1) * np.log(tau) + (nu / 2) * np.log(tau)
        total += float(density[chain.labels >= 0].sum())
    return total


def divided(student_t: bool) -> tuple[Chain, Sessions, Settings, NDArray[np.int16]]:
    """A chain in which true syllable 0 is divided in time into syllables 0 and 6, and 1 and 2 stand for themselves."""
    sessions, truth = simulated()
    labels = truth.copy()
    late = np.arange(len(labels)) > len(labels) // 2
    labels[(labels == 0) & late] = 6
    settings = Settings(StickyHDP(kappa=50.0), max_syllables=8, student_t=student_t, learn_prior=False)
    chain = start(sessions, settings, labels.copy())
    if student_t:
        with workers(1) as pool:
            sweep(chain, sessions, settings, pool)
        chain.labels[:] = labels
    chain.transitions = Transitions(np.full((1, 8), 1 / 8), chain.transitions.matrix)
    chain.statistics = collect(sessions, chain.labels, chain.weights, 8)
    return chain, sessions, settings, truth


@pytest.mark.parametrize("student_t", [False, True])
def test_a_divided_syllable_becomes_one_and_the_joint_probability_rises(student_t: bool) -> None:
    chain, sessions, settings, truth = divided(student_t)
    before = log_joint(chain, settings)
    merges = merge_duplicates(chain, sessions, settings)
    assert [set(pair) for pair in merges] == [{0, 6}]
    relabelled = np.where(chain.labels == 6, 0, chain.labels)
    np.testing.assert_array_equal(relabelled, truth)
    np.testing.assert_array_equal(chain.statistics.frames, collect(sessions, chain.labels, chain.weights, 8).frames)
    assert log_joint(chain, settings) > before + 10


@pytest.mark.parametrize("student_t", [False, True])
def test_the_gain_is_the_change_of_the_joint_probability(student_t: bool) -> None:
    """Every pair of syllables in use, good or bad, beside the sums over everything."""
    chain, sessions, settings, _ = divided(student_t)
    before = log_joint(chain, settings)
    joint = merging._joint(chain, settings)
    single = joint.evidence([np.arange(8)])
    for kept, taken in [(0, 6), (1, 2), (2, 0), (3, 6), (1, 7)]:
        other, _, _, _ = divided(student_t)
        other.labels[:] = np.where(chain.labels == taken, kept, chain.labels)
        other.weights[:] = chain.weights
        other.emission = chain.emission
        other.statistics = collect(sessions, other.labels, other.weights, 8)
        gain = joint.gain(np.array([kept]), np.array([taken]), single)[0]
        assert gain == pytest.approx(log_joint(other, settings) - before, abs=1e-5, rel=1e-9)


def test_a_mixture_is_left_as_it_is() -> None:
    chain, sessions, settings, _ = divided(False)
    assert merge_duplicates(chain, sessions, replace(settings, mixture=True)) == []


SETTINGS = Settings(StickyHDP(kappa=50.0), max_syllables=12, learn_prior=False)


@pytest.mark.parametrize(("sweeps", "average"), [(40, 10), (50, 25)])
def test_a_chain_that_starts_divided_ends_with_fewer_syllables_than_without_merges(sweeps: int, average: int) -> None:
    """Also where no tenth sweep lies between the end of annealing and the averaged ones."""
    sessions, _ = simulated()
    counts = {}
    for merge in (True, False):
        found = fit(sessions, None, replace(SETTINGS, merge=merge), Schedule(sweeps, average, 1))
        counts[merge] = int((found.usage > 0.01).sum())
    assert counts[True] == 4
    assert counts[False] > 4


class StoppedError(Exception):
    """Stands for a crash."""


@pytest.mark.parametrize("student_t", [False, True])
def test_a_run_that_stops_beside_a_merge_continues_bit_for_bit(tmp_path: Path, student_t: bool) -> None:
    sessions, _ = simulated(3, 300)
    sessions = replace(sessions, groups=(0, 1, 0))
    settings = replace(SETTINGS, student_t=student_t, learn_prior=True)
    merge_at = 12
    whole = fit(sessions, None, settings, Schedule(24, 12, 1))
    unmerged = fit(sessions, None, replace(settings, merge=False), Schedule(24, 12, 1))
    assert whole.trace[:merge_at] == unmerged.trace[:merge_at]
    assert whole.trace[merge_at] != unmerged.trace[merge_at]
    for stop_after in (merge_at - 1, merge_at, merge_at + 1):
        kept = Schedule(24, 12, 2, checkpoint=tmp_path / f"{stop_after}.h5", checkpoint_every=1, resume=True)

        def stop(point: TracePoint, at: int = stop_after + 1) -> None:
            if point.sweep == at:
                raise StoppedError

        with pytest.raises(StoppedError):
            fit(sessions, None, settings, kept, stop)
        continued = fit(sessions, None, settings, kept)
        assert continued.trace == whole.trace
        np.testing.assert_array_equal(continued.model.ar_coefficients, whole.model.ar_coefficients)
        np.testing.assert_array_equal(continued.by_group[1].transition_matrix, whole.by_group[1].transition_matrix)
