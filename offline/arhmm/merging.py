"""Merge moves: two syllables that share one movement become one where that makes labels and data together likelier.

Gibbs draws move one session's labels at a time given the parameters, so a movement that two syllables divided between
them early stays divided: each is right about its own part, and no frame gains by changing sides. A merge is judged with
the parameters integrated out, by the change of

    log p(x, z | beta, prior) = sum_k log p(x of k | z)  +  sum_i log DirMult(n_i. | alpha beta + kappa e_i)

whose first part is the evidence under the matrix-normal inverse-Wishart prior of `offline.arhmm.prior`, a ratio of the
normalising constants of posterior and prior (Murphy 2007, "Conjugate Bayesian analysis of the Gaussian distribution",
has it for a mean in place of a regression), and whose second is the sticky HDP's for given shared weights beta. Under
Student-t innovations the precision factors are data, with the density of the syllable that they belong to.

These moves search; they are made before a chain is averaged, never while it is.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import gammaln, multigammaln

from offline.arhmm.data import Sessions
from offline.arhmm.gibbs import Chain, Settings, collect
from offline.arhmm.prior import Prior, condition
from offline.arhmm.statistics import Statistics
from offline.arhmm.transitions import row_concentration

Array = NDArray[np.float64]


@dataclass(slots=True)
class _Joint:
    """What the joint probability depends on; `counts` (G, K, K), `concentration` (G, K, K); dof (K,) or none."""

    prior: Prior
    moments: Array
    frames: Array
    log_weights: Array
    dof: Array | None
    counts: Array
    concentration: Array

    def evidence(self, parts: list[NDArray[np.int64]]) -> Array:
        """Log-evidence (B,) of B sets of frames: in each, those of the syllables parts[0][b], parts[1][b], ... ;
        degrees of freedom are those of the first."""
        num_dims = len(self.prior.scale)
        moments = np.sum([self.moments[k] for k in parts], axis=0)
        frames = np.sum([self.frames[k] for k in parts], axis=0)
        log_weights = np.sum([self.log_weights[k] for k in parts], axis=0)
        whole = Statistics(moments, frames, log_weights, np.empty((0, 0, 0)), num_dims)
        value = log_evidence(self.prior, whole)
        if self.dof is None:
            return value
        bias = moments.shape[1] - num_dims - 1
        half = self.dof[parts[0]] / 2
        shape = half * np.log(half) - gammaln(half)
        factors: Array = frames * shape + half * (log_weights - moments[:, bias, bias])
        return value + factors

    def gain(self, kept: NDArray[np.int64], taken: NDArray[np.int64], single: Array) -> Array:
        """What merging the syllables `taken` (B,) into `kept` (B,) adds to the log joint probability."""
        moved = np.zeros(len(kept))
        for counts, concentration in zip(self.counts, self.concentration, strict=True):
            moved += _transition_gain(counts, concentration, kept, taken)
        gained: Array = self.evidence([kept, taken]) - single[kept] - single[taken] + moved
        return gained

    def merge(self, kept: int, taken: int) -> None:
        """Give everything of one syllable to another."""
        for values in (self.moments, self.frames, self.log_weights):
            values[kept] += values[taken]
            values[taken] = 0
        self.counts[:, kept] += self.counts[:, taken]
        self.counts[:, :, kept] += self.counts[:, :, taken]
        self.counts[:, taken] = 0
        self.counts[:, :, taken] = 0


def log_evidence(prior: Prior, statistics: Statistics) -> Array:
    """Log p(x | labels) (K,) of every syllable's frames, its AR parameters integrated out.

    Constants of the precision factors' density are left out: they do not depend on the labels.
    """
    posterior = condition(prior, statistics)
    num_dims = len(prior.scale)
    columns = np.linalg.slogdet(prior.column_precision)[1] - np.linalg.slogdet(posterior.precision)[1]
    scales = prior.dof * np.linalg.slogdet(prior.scale)[1] - posterior.dof * np.linalg.slogdet(posterior.scale)[1]
    gammas = multigammaln(posterior.dof / 2, num_dims) - multigammaln(prior.dof / 2, num_dims)
    value: Array = (num_dims * columns + scales) / 2 + gammas - num_dims / 2 * np.log(np.pi) * statistics.frames
    return value


@njit(cache=True)
def _transition_gain(counts: Array, concentration: Array, kept: NDArray[np.int64], taken: NDArray[np.int64]) -> Array:
    """Change of the log probability of all transitions, for given shared weights, of each merge of B."""
    num_syllables = counts.shape[0]
    gains = np.zeros(kept.shape[0])
    for b in range(kept.shape[0]):
        j, i = kept[b], taken[b]
        gain = 0.0
        for r in range(num_syllables):
            if r in (i, j):
                continue
            if counts[r, i] > 0:
                gain += _moved(concentration[r, j], counts[r, j], concentration[r, i], counts[r, i])
            if counts[i, r] > 0:
                n, a = counts[j, r], concentration[j, r]
                gain += math.lgamma(a + n + counts[i, r]) - math.lgamma(a + n)
                gain -= math.lgamma(concentration[i, r] + counts[i, r]) - math.lgamma(concentration[i, r])
        within = counts[i, i] + counts[i, j] + counts[j, i]
        gain += math.lgamma(concentration[j, j] + counts[j, j] + within) - math.lgamma(
            concentration[j, j] + counts[j, j]
        )
        gain -= math.lgamma(concentration[j, i] + counts[j, i]) - math.lgamma(concentration[j, i])
        gain -= math.lgamma(concentration[i, i] + counts[i, i]) - math.lgamma(concentration[i, i])
        gain -= math.lgamma(concentration[i, j] + counts[i, j]) - math.lgamma(concentration[i, j])
        total_j, total_i = concentration[j].sum(), concentration[i].sum()
        left, joined = counts[j].sum(), counts[i].sum()
        gain += math.lgamma(total_j + left) - math.lgamma(total_j + left + joined)
        gain += math.lgamma(total_i + joined) - math.lgamma(total_i)
        gains[b] = gain
    return gains


@njit(cache=True)
def _moved(to: float, already: float, origin: float, moving: float) -> float:
    """Change when `moving` draws of one outcome become draws of another."""
    gain = math.lgamma(to + already + moving) - math.lgamma(to + already)
    return gain - math.lgamma(origin + moving) + math.lgamma(origin)


def _joint(chain: Chain, settings: Settings) -> _Joint:
    statistics, emission = chain.statistics, chain.emission
    return _Joint(
        prior=chain.prior,
        moments=statistics.moments.copy(),
        frames=statistics.frames.copy(),
        log_weights=statistics.log_weights.copy(),
        dof=None if emission is None else emission.degrees_of_freedom,
        counts=statistics.transitions.copy(),
        concentration=np.stack([row_concentration(shared, settings.hdp) for shared in chain.transitions.shared]),
    )


def _candidates(joint: _Joint, single: Array) -> list[tuple[float, int, int]]:
    """(gain, kept, taken) of every pair in use whose merge gains something, the best first; the larger is kept."""
    used = np.flatnonzero(joint.frames > 0)
    used = used[np.argsort(-joint.frames[used], kind="stable")]
    found = []
    for place in range(1, len(used)):
        kept, taken = used[:place], np.full(place, used[place])
        gains = joint.gain(kept, taken, single)
        found += [(float(gains[n]), int(kept[n]), int(taken[n])) for n in np.flatnonzero(gains > 0)]
    return sorted(found, reverse=True)


def merge_duplicates(chain: Chain, sessions: Sessions, settings: Settings) -> list[tuple[int, int]]:
    """Merge pairs, the best first, while that raises the joint probability; a syllable takes part once a call.

    Labels and statistics of the chain change in place; nothing is drawn at random. A mixture, in which no syllable
    follows from another, is left as it is.

    Returns
    -------
    (kept, taken) of each merge
    """
    if settings.mixture:
        return []
    joint = _joint(chain, settings)
    single = joint.evidence([np.arange(settings.max_syllables)])
    merges: list[tuple[int, int]] = []
    touched: set[int] = set()
    for _, kept, taken in _candidates(joint, single):
        # an earlier merge changed the transitions, so that the gain is asked for again
        if touched & {kept, taken} or joint.gain(np.array([kept]), np.array([taken]), single)[0] <= 0:
            continue
        joint.merge(kept, taken)
        touched |= {kept, taken}
        merges.append((kept, taken))
        chain.labels[chain.labels == taken] = kept
    if merges:
        chain.statistics = collect(sessions, chain.labels, chain.weights, settings.max_syllables)
    return merges
