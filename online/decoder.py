"""The streaming AR-HMM filter: P(syllable now | all frames until now), one frame at a time, in log space.

Conventions
-----------
A *slot* is a tick of the camera's regular grid; a dropped frame is a slot without a frame, and a frame without a mouse
counts as dropped. When the camera runs at `phases` times the model's rate, slot s belongs to phase s % phases, and
each phase is a filter of its own, with its own lags, over the slots of that phase: a model of 30 Hz then sees frames
1/30 s apart on a 90 Hz camera too.

As in MoSeq, the first L slots of a phase have no evidence, and the chain starts with its initial distribution at
slot L. While no frame is missing the filter is exact. A frame that is missing has likelihood one for every syllable.
A frame with missing lags has its missing lags integrated out (`missing_lags="fill"`, see `online/missing_lags.py`), or
has likelihood one too ("skip", MoSeq's own convention). A frame whose likelihood is one is without evidence.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numba import njit

from online.chain import MAX_SLOTS, Chain, advance, log_sum_exp, log_sum_exp_of_sum, make_chain, propagate
from online.emission import Emission, log_likelihood, make_emission, whiten_into
from online.missing_lags import (
    KNOWN,
    MAX_FILLED_SLOTS,
    UNKNOWN,
    Flags,
    LagModel,
    LagScratch,
    fill,
    learn,
    make_lag_model,
    make_lag_scratch,
    push,
    score,
)
from online.model import ARHMM, Array, Whitening

MissingLags = Literal["skip", "fill"]


@dataclass(slots=True)
class Decoded:
    """What the decoder knows after a frame. One object per decoder, overwritten by every step: copy what you keep.

    posterior and log_posterior (K,); log_likelihood (K,) of this frame, zero without evidence; log_evidence, the log
    density of the whitened frame given the frames before it, None without evidence; `elapsed`, how many slots of its
    phase the frame lies after the one before it in that phase; novelty is for `online/novelty.py` to fill in.
    """

    posterior: Array
    log_posterior: Array
    log_likelihood: Array
    has_evidence: bool = False
    log_evidence: float | None = None
    novelty: float | None = None
    phase: int = 0
    elapsed: int = 0


@dataclass(slots=True)
class PhaseState:
    """One interleaved filter.

    log_posterior (K,); lags (L, D) oldest first, with covariance (L*D, L*D) and flags (L,); position, the index of
    its latest slot; missing_run, how many slots in a row have been missing.
    """

    log_posterior: Array
    lags: Array
    lag_covariance: Array
    lag_flags: Flags
    position: int = -1
    missing_run: int = 0


@dataclass(slots=True)
class DecoderState:
    """All that the filter remembers, preallocated: the model laid out for the kernels, scratch, and the phases."""

    num_lags: int
    missing_lags: MissingLags
    whitening: Whitening
    chain: Chain
    transitions: Array
    log_transitions: Array
    emission: Emission
    lag_model: LagModel
    filters: tuple[PhaseState, ...]
    decoded: Decoded
    lag_scratch: LagScratch
    inputs: Array
    residual: Array
    weights: Array
    spare: Array
    x: Array
    slot: int = -1

    @property
    def phases(self) -> int:
        """Number of interleaved filters."""
        return len(self.filters)


def init(arhmm: ARHMM, whitening: Whitening, phases: int = 1, missing_lags: MissingLags = "fill") -> DecoderState:
    """Decoder before the first frame of a session.

    Raises
    ------
    ValueError
        if `phases` is not positive or whitening and model differ in dimension.
    """
    _compile_kernels()
    return _make_state(arhmm, whitening, phases, missing_lags)


def _make_state(arhmm: ARHMM, whitening: Whitening, phases: int, missing_lags: MissingLags) -> DecoderState:
    k, num_lags, d = arhmm.num_syllables, arhmm.num_lags, arhmm.num_dims
    if phases < 1:
        raise ValueError("phases must be 1 or more")
    if whitening.mean.shape != (d,):
        raise ValueError(f"whitening of {whitening.mean.shape[0]} dimensions given for an AR-HMM of {d}")
    with np.errstate(divide="ignore"):
        log_initial = np.log(arhmm.initial_probability / arhmm.initial_probability.sum())
    n = num_lags * d
    chain = make_chain(arhmm.transition_matrix)
    return DecoderState(
        num_lags=num_lags,
        missing_lags=missing_lags,
        whitening=Whitening(np.ascontiguousarray(whitening.mean), np.ascontiguousarray(whitening.cholesky)),
        chain=chain,
        transitions=chain.powers[0],
        log_transitions=chain.log_powers[0],
        emission=make_emission(arhmm),
        lag_model=make_lag_model(arhmm),
        filters=tuple(
            PhaseState(log_initial.copy(), np.zeros((num_lags, d)), np.zeros((n, n)), np.zeros(num_lags, np.int8))
            for _ in range(phases)
        ),
        decoded=Decoded(np.exp(log_initial), log_initial.copy(), np.zeros(k)),
        lag_scratch=make_lag_scratch(arhmm),
        inputs=np.zeros(n + d),
        residual=np.zeros(k * d),
        weights=np.zeros(k),
        spare=np.zeros(k),
        x=np.zeros(d),
    )


@cache
def _compile_kernels() -> None:
    """Run every kernel once on a model of one syllable, so that none has to be compiled while a mouse is waiting."""
    one = np.ones((1, 1))
    model = ARHMM(np.zeros((1, 1, 1, 1)), np.zeros((1, 1)), one[None], None, one, np.ones(1))
    state = _make_state(model, Whitening(np.zeros(1), one), 1, "fill")
    for slots_elapsed in (1, 1, 2, 1, 1, MAX_FILLED_SLOTS + 3):
        step(state, np.zeros(1), slots_elapsed)


def step(state: DecoderState, scores: Array | None, slots_elapsed: int) -> Decoded:
    """Take one frame in; the returned object is overwritten by the next step.

    Parameters
    ----------
    scores
        principal-component scores (D,) before whitening, or None when no mouse was found. Scores with an entry that
        is no usable number count as None.
    slots_elapsed
        1 + the number of camera frames dropped just before this one.

    Raises
    ------
    ValueError
        if `slots_elapsed` is below 1 or above `chain.MAX_SLOTS`, or the scores are not (D,) float64.
    """
    if not 1 <= slots_elapsed <= MAX_SLOTS:
        raise ValueError(f"slots_elapsed must lie in 1 ... {MAX_SLOTS}, not {slots_elapsed}")
    if scores is not None and (scores.shape != state.x.shape or scores.dtype != np.float64):
        raise ValueError(f"scores must be {state.x.shape} float64, not {scores.shape} {scores.dtype}")
    state.slot += slots_elapsed
    position, index = divmod(state.slot, state.phases)
    phase, out = state.filters[index], state.decoded
    out.phase, out.elapsed = index, position - phase.position
    _pass_missing(state, phase, out.elapsed - 1)
    _advance(state, phase, 1)
    usable = scores is not None and whiten_into(scores, state.whitening.mean, state.whitening.cholesky, state.x)
    if not (usable and _condition_on_frame(state, phase)):
        out.has_evidence, out.log_evidence = False, None
        out.log_likelihood.fill(0.0)
    if usable:
        push(phase.lags, phase.lag_covariance, phase.lag_flags, state.x, KNOWN)
        phase.missing_run = 0
    else:
        _push_missing(state, phase)
    _publish(phase.log_posterior, out.log_posterior, out.posterior)
    return out


def _advance(state: DecoderState, phase: PhaseState, num_slots: int) -> None:
    """Move a phase on by some slots; the chain moves only where it has begun, at slot L."""
    before, phase.position = phase.position, phase.position + num_slots
    num_transitions = max(phase.position, state.num_lags) - max(before, state.num_lags)
    if num_transitions == 1:  # nearly always, and cheaper than handing the whole chain over
        propagate(phase.log_posterior, state.transitions, state.log_transitions, state.weights, state.spare)
        np.copyto(phase.log_posterior, state.spare)
    elif num_transitions:
        advance(phase.log_posterior, num_transitions, state.chain, state.weights, state.spare)


def _pass_missing(state: DecoderState, phase: PhaseState, num_slots: int) -> None:
    """Go through slots without a frame, filling lags as long as that is wanted."""
    while num_slots and _may_fill(state, phase):
        _advance(state, phase, 1)
        _push_missing(state, phase)
        num_slots -= 1
    for _ in range(min(num_slots, state.num_lags)):
        push(phase.lags, phase.lag_covariance, phase.lag_flags, state.x, UNKNOWN)
    _advance(state, phase, num_slots)
    phase.missing_run += num_slots


def _may_fill(state: DecoderState, phase: PhaseState) -> bool:
    return (
        state.missing_lags == "fill"
        and phase.missing_run < MAX_FILLED_SLOTS
        and state.num_lags > 0
        and _least(phase.lag_flags) != UNKNOWN
    )


def _push_missing(state: DecoderState, phase: PhaseState) -> None:
    """The newest lag is missing: what is predicted of it, or nothing."""
    if _may_fill(state, phase):
        fill(phase.log_posterior, phase.lags, phase.lag_covariance, phase.lag_flags, state.lag_model, state.lag_scratch)
    else:
        push(phase.lags, phase.lag_covariance, phase.lag_flags, state.x, UNKNOWN)
    phase.missing_run += 1


def _condition_on_frame(state: DecoderState, phase: PhaseState) -> bool:
    """Multiply the likelihood of the whitened frame `state.x` in; False where there is no evidence."""
    out, model, scratch = state.decoded, state.lag_model, state.lag_scratch
    least = _least(phase.lag_flags)
    if least == UNKNOWN:
        return False
    if least == KNOWN:
        _gather(phase.lags, state.x, state.inputs)
        log_likelihood(state.inputs, state.emission, state.residual, out.log_likelihood)
    elif not score(state.x, phase.lags, phase.lag_covariance, phase.lag_flags, model, scratch, out.log_likelihood):
        return False
    evidence = _condition(phase.log_posterior, out.log_likelihood)
    if not math.isfinite(evidence):
        return False
    out.has_evidence, out.log_evidence = True, evidence
    if least != KNOWN:
        learn(phase.log_posterior, state.x, phase.lags, phase.lag_covariance, phase.lag_flags, model, scratch)
    return True


@njit(cache=True, nogil=True)
def _least(flags: Flags) -> int:
    """The worst of the flags; KNOWN when there are none."""
    least = KNOWN
    for flag in flags:
        least = min(least, flag)
    return least


@njit(cache=True, nogil=True)
def _gather(lags: Array, x: Array, inputs: Array) -> None:
    """inputs = lags, oldest first, then x."""
    num_lags, d = lags.shape
    for lag in range(num_lags):
        inputs[lag * d : (lag + 1) * d] = lags[lag]
    inputs[num_lags * d :] = x


@njit(cache=True, nogil=True)
def _condition(log_p: Array, log_likelihood: Array) -> float:
    """Multiply a likelihood in, in place and normalised, and return the log evidence; no change if that is infinite."""
    evidence: float = log_sum_exp_of_sum(log_p, log_likelihood)
    if math.isfinite(evidence):
        for i in range(log_p.shape[0]):
            log_p[i] += log_likelihood[i] - evidence
    return evidence


@njit(cache=True, nogil=True)
def _publish(log_p: Array, log_posterior: Array, posterior: Array) -> None:
    """Normalise `log_p` in place and copy it out, as logarithm and as probability."""
    total = log_sum_exp(log_p)
    for i in range(log_p.shape[0]):
        log_p[i] -= total
        log_posterior[i] = log_p[i]
        posterior[i] = math.exp(log_p[i])
