"""Fixed-delay smoothing: P(syllable at a slot | all frames until `delay_frames` later), from the recent history.

With alpha_s the filtered posterior and l_s the likelihood of slot s, going back from the latest slot t,

    beta_t = 1,   beta_{s-1}[i] = sum_j T[i, j] l_s[j] beta_s[j],   smoothed_{t-delay} ~ alpha_{t-delay} beta_{t-delay}

in log space, beta shifted so that its largest entry is one at every slot. Before slot L the chain stands still.
"""

import numpy as np
from numba import njit

from online.chain import log_sum_exp, propagate
from online.history import History
from online.model import Array


def smooth(history: History, delay_frames: int, out: Array) -> bool:
    """Write the posterior (K,) of `delay_frames` frames ago, of the latest frame's phase, given everything since.

    False, and `out` untouched, if the session has no such frame yet.

    Raises
    ------
    ValueError
        if the history does not reach so far back.
    """
    if not 0 <= delay_frames <= history.num_frames:
        raise ValueError(f"the history reaches {history.num_frames} frames back, not {delay_frames}")
    ring = history.rings[history.phase]
    if ring.newest < delay_frames:
        return False
    history.current[:] = 0.0
    _look_back(
        ring.log_likelihood,
        ring.newest,
        delay_frames,
        history.num_lags,
        (history.backward, history.log_backward),
        (history.current, history.weights, history.spare),
    )
    _combine(ring.log_posterior[(ring.newest - delay_frames) % ring.capacity], history.current, out)
    return True


@njit(cache=True, nogil=True)
def _look_back(
    log_likelihood: Array,
    newest: int,
    delay_frames: int,
    num_lags: int,
    backward: tuple[Array, Array],
    scratch: tuple[Array, Array, Array],
) -> None:
    """Turn scratch[0] (K,), the log of beta at the newest slot, into that of `delay_frames` slots before."""
    beta, weights, spare = scratch
    for position in range(newest, newest - delay_frames, -1):
        beta += log_likelihood[position % log_likelihood.shape[0]]
        if position > num_lags:
            propagate(beta, backward[0], backward[1], weights, spare)
            beta[:] = spare
        beta -= beta.max()


@njit(cache=True, nogil=True)
def _combine(log_alpha: Array, log_beta: Array, out: Array) -> None:
    """Normalised exp(log_alpha + log_beta); `log_beta` is used up."""
    log_beta += log_alpha
    total = log_sum_exp(log_beta)
    for i in range(out.shape[0]):
        out[i] = np.exp(log_beta[i] - total)
