"""Looking ahead and looking for onsets: more questions to the same filter state."""

import math

import numpy as np
from numba import njit

from online.chain import MAX_SLOTS, advance
from online.history import History
from online.model import Array


def predict(history: History, num_frames: int, out: Array) -> None:
    """Write P(syllable `num_frames` frames after the latest | all frames until now) (K,), in frames of its phase.

    Raises
    ------
    ValueError
        if `num_frames` is negative or above `chain.MAX_SLOTS`.
    """
    if not 0 <= num_frames <= MAX_SLOTS:
        raise ValueError(f"num_frames must lie in 0 ... {MAX_SLOTS}, not {num_frames}")
    ring = history.rings[history.phase]
    history.current[:] = ring.log_posterior[ring.newest % ring.capacity]
    num_transitions = max(ring.newest + num_frames, history.num_lags) - max(ring.newest, history.num_lags)
    advance(history.current, num_transitions, history.chain, history.weights, history.spare)
    np.exp(history.current, out=out)


def began_within(history: History, num_frames: int, out: Array) -> None:
    """Write P(syllable now, and entered within the last `num_frames` frames of its phase | all frames until now) (K,).

    Entered at slot s means another syllable at s - 1; the syllable of the session's first modelled slot counts as
    entered there. The complement, having stayed all along, follows from the filter:

        P(k at t-n ... t) = P(k at t-n) prod_{s = t-n+1 ... t} T[k, k] p(x_s | k) / p(x_s | past)

    Raises
    ------
    ValueError
        if the history does not reach so far back, or `num_frames` is below 1.
    """
    if not 1 <= num_frames <= history.num_frames:
        raise ValueError(f"num_frames must lie in 1 ... {history.num_frames}, not {num_frames}")
    ring = history.rings[history.phase]
    now = ring.newest % ring.capacity
    np.exp(ring.log_posterior[now], out=out)
    if ring.newest - num_frames < history.num_lags:
        return
    history.current[:] = ring.log_posterior[(ring.newest - num_frames) % ring.capacity]
    _remove_stayed(
        history.current, ring.log_likelihood, ring.log_evidence, history.stay, (ring.newest, num_frames), out
    )


@njit(cache=True, nogil=True)
def _remove_stayed(
    stayed: Array, log_likelihood: Array, log_evidence: Array, stay: Array, span: tuple[int, int], out: Array
) -> None:
    newest, num_frames = span
    for position in range(newest - num_frames + 1, newest + 1):
        row = position % log_evidence.shape[0]
        for i in range(stayed.shape[0]):
            stayed[i] += stay[i] + log_likelihood[row, i] - log_evidence[row]
    for i in range(out.shape[0]):
        out[i] = max(out[i] - math.exp(stayed[i]), 0.0)
