"""Labels and causal log-likelihoods of whitened sessions under a finished model."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from offline.arhmm.data import evidence_mask
from offline.arhmm.emission import Emission, pack
from offline.arhmm.hmm import NO_LABEL, Labels, session_log_likelihood, viterbi
from offline.arhmm.log_hmm import log_forward_filter, log_sample_backward, log_smooth_backward
from offline.arhmm.regression import regression_weights
from online import decoder
from online.model import ARHMM, Whitening

Array = NDArray[np.float64]
Method = Literal["filtered", "smoothed", "viterbi", "gibbs"]


def regression_form(arhmm: ARHMM) -> Emission:
    """Canonical AR parameters as regression weights [A_oldest ... A_newest, bias]."""
    weights = regression_weights(arhmm.ar_coefficients, arhmm.ar_bias)
    return Emission(weights, arhmm.ar_covariance, arhmm.degrees_of_freedom)


def log_likelihoods(arhmm: ARHMM, x: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Emission log-likelihoods (T, K) of a whitened session, zero without evidence, and the evidence mask (T,)."""
    packed = pack(regression_form(arhmm))
    seen = evidence_mask(x, arhmm.num_lags)
    clean = np.ascontiguousarray(np.where(np.isfinite(x), x, 0.0))
    out = np.empty((len(x), arhmm.num_syllables))
    session_log_likelihood(clean, seen, arhmm.num_lags, packed.arrays, out)
    return out, seen


def filtered_posterior(arhmm: ARHMM, x: Array) -> tuple[Array, Array]:
    """Log filtered posteriors (T, K), meaningless on the first L rows, and log p(x_t | x_<t) (T,), NaN without
    evidence."""
    log_posterior, seen = log_likelihoods(arhmm, x)
    evidence = np.zeros(len(x))
    log_forward_filter(log_posterior, arhmm.num_lags, *_transitions(arhmm), _log(arhmm.initial_probability), evidence)
    evidence[~seen] = np.nan
    return log_posterior, evidence


def label(arhmm: ARHMM, x: Array, method: Method, seed: int | tuple[int, ...] = 0) -> tuple[Labels, Array]:
    """Labels (T,) of a whitened session and log p(x_t | x_<t) (T,).

    The first L rows have no label; nor, by filtering, the rows before the first evidence. Later rows without
    evidence carry the chain's prediction. `gibbs` is one draw of the whole path from its posterior, by `seed`: what a
    Gibbs sweep leaves, and what moseq2 gives as the labels of training sessions.
    """
    labels = np.full(len(x), NO_LABEL, np.int16)
    log_posterior, evidence = filtered_posterior(arhmm, x)
    seen = np.flatnonzero(np.isfinite(evidence))
    if seen.size == 0:
        return labels, evidence
    lags, (transition, log_transition) = arhmm.num_lags, _transitions(arhmm)
    if method == "gibbs":
        log_sample_backward(log_posterior, lags, log_transition, np.random.default_rng(seed).random(len(x)), labels)
        return labels, evidence
    if method == "viterbi":
        viterbi(log_likelihoods(arhmm, x)[0], lags, log_transition, _log(arhmm.initial_probability), labels)
        return labels, evidence
    if method == "smoothed":
        log_smooth_backward(log_posterior, lags, transition, log_transition)
        first = lags
    else:
        first = int(seen[0])
    labels[first:] = log_posterior[first:].argmax(1)
    return labels, evidence


def decode(arhmm: ARHMM, whitening: Whitening, scores: Array) -> tuple[Labels, Array]:
    """Labels (T,) as the rig decodes them, missing lags filled in, and log p(x_t | x_<t) (T,) of the whitened frame.

    Rows before the first evidence have no label; where no frame is missing this is `label` by filtering.
    """
    labels, evidence = np.full(len(scores), NO_LABEL, np.int16), np.full(len(scores), np.nan)
    state = decoder.init(arhmm, whitening, missing_lags="fill")
    begun = False
    for t, row in enumerate(scores):
        decoded = decoder.step(state, row, 1)
        if decoded.log_evidence is not None:
            evidence[t], begun = decoded.log_evidence, True
        if begun:
            labels[t] = decoded.log_posterior.argmax()
    return labels, evidence


def _transitions(arhmm: ARHMM) -> tuple[Array, Array]:
    """The transition matrix and its logarithm."""
    matrix = np.ascontiguousarray(arhmm.transition_matrix)
    return matrix, _log(matrix)


def _log(values: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(values))
