"""Are the syllables of a model distinct, or cuts through one continuous movement?

*Cross-likelihood* (Wiltschko et al. 2015): CL[i, j] is the mean over bouts of syllable j of the sum over the bout's
frames of log p(x | i) - log p(x | j). *Separation* of a pair: the mean of -CL[i, j] and -CL[j, i], each divided by the
mean length of the bouts, in nats a frame; 0 for equal syllables. (By the bout, long stays would count for more than
differences: where nothing is modular the cuts are few and the stays long.)

The labels come from the same model, so even cuts through nothing look separated. What such cuts reach is found on
controls: sessions of the same lengths and gaps drawn from the one linear process (single AR) that has the data's
spectrum, fitted and analysed in the same way. A pair of the data counts as separated when it exceeds the 95 % quantile
of the controls' *largest* separation (a Gumbel distribution by moments, and never less than the largest seen).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from offline.arhmm.data import Sessions
from offline.arhmm.fit import fit
from offline.arhmm.labelling import label, log_likelihoods
from offline.comparison.families import FamilyData
from offline.scan.trials import known_rows
from online.model import ARHMM, Array

LEAST_BOUTS = 10
EULER = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class CrossLikelihood:
    """matrix (K, K), CL[i, j] in nats a bout of j, NaN where j has fewer than ten bouts; bouts (K,), frames (K,) of
    each syllable."""

    matrix: Array
    bouts: NDArray[np.int64]
    frames: NDArray[np.int64]

    @property
    def separation(self) -> Array:
        """(K, K) in nats a frame, symmetric, NaN where a syllable has too few bouts."""
        by_frame = self.matrix * self.bouts / np.maximum(self.frames, 1)
        return np.asarray(-(by_frame + by_frame.T) / 2)

    @property
    def pairs(self) -> Array:
        """Separations of all pairs that have one."""
        values = self.separation[np.tril_indices(len(self.matrix), -1)]
        return values[np.isfinite(values)]


def cross_likelihood(model: ARHMM, sessions: Sessions) -> CrossLikelihood:
    """Of a model on sessions that it was not trained on, labelled by Viterbi; frames without evidence do not count."""
    k = model.num_syllables
    sums, bouts, frames = np.zeros((k, k)), np.zeros(k, np.int64), np.zeros(k, np.int64)
    for index in range(len(sessions.names)):
        rows = sessions.rows(index)
        x = np.where(known_rows(sessions, rows), sessions.x[rows], np.nan)
        labels = label(model, x, "viterbi")[0]
        likelihood, seen = log_likelihoods(model, x)
        for j in range(k):
            own = (labels == j) & seen
            if own.any():
                chosen = likelihood[own]
                sums[:, j] += (chosen - chosen[:, [j]]).sum(0)
                bouts[j] += int((own & ~np.r_[False, own[:-1]]).sum())
                frames[j] += int(own.sum())
    matrix = sums / np.maximum(bouts, 1)
    matrix[:, bouts < LEAST_BOUTS] = np.nan
    return CrossLikelihood(matrix, bouts, frames)


def single_process(model: ARHMM, like: Sessions, seed: int) -> Sessions:
    """Sessions drawn from the first syllable of a model alone, of the same lengths and with the same gaps."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(model.ar_covariance[0])
    lags, dims = model.num_lags, model.num_dims
    x = np.zeros_like(like.x)
    for index in range(len(like.names)):
        rows = like.rows(index)
        count = rows.stop - rows.start
        noise = rng.standard_normal((lags + 200 + count, dims)) @ root.T
        drawn = np.zeros_like(noise)
        for t in range(lags, len(noise)):
            past = drawn[t - lags : t]
            drawn[t] = np.einsum("lij,lj->i", model.ar_coefficients[0], past) + model.ar_bias[0] + noise[t]
        x[rows] = drawn[len(noise) - count :]
    x[~like.present] = 0.0
    return replace(like, x=x)


def control(data: FamilyData, job: tuple[ARHMM, int]) -> Array:
    """Separations of all pairs that an AR-HMM finds in data without modules: `job` is the single AR and a seed."""
    process, seed = job
    train, held = (single_process(process, s, seed * 2 + i) for i, s in enumerate((data.train, data.held_out)))
    found = fit(train, None, replace(data.settings, seed=seed), data.schedule)
    return cross_likelihood(found.model, held).pairs


def threshold(controls: Sequence[Array]) -> float:
    """What the largest separation of a control exceeds with a probability of 5 %."""
    largest = np.array([pairs.max(initial=0.0) for pairs in controls])
    if len(largest) < 2:
        return float(largest.max(initial=0.0))
    scale = float(largest.std(ddof=1)) * math.sqrt(6) / math.pi
    quantile = float(largest.mean()) - EULER * scale - scale * math.log(-math.log(0.95))
    return max(quantile, float(largest.max()))
