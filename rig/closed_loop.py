"""One frame through the loop: extract, decode, decide, pulse; publish afterwards.

The order matters: nothing that is not needed for the pulse happens before the pulse is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np
from numpy.typing import NDArray

from online import further_evidence, pipeline
from online.decoder import Decoded
from online.errors import BoardRefused
from online.extracted import Extracted
from online.further_evidence import FurtherState
from online.messages import (
    EngineInput,
    Frame,
    NearMisses,
    Pose,
    PulseReceipt,
    RuleStatus,
    SessionStatus,
    Syllables,
    Trial,
)
from online.pipeline import PipelineState
from protocols import engine
from protocols.engine import EngineState
from protocols.trial import Decision, Evidence, Vector
from protocols.why import NearMiss
from rig.board_record import SyncLine
from rig.bus import Publisher, Received
from rig.clock import Clock
from rig.ttl.protocol import PulseGenerator, PulseTrain

NO_ROWS = np.zeros(0)
OVERTAKEN = "the deadline passed between decision and writing"
BOARD_LOST = "the board was lost before the command was written whole"


@dataclass(slots=True)
class LoopParts:
    """What the loop is made of."""

    pipeline: PipelineState
    further: FurtherState
    engine: EngineState
    board: PulseGenerator
    sync: SyncLine
    publishers: Mapping[str, Publisher]
    clock: Clock
    deadline_ns: int


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """Host times of one frame on its way, in ns; and whether the board was armed at its decision."""

    extracted: int
    decoded: int
    decision: int
    armed: bool


@dataclass(frozen=True, slots=True)
class Act:
    """What became of a decision: its command's sequence number and when its last byte was written, if it was sent."""

    decision: Decision
    sequence: int | None = None
    written_ns: int | None = None


def never_sent(decision: Decision, reason: str) -> Act:
    """A decision after which no command was written; a catch stays a catch."""
    return Act(replace(decision, outcome="refused", reason=reason) if decision.outcome == "pulse" else decision)


class ClosedLoop:
    """State between frames: paused or not, how many frames and manual pulses, which commands are unanswered; the newest
    frame with its times, None before the first."""

    def __init__(self, parts: LoopParts) -> None:
        self.parts = parts
        self.paused = False
        self.frames = 0
        self.newest: tuple[Frame, FrameTimes] | None = None
        self.manual_pulses = 0
        self.unanswered: set[int] = set()

    @property
    def armed(self) -> bool:
        """Whether the board would accept a pulse."""
        return self.parts.board.armed

    def on_frame(self, received: Received) -> None:
        """Take one frame all the way to its pulse, then publish what was found and decided."""
        frame = received.message
        assert isinstance(frame, Frame)
        assert received.payload is not None
        parts = self.parts
        image = np.frombuffer(received.payload, np.uint16).reshape(frame.height, frame.width)
        extracted = pipeline.extract(parts.pipeline, image, frame.frame_index, frame.capture_time_ns)
        extracted_ns = parts.clock.now_ns()
        decoded, scores = pipeline.decode(parts.pipeline, extracted, frame.frame_index)
        decoded_ns = parts.clock.now_ns()
        pose = pose_message(frame, extracted, extracted_ns)
        further = further_evidence.step(parts.further, decoded)
        novelty = nan if decoded.novelty is None else decoded.novelty
        evidence = Evidence(decoded.posterior, further, novelty) if decoded.has_evidence else None
        seen = None if pose.missing else pose
        decision_ns = parts.clock.now_ns()
        armed = self.armed
        decisions = engine.step(parts.engine, evidence, seen, frame.capture_time_ns, decision_ns, armed, self.paused)
        times = FrameTimes(extracted_ns, decoded_ns, decision_ns, armed)
        self.newest = frame, times
        acts: list[Act] = []
        try:
            for decision in decisions:
                acts.append(self._act(decision, frame.capture_time_ns))  # noqa: PERF401 - kept if a later one fails
            parts.sync.mark(frame.frame_index)
        finally:
            acts += [never_sent(decision, BOARD_LOST) for decision in decisions[len(acts) :]]
            self._publish(frame, pose, extracted, decoded, scores, times, acts)

    def _act(self, decision: Decision, capture_time_ns: int) -> Act:
        """Write the pulse that was decided on; a catch takes the same way but for the last bit."""
        if decision.outcome != "pulse":
            return Act(decision)
        wanted = decision.train
        train = PulseTrain(wanted.channel, wanted.width_us, wanted.period_us, wanted.count, wanted.delay_us)
        left_us = (self.parts.deadline_ns - (self.parts.clock.now_ns() - capture_time_ns)) // 1000
        if left_us <= 0:
            return never_sent(decision, OVERTAKEN)
        try:
            sequence = self.parts.board.pulse(train, left_us)
        except BoardRefused as error:
            return never_sent(decision, str(error))
        written_ns = self.parts.clock.now_ns()
        self.unanswered.add(sequence)
        return Act(decision, sequence, written_ns)

    def _publish(
        self,
        frame: Frame,
        pose: Pose,
        extracted: Extracted,
        decoded: Decoded,
        scores: NDArray[np.float64],
        times: FrameTimes,
        acts: list[Act],
    ) -> None:
        parts, publishers = self.parts, self.parts.publishers
        for act in acts:
            publishers["pulses"].publish(trial_message(act, frame, times))
        publishers["engine"].publish(
            EngineInput(
                order=self.frames,
                frame_index=frame.frame_index,
                capture_time_ns=frame.capture_time_ns,
                decision_time_ns=times.decision,
                armed=times.armed,
                paused=self.paused,
            )
        )
        near = parts.engine.near
        if near:
            publishers["engine"].publish(near_message(frame, near))
        publishers["poses"].publish(pose, extracted.crop.data.cast("B"))
        publishers["syllables"].publish(syllables_message(frame, decoded, scores, parts.further.rows, times))
        self.frames += 1

    def publish_receipts(self) -> list[PulseReceipt]:
        """Pass on what the board said since the last call."""
        receipts = self.parts.board.receipts()
        for receipt in receipts:
            self.parts.publishers["pulses"].publish(receipt)
            self.unanswered.discard(receipt.command_sequence)
        return receipts


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


def syllables_message(
    frame: Frame, decoded: Decoded, scores: NDArray[np.float64], further: Sequence[Vector], times: FrameTimes
) -> Syllables:
    """What the decoder believes, as a message."""
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
        scores=scores,
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


def status_message(loop: ClosedLoop, now_ns: int) -> SessionStatus:
    """Where session and rules stand, for a screen."""
    status = engine.status(loop.parts.engine)
    rules = tuple(
        RuleStatus(
            name=rule.name,
            state=rule.state,
            target=rule.target,
            threshold=rule.threshold,
            target_probability=rule.target_probability,
            dwell_ms=rule.dwell_ms,
            refractory_left_ms=rule.refractory_left_ms,
            pulses=rule.pulses,
            catches=rule.catches,
            refused=rule.refused,
        )
        for rule in status.rules
    )
    return SessionStatus(
        time_ns=now_ns,
        armed=loop.armed,
        paused=loop.paused,
        block=status.block,
        block_left_ms=status.block_left_ms,
        elapsed_ms=status.elapsed_ms,
        duration_ms=status.duration_ms,
        frames=loop.frames,
        rules=rules,
    )
