"""The filter's last frames, kept so that the past can be seen in the light of what came after.

One ring for each interleaved filter, with an entry for every *slot* of its phase, dropped frames included: what
smoothing and onset detection read. Positions count the slots of a phase, as in `online/decoder.py`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from online.chain import Chain, advance
from online.decoder import Decoded, DecoderState
from online.model import Array


@dataclass(slots=True)
class Ring:
    """Entries of the last slots of one phase; position p stands in row p % capacity.

    log_posterior and log_likelihood (capacity, K), log_evidence (capacity,), zero where there was no evidence; newest
    is the latest position, -1 before the first.
    """

    log_posterior: Array
    log_likelihood: Array
    log_evidence: Array
    newest: int = -1

    @property
    def capacity(self) -> int:
        """Slots that the ring holds."""
        return int(self.log_evidence.shape[0])


@dataclass(slots=True)
class History:
    """Rings of all phases, and what going back through them needs.

    stay (K,): log probability of staying; backward and log_backward (K, K): the transition matrix, transposed.
    """

    num_frames: int
    num_lags: int
    chain: Chain
    backward: Array
    log_backward: Array
    stay: Array
    log_initial: Array
    rings: tuple[Ring, ...]
    phase: int
    current: Array
    weights: Array
    spare: Array
    order: NDArray[np.int64]


def init(decoder: DecoderState, num_frames: int) -> History:
    """History that reaches `num_frames` frames (of a phase, so: of the model's rate) behind the latest.

    Call before the decoder's first step.

    Raises
    ------
    ValueError
        if `num_frames` is negative, or the decoder has begun.
    """
    if num_frames < 0:
        raise ValueError("num_frames must be 0 or more")
    if decoder.slot >= 0:
        raise ValueError("a history must be made before the decoder's first step")
    k, capacity = decoder.decoded.posterior.shape[0], num_frames + 1
    return History(
        num_frames=num_frames,
        num_lags=decoder.num_lags,
        chain=decoder.chain,
        backward=np.ascontiguousarray(decoder.chain.powers[0].T),
        log_backward=np.ascontiguousarray(decoder.chain.log_powers[0].T),
        stay=np.diag(decoder.chain.log_powers[0]).copy(),
        log_initial=decoder.decoded.log_posterior.copy(),
        rings=tuple(
            Ring(np.zeros((capacity, k)), np.zeros((capacity, k)), np.zeros(capacity)) for _ in decoder.filters
        ),
        phase=0,
        current=decoder.decoded.log_posterior.copy(),
        weights=np.zeros(k),
        spare=np.zeros(k),
        order=np.zeros(capacity, np.int64),
    )


def record(history: History, decoded: Decoded) -> None:
    """Take in what the decoder has just returned; call it once after each of its steps."""
    history.phase = decoded.phase
    ring = history.rings[decoded.phase]
    position = ring.newest + decoded.elapsed
    history.current[:] = history.log_initial if ring.newest < 0 else ring.log_posterior[ring.newest % ring.capacity]
    here = ring.newest
    for missing in range(max(here + 1, position - ring.capacity + 1), position):
        num_transitions = max(missing, history.num_lags) - max(here, history.num_lags)
        advance(history.current, num_transitions, history.chain, history.weights, history.spare)
        _write(ring, missing, history.current, None)
        here = missing
    _write(ring, position, decoded.log_posterior, decoded)
    ring.newest = position


def _write(ring: Ring, position: int, log_posterior: Array, decoded: Decoded | None) -> None:
    row = position % ring.capacity
    ring.log_posterior[row] = log_posterior
    if decoded is None or decoded.log_evidence is None:
        ring.log_likelihood[row] = 0.0
        ring.log_evidence[row] = 0.0
    else:
        ring.log_likelihood[row] = decoded.log_likelihood
        ring.log_evidence[row] = decoded.log_evidence
