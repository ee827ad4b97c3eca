"""Near-duplicate syllables: the evidence, and merging those that a person chose.

A merged syllable has the emission that fits the frames of all its parts, and moves as they did: its transitions are the
parts' rows, weighted by their usage, summed over the parts of each target.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from offline.arhmm.data import Sessions, assemble
from offline.arhmm.emission import Emission, squared_distances
from offline.arhmm.fit import log_likelihood_per_frame
from offline.arhmm.gibbs import collect
from offline.arhmm.hmm import Labels
from offline.arhmm.labelling import label, regression_form
from offline.arhmm.prior import condition, empirical_prior, expected_emission
from offline.arhmm.regression import ar_parameters
from offline.arhmm.statistics import Statistics
from offline.comparison.cross_likelihood import cross_likelihood
from offline.scores import ScoredSession
from online.emission import whiten
from online.errors import ConfigError
from online.model import ARHMM, Array, ModelBundle
from online.novelty import calibrate, session_log_evidence

EM_STEPS = 200
EM_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Pair:
    """How alike two syllables are. separation: nats a frame that a bout of one loses when judged by the other;
    loss: nats a frame of all data that merging them costs (negative: gains); bouts of each; together: share of the
    ends of either's bouts that lead to the other."""

    first: int
    second: int
    separation: float
    loss: float
    bouts: tuple[int, int]
    together: float


def ready(bundle: ModelBundle, sessions: Sequence[ScoredSession]) -> Sessions:
    """Whitened as the model wants them."""
    return assemble(
        [s.uuid for s in sessions], [whiten(bundle.whitening, s.scores) for s in sessions], bundle.arhmm.num_lags
    )


def alike(bundle: ModelBundle, data: Sessions, count: int) -> list[Pair]:
    """The `count` pairs of least separation, nearest first."""
    found = cross_likelihood(bundle.arhmm, data)
    separation = found.separation
    rows, columns = np.tril_indices(len(separation), -1)
    known = np.isfinite(separation[rows, columns])
    order = np.argsort(separation[rows, columns][known], kind="stable")[:count]
    labels = _labels(bundle.arhmm, data)
    before = log_likelihood_per_frame(bundle.arhmm, data)
    pairs = []
    for i, j in zip(columns[known][order], rows[known][order], strict=True):
        merged, _ = merge_syllables(bundle, data, labels, [(int(i), int(j))])
        matrix = bundle.arhmm.transition_matrix
        leaving = 2 - matrix[i, i] - matrix[j, j]
        pairs.append(
            Pair(
                first=int(i),
                second=int(j),
                separation=float(separation[i, j]),
                loss=before - log_likelihood_per_frame(merged.arhmm, data),
                bouts=(int(found.bouts[i]), int(found.bouts[j])),
                together=float((matrix[i, j] + matrix[j, i]) / max(leaving, 1e-12)),
            )
        )
    return pairs


def merge(
    bundle: ModelBundle, sessions: Sequence[ScoredSession], pairs: Sequence[tuple[int, int]]
) -> tuple[ModelBundle, NDArray[np.int64]]:
    """Merge the chosen pairs; chains of pairs make one syllable.

    Returns
    -------
    the merged bundle, with syllables sorted by usage, and the new number (K,) of each old syllable
    """
    data = ready(bundle, sessions)
    merged, new = merge_syllables(bundle, data, _labels(bundle.arhmm, data), pairs)
    evidence = [session_log_evidence(merged.arhmm, bundle.whitening, s.scores) for s in sessions]
    joined = "; ".join(f"{i} and {j}" for i, j in pairs)
    notes = "\n".join(filter(None, [bundle.provenance.notes, f"merged by choice: {joined}"]))
    provenance = replace(bundle.provenance, made_by=f"{bundle.provenance.made_by}, etholoop model merge", notes=notes)
    return replace(merged, provenance=provenance, novelty=calibrate(evidence, bundle.frame_rate_hz)), new


def merge_syllables(
    bundle: ModelBundle, data: Sessions, labels: Labels, pairs: Sequence[tuple[int, int]]
) -> tuple[ModelBundle, NDArray[np.int64]]:
    """As `merge`, given the labels of the data; provenance and novelty are left as they are."""
    arhmm = bundle.arhmm
    group = _groups(arhmm.num_syllables, pairs)
    share = np.bincount(group, weights=bundle.usage)
    rank = np.empty(len(share), np.int64)
    rank[np.argsort(-share, kind="stable")] = np.arange(len(share))
    new = rank[group]
    model = _merged_model(bundle, data, labels, new)
    return replace(bundle, arhmm=model, usage=np.bincount(new, weights=bundle.usage).astype(np.float64)), new


def _groups(num_syllables: int, pairs: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    group = np.arange(num_syllables)
    for i, j in pairs:
        if not (0 <= i < num_syllables and 0 <= j < num_syllables) or i == j:
            raise ConfigError(f"--pair {i},{j}: two different syllables of 0 ... {num_syllables - 1} are wanted")
        group[group == group[j]] = group[i]
    return np.unique(group, return_inverse=True)[1].astype(np.int64)


def _merged_model(bundle: ModelBundle, data: Sessions, labels: Labels, new: NDArray[np.int64]) -> ARHMM:
    old = bundle.arhmm
    count = int(new.max()) + 1
    weight = np.maximum(bundle.usage, 1e-12)
    total = np.bincount(new, weights=weight)
    belongs = np.zeros((len(new), count))
    belongs[np.arange(len(new)), new] = 1.0
    rows = (belongs * (weight / total[new])[:, None]).T
    emission = regression_form(old)
    weights = np.einsum("gk,kdp->gdp", rows, emission.weights)
    covariance = np.einsum("gk,kde->gde", rows, emission.covariance)
    dof = None if old.degrees_of_freedom is None else rows @ old.degrees_of_freedom
    for merged in np.flatnonzero(np.bincount(new) > 1):
        chosen = np.where(labels >= 0, np.isin(labels, np.flatnonzero(new == merged)), False)
        fitted = _refit(data, chosen, None if dof is None else float(dof[merged]))
        if fitted is not None:
            weights[merged], covariance[merged] = fitted
    coefficients, bias = ar_parameters(weights)
    return ARHMM(
        ar_coefficients=coefficients,
        ar_bias=bias,
        ar_covariance=(covariance + covariance.transpose(0, 2, 1)) / 2,
        degrees_of_freedom=dof,
        transition_matrix=rows @ old.transition_matrix @ belongs,
        initial_probability=old.initial_probability @ belongs,
    )


def _refit(data: Sessions, chosen: NDArray[np.bool_], degrees_of_freedom: float | None) -> tuple[Array, Array] | None:
    """Regression weights and covariance (under Student-t the scale) of the chosen frames (N,); None where they are too
    few. Student-t by EM over the frames' precision factors (Liu and Rubin 1995, Statistica Sinica 5: 19)."""
    size = data.num_lags * data.x.shape[1] + 1
    rows = np.flatnonzero(chosen & data.has_evidence)
    if len(rows) < 2 * size:
        return None
    factors = np.ones(len(chosen))
    emission = _weighted_fit(data, chosen, factors)
    if degrees_of_freedom is None:
        return emission.weights[0], emission.covariance[0]
    for _ in range(EM_STEPS):
        before = emission.covariance
        squared = squared_distances(data.x, rows, np.zeros(len(rows), np.int64), emission)
        factors[rows] = (degrees_of_freedom + data.x.shape[1]) / (degrees_of_freedom + squared)
        emission = _weighted_fit(data, chosen, factors)
        if np.allclose(emission.covariance, before, rtol=EM_TOLERANCE, atol=0):
            break
    return emission.weights[0], emission.covariance[0]


def _weighted_fit(data: Sessions, chosen: NDArray[np.bool_], factors: Array) -> Emission:
    """Posterior means of one syllable that has the chosen frames, each with its precision factor."""
    found = collect(data, (~chosen).astype(np.int16), factors, 2)
    both = Statistics(
        found.moments[:1], found.frames[:1], found.log_weights[:1], found.transitions[:, :1, :1], found.num_dims
    )
    return expected_emission(condition(empirical_prior(both, found.num_dims), both), None)


def _labels(arhmm: ARHMM, data: Sessions) -> Labels:
    parts = []
    for index in range(len(data.names)):
        rows = data.rows(index)
        x = np.where(data.present[rows, None], data.x[rows], np.nan)
        parts.append(label(arhmm, x, "viterbi")[0])
    return np.concatenate(parts)
