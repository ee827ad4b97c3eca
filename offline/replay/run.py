"""A protocol over a recording, as fast as the machine can."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from offline.replay.inputs import EngineFrame, Recording
from protocols import engine
from protocols.engine import EngineState
from protocols.materials import Materials
from protocols.schema import Protocol
from protocols.trial import Decision
from protocols.why import NearMiss

FRAMES_A_REPORT = 500


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision with the frame that brought it; `start_ns`: when the train would rise, decision time and delay."""

    frame_index: int
    capture_time_ns: int
    start_ns: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a protocol did with a recording; `near`: frame, and why a rule that was near gave no trial."""

    recording: Recording
    decided: list[Decided]
    near: list[tuple[int, NearMiss]]
    first_ns: int
    last_ns: int


def start_engine(recording: Recording, protocol: Protocol, materials: Materials) -> EngineState:
    """An engine keyed as the session was."""
    return engine.init(
        protocol,
        recording.num_syllables,
        recording.names,
        recording.rate_hz,
        recording.subject,
        recording.session,
        materials,
    )


def replay(
    recording: Recording,
    protocol: Protocol,
    materials: Materials,
    keep_near: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> Replayed:
    """Feed every frame to the engine; `advance` is told how many were fed since it was last called."""
    state = start_engine(recording, protocol, materials)
    return feed(recording, state, recording.frames(state.requests), keep_near, advance)


def feed(
    recording: Recording,
    state: EngineState,
    frames: Iterable[EngineFrame],
    keep_near: bool,
    advance: Callable[[int], None],
) -> Replayed:
    """Run an engine that was started over frames."""
    decided: list[Decided] = []
    near: list[tuple[int, NearMiss]] = []
    first_ns: int | None = None
    last_ns, step = 0, engine.step
    for count, frame in enumerate(frames, 1):
        capture_ns, decision_ns = frame.capture_time_ns, frame.decision_time_ns
        for train, time_ns in frame.by_hand:
            engine.by_hand(state, train, time_ns)
        for decision in step(state, frame.evidence, frame.pose, capture_ns, decision_ns, frame.armed, frame.paused):
            start_ns = decision_ns + decision.train.delay_us * 1000
            decided.append(Decided(frame.frame_index, capture_ns, start_ns, decision))
        if keep_near:
            near += [(frame.frame_index, miss) for miss in state.near]
        first_ns = capture_ns if first_ns is None else first_ns
        last_ns = capture_ns
        if count % FRAMES_A_REPORT == 0:
            advance(FRAMES_A_REPORT)
    return Replayed(recording, decided, near, first_ns or 0, last_ns)
