"""One frame through the loop: extract, decode, decide, pulse; publish afterwards.

The order matters: nothing that is not needed for the pulse happens before the pulse is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np

from online import further_evidence, pipeline
from online.errors import BoardRefused
from online.further_evidence import FurtherState
from online.messages import EngineInput, Frame, PulseReceipt, RuleStatus, SessionStatus
from online.pipeline import PipelineState
from protocols import engine
from protocols.engine import EngineState
from protocols.trial import Decision, Evidence
from rig.board_record import SyncLine
from rig.bus import Publisher, Received
from rig.clock import Clock
from rig.loop_messages import (
    Act,
    Found,
    FrameTimes,
    near_message,
    never_sent,
    pose_message,
    syllables_message,
    trial_message,
)
from rig.ttl.protocol import PulseGenerator, PulseTrain

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
            self._publish(Found(frame, times, pose, extracted, decoded, scores), acts)

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

    def _publish(self, found: Found, acts: list[Act]) -> None:
        frame, times = found.frame, found.times
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
        publishers["poses"].publish(found.pose, found.extracted.crop.data.cast("B"))
        publishers["syllables"].publish(syllables_message(found, parts.further.rows))
        self.frames += 1

    def publish_receipts(self) -> list[PulseReceipt]:
        """Pass on what the board said since the last call."""
        receipts = self.parts.board.receipts()
        for receipt in receipts:
            self.parts.publishers["pulses"].publish(receipt)
            self.unanswered.discard(receipt.command_sequence)
        return receipts


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
