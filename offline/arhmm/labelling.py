"""Labels and causal log-likelihoods of whitened sessions under a finished model."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from offline.arhmm.data import evidence_mask
from offline.arhmm.emission import Emission, pack
from offline.arhmm.hmm import (
    NO_LABEL,
    Labels,
    forward_filter,
    sample_backward,
    session_log_likelihood,
    smooth_backward,
    viterbi,
)
from online.model import ARHMM

Array = NDArray[np.float64]
Method = Literal["filtered", "smoothed", "viterbi", "gibbs"]


def regression_form(arhmm: ARHMM) -> Emission:
    """Canonical AR parameters as regression weights [A_oldest ... A_newest, bias]."""
    k, lags, d, _ = arhmm.ar_coefficients.shape
    flat = arhmm.ar_coefficients.transpose(0, 2, 1, 3).reshape(k, d, lags * d)
    return Emission(
        np.concatenate([flat, arhmm.ar_bias[:, :, None]], axis=2), arhmm.ar_covariance, arhmm.degrees_of_freedom
    )


def log_likelihoods(arhmm: ARHMM, x: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Emission log-likelihoods (T, K) of a whitened session, zero without evidence, and the evidence mask (T,)."""
    packed = pack(regression_form(arhmm))
    seen = evidence_mask(x, arhmm.num_lags)
    clean = np.ascontiguousarray(np.where(np.isfinite(x), x, 0.0))
    out = np.empty((len(x), arhmm.num_syllables))
    session_log_likelihood(clean, seen, arhmm.num_lags, packed.arrays, out)
    return out, seen


def filtered_posterior(arhmm: ARHMM, x: Array) -> tuple[Array, Array]:
    """Filtered posteriors (T, K), zero on the first L rows, and log p(x_t | x_<t) (T,), NaN without evidence."""
    posterior, seen = log_likelihoods(arhmm, x)
    evidence = np.zeros(len(x))
    transition = np.ascontiguousarray(arhmm.transition_matrix)
    forward_filter(posterior, arhmm.num_lags, transition, arhmm.initial_probability, evidence)
    evidence[~seen] = np.nan
    return posterior, evidence


def label(arhmm: ARHMM, x: Array, method: Method, seed: int = 0) -> tuple[Labels, Array]:
    """Labels (T,) of a whitened session and log p(x_t | x_<t) (T,).

    The first L rows have no label; nor, by filtering, the rows before the first evidence. Later rows without
    evidence carry the chain's prediction. `gibbs` is one draw of the whole path from its posterior, by `seed`: what a
    Gibbs sweep leaves, and what moseq2 gives as the labels of training sessions.
    """
    labels = np.full(len(x), NO_LABEL, np.int16)
    posterior, evidence = filtered_posterior(arhmm, x)
    seen = np.flatnonzero(np.isfinite(evidence))
    if seen.size == 0:
        return labels, evidence
    lags = arhmm.num_lags
    if method == "gibbs":
        into = np.ascontiguousarray(arhmm.transition_matrix.T)
        sample_backward(posterior, lags, into, np.random.default_rng(seed).random(len(x)), labels)
        return labels, evidence
    if method == "viterbi":
        with np.errstate(divide="ignore"):
            log_transition, log_initial = np.log(arhmm.transition_matrix), np.log(arhmm.initial_probability)
        viterbi(log_likelihoods(arhmm, x)[0], lags, log_transition, log_initial, labels)
        return labels, evidence
    if method == "smoothed":
        smooth_backward(posterior, lags, np.ascontiguousarray(arhmm.transition_matrix))
        first = lags
    else:
        first = int(seen[0])
    labels[first:] = posterior[first:].argmax(1)
    return labels, evidence
