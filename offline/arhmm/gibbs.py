"""The Gibbs chain: one sweep draws AR parameters, transitions, then every session's syllables.

Every draw comes from a generator keyed by (seed, sweep, purpose, session), and statistics are added in the order of
sessions, so that the chain is the same bit for bit whatever the number of threads, and continues after a stop.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from offline.arhmm.data import Sessions
from offline.arhmm.emission import Emission, pack, squared_distances
from offline.arhmm.hierarchy import sample_prior
from offline.arhmm.hmm import Labels, forward_filter, sample_backward, session_log_likelihood
from offline.arhmm.initialise import initial_labels
from offline.arhmm.prior import (
    FIRST_DEGREES_OF_FREEDOM,
    Prior,
    condition,
    empirical_prior,
    sample_degrees_of_freedom,
    sample_emission,
)
from offline.arhmm.statistics import Statistics, session_statistics, zero_statistics
from offline.arhmm.transitions import StickyHDP, Transitions, sample_by_group

Array = NDArray[np.float64]

MESSAGE_TYPE = np.float32
"""Precision of likelihoods and messages within a sweep; statistics and parameters are float64."""

INITIALISE, PARAMETERS, STATES = range(3)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the chain is.

    `student_t` gives every syllable its own heavy-tailed innovations. `learn_prior` draws the parameters of the prior,
    too; without it they stay as moseq2-model has them. `identity_on_oldest` puts the fixed prior's mean on the oldest
    lag, as moseq2-model does. `mixture` draws every frame's syllable by itself, whatever came before.
    `anneal` lets kappa rise to its value over the first half of the sweeps; `merge` joins duplicate syllables
    (`offline.arhmm.merging`) until the sweeps that are averaged.
    """

    hdp: StickyHDP
    max_syllables: int = 100
    student_t: bool = False
    learn_prior: bool = True
    identity_on_oldest: bool = False
    mixture: bool = False
    anneal: bool = True
    merge: bool = True
    seed: int = 0


@dataclass(slots=True)
class Chain:
    """Where the chain stands after `sweep` sweeps.

    `pooled` is the prior from all data as one syllable, `prior` the present one;
    labels (N,) int16, weights (N,) the Student-t precision factors (one where Gaussian), statistics of both,
    log_likelihood: log p(data | parameters of the last sweep), summed over sessions.
    """

    sweep: int
    labels: Labels
    weights: Array
    statistics: Statistics
    emission: Emission | None
    transitions: Transitions
    pooled: Prior
    prior: Prior
    log_likelihood: float


@contextmanager
def workers(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads for the sessions, with the linear algebra inside each of them kept to one thread."""
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        yield pool


def annealed(settings: Settings, done: int, sweeps: int) -> Settings:
    """Settings of the next sweep when `done` of `sweeps` are behind.

    Kappa rises from a hundredth to its value over the first half: while it is small, frames find their syllable by
    themselves, and fewer syllables are swallowed by others before they have found their own movement.
    """
    if not settings.anneal:
        return settings
    share = min(1.0, 2 * done / sweeps)
    return replace(settings, hdp=replace(settings.hdp, kappa=settings.hdp.kappa * 10 ** (2 * share - 2)))


def generator(seed: int, sweep: int, purpose: int, session: int = 0) -> np.random.Generator:
    """Independent random stream of one task of one sweep."""
    return np.random.default_rng((seed, sweep, purpose, session))


def collect(sessions: Sessions, labels: Labels, weights: Array, num_syllables: int) -> Statistics:
    """Statistics of labelled sessions."""
    total = zero_statistics(num_syllables, sessions.x.shape[1], sessions.num_lags, sessions.num_groups)
    for index in range(len(sessions.names)):
        rows = sessions.rows(index)
        fields = session_statistics(
            sessions.x[rows], sessions.has_evidence[rows], labels[rows], weights[rows], num_syllables, sessions.num_lags
        )
        total.add_session(fields, sessions.groups[index])
    return total


def pooled_prior(sessions: Sessions, settings: Settings) -> Prior:
    """Empirical-Bayes prior from all frames as if they were one syllable."""
    labels = np.zeros(len(sessions.x), np.int16)
    pooled = collect(sessions, labels, np.ones(len(labels)), 1)
    return empirical_prior(pooled, sessions.x.shape[1], settings.identity_on_oldest)


def start(sessions: Sessions, settings: Settings, labels: Labels | None = None) -> Chain:
    """Chain before its first sweep, from k-means labels or the given ones."""
    num_syllables = settings.max_syllables
    if labels is None:
        labels = initial_labels(sessions, num_syllables, generator(settings.seed, 0, INITIALISE))
    weights = np.ones(len(labels))
    uniform = np.full(num_syllables, 1 / num_syllables)
    pooled = pooled_prior(sessions, settings)
    groups = sessions.num_groups
    return Chain(
        sweep=0,
        labels=labels,
        weights=weights,
        statistics=collect(sessions, labels, weights, num_syllables),
        emission=None,
        transitions=Transitions(np.tile(uniform, (groups, 1)), np.tile(uniform, (groups, num_syllables, 1))),
        pooled=pooled,
        prior=pooled,
        log_likelihood=-np.inf,
    )


def _precision_factors(
    sessions: Sessions, rows: slice, labels: Labels, emission: Emission, rng: np.random.Generator
) -> Array:
    """Draw the Student-t precision factor of every frame: Gamma((nu + D)/2, rate (nu + r' Sigma^-1 r)/2)."""
    weights = np.ones(len(labels))
    if emission.degrees_of_freedom is None:
        return weights
    x, seen = sessions.x[rows], np.flatnonzero(sessions.has_evidence[rows])
    z = labels[seen]
    squared = squared_distances(x, seen, z, emission)
    nu = emission.degrees_of_freedom[z]
    weights[seen] = np.maximum(rng.standard_gamma((nu + x.shape[1]) / 2) / ((nu + squared) / 2), 1e-12)
    return weights


def sweep(
    chain: Chain, sessions: Sessions, settings: Settings, pool: ThreadPoolExecutor, keep_prior: bool = False
) -> None:
    """Advance the chain by one sweep, in place; with `keep_prior` the prior stays as it is."""
    chain.sweep += 1
    num_syllables = settings.max_syllables
    rng = generator(settings.seed, chain.sweep, PARAMETERS)
    dof = None
    if settings.student_t:
        known = chain.emission.degrees_of_freedom if chain.emission is not None else None
        before = known if known is not None else np.full(num_syllables, FIRST_DEGREES_OF_FREEDOM)
        dof = sample_degrees_of_freedom(before, chain.statistics, rng) if known is not None else before
    if settings.learn_prior and chain.emission is not None and not keep_prior:
        chain.prior = sample_prior(chain.prior, chain.pooled, chain.emission, chain.statistics.frames, rng)
    emission = sample_emission(condition(chain.prior, chain.statistics), dof, rng)
    transitions = sample_by_group(chain.transitions, chain.statistics.transitions, settings.hdp, settings.mixture, rng)
    packed = pack(emission, MESSAGE_TYPE).arrays
    matrix = transitions.matrix.astype(MESSAGE_TYPE)
    into = np.ascontiguousarray(matrix.transpose(0, 2, 1))
    initial = np.full(num_syllables, 1 / num_syllables, MESSAGE_TYPE)
    longest = int(np.diff(sessions.starts).max())
    scratch: SimpleQueue[NDArray[np.float32]] = SimpleQueue()

    def draw(index: int) -> tuple[float, tuple[Array, Array, Array, Array]]:
        rows, group = sessions.rows(index), sessions.groups[index]
        x, seen = sessions.x[rows], sessions.has_evidence[rows]
        stream = generator(settings.seed, chain.sweep, STATES, index)
        buffer = np.empty((longest, num_syllables), MESSAGE_TYPE) if scratch.empty() else scratch.get()
        filtered = buffer[: len(x)]
        session_log_likelihood(x, seen, sessions.num_lags, packed, filtered)
        evidence = np.zeros(len(x))
        forward_filter(filtered, sessions.num_lags, matrix[group], initial, evidence)
        labels = chain.labels[rows]
        sample_backward(filtered, sessions.num_lags, into[group], stream.random(len(x)), labels)
        scratch.put(buffer)
        weights = _precision_factors(sessions, rows, labels, emission, stream)
        chain.weights[rows] = weights
        fields = session_statistics(x, seen, labels, weights, num_syllables, sessions.num_lags)
        return float(evidence.sum()), fields

    statistics = zero_statistics(num_syllables, sessions.x.shape[1], sessions.num_lags, sessions.num_groups)
    log_likelihood = 0.0
    for (value, part), group in zip(pool.map(draw, range(len(sessions.names))), sessions.groups, strict=True):
        log_likelihood += value
        statistics.add_session(part, group)
    chain.statistics, chain.log_likelihood = statistics, log_likelihood
    chain.emission, chain.transitions = emission, transitions
