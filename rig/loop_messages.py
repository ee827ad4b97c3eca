"""What the loop found and did in one frame, and the messages that say so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from online.decoder import Decoded
from online.extracted import Extracted
from online.messages import Frame, NearMisses, Pose, Syllables, Trial
from protocols.trial import Decision, Vector
from protocols.why import NearMiss

NO_ROWS = np.zeros(0)


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """Host times of one frame on its way, in ns; and whether the board was armed at its decision."""

    extracted: int
    decoded: int
    decision: int
    armed: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What extraction and decoder found in one frame; `scores` (D,)."""

    frame: Frame
    times: FrameTimes
    pose: Pose
    extracted: Extracted
    decoded: Decoded
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Act:
    """What became of a decision: its command's sequence number and when its last byte was written, if it was sent."""

    decision: Decision
    sequence: int | None = None
    written_ns: int | None = None


def never_sent(decision: Decision, reason: str) -> Act:
    """A decision after which no command was written; a catch stays a catch."""
    return Act(replace(decision, outcome="refused", reason=reason) if decision.outcome == "pulse" else decision)


def pose_message(frame: Frame, found: Extracted, extracted_ns: int) -> Pose:
    """What extraction found, as a message; nothing is measured when the mouse is missing."""

    def measured(value: float) -> float | None:
        return None if found.missing or value != value else float(value)

    return Pose(
        frame_index=frame.frame_index,
        capture_time_ns=frame.capture_time_ns,
        arrival_time_ns=frame.arrival_time_ns,
        extracted_time_ns=extracted_ns,
        missing=bool(found.missing),
        x_px=measured(found.x_px),
        y_px=measured(found.y_px),
        x_mm=measured(found.x_mm),
        y_mm=measured(found.y_mm),
        heading_rad=measured(found.heading_rad),
        heading_probability=measured(found.heading_probability),
        length_mm=measured(found.length_mm),
        width_mm=measured(found.width_mm),
        area_mm2=measured(found.area_mm2),
        height_mm=measured(found.height_mm),
        speed_mm_s=measured(found.speed_mm_s),
        turning_rad_s=measured(found.turning_rad_s),
    )


def syllables_message(found: Found, further: Sequence[Vector]) -> Syllables:
    """What the decoder believes, as a message."""
    frame, times, decoded = found.frame, found.times, found.decoded
    return Syllables(
        frame_index=frame.frame_index,
        capture_time_ns=frame.capture_time_ns,
        arrival_time_ns=frame.arrival_time_ns,
        extracted_time_ns=times.extracted,
        decoded_time_ns=times.decoded,
        has_evidence=bool(decoded.has_evidence),
        log_evidence=decoded.log_evidence,
        phase=int(decoded.phase),
        posterior=decoded.posterior,
        scores=found.scores,
        further=np.concatenate(further) if further else NO_ROWS,
        novelty=decoded.novelty,
    )


def known(value: float) -> float | None:
    """None for NaN."""
    return None if value != value else value


def near_message(frame: Frame, near: Sequence[NearMiss]) -> NearMisses:
    """Why rules that were near gave no trial, as a message."""
    rules, probabilities, thresholds, causes, parts, values, needed = zip(*near, strict=True)
    return NearMisses(
        frame_index=frame.frame_index,
        rule=rules,
        cause=causes,
        part=parts,
        values=np.array((probabilities, thresholds, values, needed)).T.ravel(),
    )


def trial_message(act: Act, frame: Frame, times: FrameTimes) -> Trial:
    """A decision with its command and its times, as a message."""
    decision = act.decision
    return Trial(
        frame_index=frame.frame_index,
        rule=decision.rule,
        trial_number=decision.trial_number,
        outcome=decision.outcome,
        reason=decision.reason,
        target_probability=known(decision.target_probability),
        threshold=known(decision.threshold),
        block=decision.block,
        output=decision.output,
        channel=decision.train.channel,
        width_us=decision.train.width_us,
        period_us=decision.train.period_us,
        count=decision.train.count,
        delay_us=decision.train.delay_us,
        detail=decision.detail,
        command_sequence=act.sequence,
        capture_time_ns=frame.capture_time_ns,
        arrival_time_ns=frame.arrival_time_ns,
        extracted_time_ns=times.extracted,
        decoded_time_ns=times.decoded,
        decided_time_ns=times.decision,
        written_time_ns=act.written_ns,
    )
