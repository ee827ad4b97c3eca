"""From a chain to a model: posterior means over its last sweeps, syllables sorted by usage."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from offline.arhmm.data import Sessions
from offline.arhmm.gibbs import Chain, Settings
from offline.arhmm.prior import Prior, condition, expected_emission
from offline.arhmm.regression import ar_parameters
from offline.arhmm.statistics import Statistics, zero_statistics
from offline.arhmm.transitions import expected_matrix, expected_mixture
from online.model import ARHMM

Array = NDArray[np.float64]

LEAST_FRAMES = 1.0


@dataclass(slots=True)
class Accumulator:
    """Sums over the sweeps taken so far; each syllable keeps its identity within a chain."""

    statistics: Statistics
    shared: Array
    degrees_of_freedom: Array
    sweeps: int


def empty_accumulator(settings: Settings, sessions: Sessions) -> Accumulator:
    """Nothing taken yet."""
    num_syllables, groups = settings.max_syllables, sessions.num_groups
    return Accumulator(
        zero_statistics(num_syllables, sessions.x.shape[1], sessions.num_lags, groups),
        np.zeros((groups, num_syllables)),
        np.zeros(num_syllables),
        0,
    )


def take(accumulator: Accumulator, chain: Chain) -> None:
    """Add the chain's present sweep."""
    accumulator.statistics.add(chain.statistics)
    accumulator.shared += chain.transitions.shared
    if chain.emission is not None and chain.emission.degrees_of_freedom is not None:
        accumulator.degrees_of_freedom += chain.emission.degrees_of_freedom
    accumulator.sweeps += 1


def summarise(accumulator: Accumulator, prior: Prior, settings: Settings) -> tuple[ARHMM, Array, NDArray[np.int64]]:
    """Posterior means given the mean sufficient statistics.

    Syllables are sorted by usage; those with less than one frame a sweep are left out. Transitions are those of all
    groups together.

    Returns
    -------
    model, usage (share of frames of each syllable), order: the chain's index of each of the model's syllables
    """
    n = accumulator.sweeps
    total = accumulator.statistics
    mean = Statistics(total.moments / n, total.frames / n, total.log_weights / n, total.transitions / n, total.num_dims)
    dof = accumulator.degrees_of_freedom / n if settings.student_t else None
    emission = expected_emission(condition(prior, mean), dof)
    matrix = _expected(accumulator.shared.mean(0) / n, mean.transitions.sum(0), settings)
    order = np.argsort(-mean.frames, kind="stable")
    order = order[: max(1, int((mean.frames >= LEAST_FRAMES).sum()))]
    kept = matrix[np.ix_(order, order)]
    coefficients, bias = ar_parameters(emission.weights[order])
    usage = mean.frames[order]
    model = ARHMM(
        ar_coefficients=coefficients,
        ar_bias=bias,
        ar_covariance=emission.covariance[order],
        degrees_of_freedom=None if dof is None else dof[order],
        transition_matrix=kept / kept.sum(1, keepdims=True),
        initial_probability=np.full(len(order), 1 / len(order)),
    )
    return model, usage / max(usage.sum(), 1.0), order


def group_models(
    accumulator: Accumulator, model: ARHMM, order: NDArray[np.int64], settings: Settings
) -> tuple[ARHMM, ...]:
    """The model with the transitions of each group; none where all sessions share them."""
    counts = accumulator.statistics.transitions / accumulator.sweeps
    if len(counts) == 1:
        return ()
    found = []
    for shared, own in zip(accumulator.shared / accumulator.sweeps, counts, strict=True):
        kept = _expected(shared, own, settings)[np.ix_(order, order)]
        found.append(replace(model, transition_matrix=kept / kept.sum(1, keepdims=True)))
    return tuple(found)


def _expected(shared: Array, counts: Array, settings: Settings) -> Array:
    if settings.mixture:
        return expected_mixture(counts, settings.hdp)
    return expected_matrix(shared, counts, settings.hdp)
