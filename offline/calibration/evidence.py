"""The probability of each target, frame by frame, by each kind of evidence: computed once, thresholds tried on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.calibration.tracks import Array, Ints, ScoreTrack
from offline.replay.decoded import ScoreDecoder
from online.model import ModelBundle
from online.pipeline import phases_of
from protocols.engine import LONGEST_STEP_FRAMES
from protocols.trial import EvidenceRequest

FILTERED = EvidenceRequest("filtered", 0.0)
ONE_PHASE = EvidenceRequest("one phase", 0.0)
"""The filtered posterior at the model's own rate: a faster camera's frames of one phase, the others unseen."""
KINDS = (
    EvidenceRequest("smoothed", 33.0),
    EvidenceRequest("smoothed", 67.0),
    EvidenceRequest("smoothed", 100.0),
    EvidenceRequest("predicted", 33.0),
    EvidenceRequest("onset", 100.0),
    EvidenceRequest("onset", 200.0),
    EvidenceRequest("onset", 400.0),
)
"""Beside the filtered posterior."""


@dataclass(frozen=True, slots=True)
class Traces:
    """probability (E, G, n): of G targets by E kinds, the filtered one first, that of one phase last; NaN where a kind
    knows nothing.

    times_ns (n,); observed_ns (n,) and gap (n,) as the engine's clock gives them.
    """

    probability: Array
    times_ns: Ints
    observed_ns: Ints
    gap: NDArray[np.bool_]


def trace(
    track: ScoreTrack,
    bundle: ModelBundle,
    kinds: Sequence[EvidenceRequest],
    targets: Sequence[Sequence[int]],
    advance: Callable[[int], None] = lambda _: None,
) -> Traces:
    """Decode a recording as the rig would, and keep the probability of each target."""
    weights = np.zeros((bundle.arhmm.num_syllables, len(targets)))
    for g, target in enumerate(targets):
        weights[list(target), g] = 1.0
    decoding = ScoreDecoder(bundle, track.rate_hz, kinds)
    steps = np.diff(track.slots, prepend=track.slots[0] - 1).tolist()
    probability = np.full((len(track.slots), len(kinds) + 2, len(targets)), np.nan)
    rows = np.empty((len(kinds) + 1, bundle.arhmm.num_syllables))
    for i, scores in enumerate(track.scores):
        evidence = decoding.step(scores if scores[0] == scores[0] else None, steps[i])
        if evidence is not None:
            rows[0] = evidence.filtered
            for e, row in enumerate(evidence.further):
                rows[e + 1] = row
            np.matmul(rows, weights, out=probability[i, :-1])
        if i % 500 == 499:
            advance(500)
    phases = phases_of(bundle.frame_rate_hz, track.rate_hz)
    probability[:, -1] = np.where(track.slots[:, None] % phases == 0, probability[:, 0], np.nan)
    seen = np.isfinite(probability[:, 0, 0])
    observed_ns, gap = continuity(seen, track.times_ns, track.rate_hz)
    return Traces(np.ascontiguousarray(probability.transpose(1, 2, 0)), track.times_ns, observed_ns, gap)


def continuity(
    seen: NDArray[np.bool_], times_ns: Ints, rate_hz: float, gap_ms: float = 250.0
) -> tuple[Ints, NDArray[np.bool_]]:
    """Time observed since the frame before (n,), and whether evidence had been missing for long (n,)."""
    step_ns = np.diff(times_ns, prepend=times_ns[0])
    both = seen & np.concatenate(([False], seen[:-1]))
    observed_ns = np.where(both & (step_ns <= LONGEST_STEP_FRAMES * 1e9 / rate_hz), step_ns, 0)
    last_ns = np.maximum.accumulate(np.where(seen, times_ns, np.iinfo(np.int64).min))
    before_ns = np.concatenate((times_ns[:1], last_ns[:-1]))
    began = before_ns > np.iinfo(np.int64).min
    gap = seen & began & (times_ns - np.where(began, before_ns, times_ns) > gap_ms * 1e6)
    return observed_ns.astype(np.int64), gap
