"""How well labels and live triggers agree with a simulation's truth.

Definitions
-----------
*AMI*: adjusted mutual information of true syllables and labels over frames that have a label; 1 is a perfect match up
to names, 0 is chance.
*Accuracy*: share of those frames that agree when each label is given the name of at most one true syllable, by the
assignment that makes the share largest (Hungarian method).
*Trigger*: a trial that a rule took, pulse or catch; its *decision frame* is the frame that made the rule fire.
*Bout*: one stay in a true syllable, from its onset to the frame before the next.
*Precision*: share of triggers whose true syllable at the decision frame is a target.
*Recall*: share of eligible bouts with at least one trigger at a decision frame inside the bout. A bout is eligible
when its syllable is a target, its onset was recorded, and no refractory period was running at its onset.
*Onset-to-pulse delay*: for each trigger that pulsed with a target as its true syllable in a bout whose onset was
recorded, time from the exposure of the frame at which that bout began to the pulse.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_mutual_info_score

from online.errors import EtholoopError

Ints = NDArray[np.integer]


def overlap(truth: Ints, labels: Ints) -> NDArray[np.int64]:
    """Frames (true syllables, labels) that carry each pair; frames with a negative label or truth do not count."""
    if truth.shape != labels.shape:
        raise EtholoopError(f"truth has {len(truth)} frames, labels {len(labels)}: they are not of the same session")
    both = (truth >= 0) & (labels >= 0)
    counts = np.zeros((int(truth.max(initial=-1)) + 1, int(labels.max(initial=-1)) + 1), np.int64)
    np.add.at(counts, (truth[both], labels[both]), 1)
    return counts


def adjusted_mutual_information(truth: Ints, labels: Ints) -> float:
    """AMI over frames where both are known; NaN when there are none."""
    both = (truth >= 0) & (labels >= 0)
    if not both.any():
        return float("nan")
    return float(adjusted_mutual_info_score(truth[both], labels[both]))


def match_syllables(truth: Ints, labels: Ints) -> dict[int, int]:
    """True syllable of each label by the assignment that agrees on most frames; labels left over are absent."""
    counts = overlap(truth, labels)
    rows, columns = linear_sum_assignment(-counts)
    return {int(label): int(true) for true, label in zip(rows, columns, strict=True) if counts[true, label] > 0}


def accuracy(truth: Ints, labels: Ints) -> float:
    """Share of frames that agree after matching; NaN when no frame has both."""
    counts = overlap(truth, labels)
    if counts.sum() == 0:
        return float("nan")
    return float(counts[linear_sum_assignment(-counts)].sum() / counts.sum())


@dataclass(frozen=True, slots=True)
class TruthTrack:
    """What the simulated animal did in each recorded frame, in order; all (n,).

    frame_index counts slots, dropped ones included; onset_frame_index is the slot at which the syllable began.
    """

    frame_index: NDArray[np.int64]
    capture_time_ns: NDArray[np.int64]
    syllable: NDArray[np.int64]
    onset_frame_index: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Triggers:
    """The triggers of one rule; all (m,). pulse_time_ns is when the pulse was executed on the host's clock, 0 where
    there was none (a catch trial, or a lost receipt)."""

    frame_index: NDArray[np.int64]
    pulse_time_ns: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LiveScore:
    """Counts and shares by the definitions above; a share of nothing is NaN.

    onset_to_pulse_ms: delays of the right pulses, in order; onset_to_decision_frames: slots from onset to decision of
    all right triggers.
    """

    triggers: int
    right_triggers: int
    eligible_bouts: int
    triggered_bouts: int
    onset_to_pulse_ms: NDArray[np.float64]
    onset_to_decision_frames: NDArray[np.int64]

    @property
    def precision(self) -> float:
        """Right triggers / triggers."""
        return self.right_triggers / self.triggers if self.triggers else float("nan")

    @property
    def recall(self) -> float:
        """Triggered eligible bouts / eligible bouts."""
        return self.triggered_bouts / self.eligible_bouts if self.eligible_bouts else float("nan")


def score_triggers(truth: TruthTrack, triggers: Triggers, targets: Collection[int], refractory_ms: float) -> LiveScore:
    """Score the triggers of one rule that waits for any of the true syllables `targets`.

    The refractory period runs from the exposure of a trigger's decision frame. An onset in a dropped frame gets its
    time by interpolation on the camera's grid.

    Raises
    ------
    EtholoopError
        if a trigger's decision frame is not in the track, or frames are out of order.
    """
    if (np.diff(truth.frame_index) <= 0).any():
        raise EtholoopError("truth: frame_index must increase")
    rows = np.searchsorted(truth.frame_index, triggers.frame_index)
    if (rows >= len(truth.frame_index)).any() or (truth.frame_index[rows] != triggers.frame_index).any():
        raise EtholoopError("a trigger's decision frame has no truth: the track and the triggers are of two sessions")
    wanted = np.isin(truth.syllable, np.fromiter(targets, np.int64))
    right = wanted[rows]
    onset_time_ns = np.interp(truth.onset_frame_index, truth.frame_index, truth.capture_time_ns)
    recorded = truth.onset_frame_index[rows] >= truth.frame_index[0]
    pulsed = right & recorded & (triggers.pulse_time_ns > 0)
    delays_ms = (triggers.pulse_time_ns[pulsed] - onset_time_ns[rows[pulsed]]) / 1e6
    bouts, first_rows = np.unique(truth.onset_frame_index[wanted], return_index=True)
    began = onset_time_ns[wanted][first_rows]
    eligible = (bouts >= truth.frame_index[0]) & ~_refractory(began, truth.capture_time_ns[rows], refractory_ms)
    return LiveScore(
        triggers=len(rows),
        right_triggers=int(right.sum()),
        eligible_bouts=int(eligible.sum()),
        triggered_bouts=int(np.isin(bouts[eligible], truth.onset_frame_index[rows[right]]).sum()),
        onset_to_pulse_ms=delays_ms,
        onset_to_decision_frames=truth.frame_index[rows[right]] - truth.onset_frame_index[rows[right]],
    )


def _refractory(
    times_ns: NDArray[np.float64], trigger_times_ns: NDArray[np.int64], refractory_ms: float
) -> NDArray[np.bool_]:
    """Whether a refractory period that began strictly before a moment was still running at it."""
    ordered = np.sort(trigger_times_ns)
    before = np.searchsorted(ordered, times_ns, side="left") - 1
    since_ns = np.where(before >= 0, times_ns - ordered[np.maximum(before, 0)], np.inf) if len(ordered) else np.inf
    return np.asarray(np.broadcast_to(since_ns < refractory_ms * 1e6, times_ns.shape))
