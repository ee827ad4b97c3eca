"""The protocol engine: posterior and pose in, decisions out; pure and repeatable.

`state = init(protocol, ...)` once, then `decisions = step(state, ...)` for every frame in order, also for frames
without evidence; the state is updated in place. Rules run on capture time, which begins with the first frame;
decision time serves the deadline, and the delay that brings a scheduled pulse to its time. The same inputs in the
same order give the same decisions, bit for bit.

A trial is either a pulse or a catch, and which is drawn after everything else allowed it: both consume refractory
time, interval, duty and count. The caller writes the train of a "pulse", and records all decisions.
"""

from collections.abc import Mapping, Sequence
from math import isnan, nan

from online.errors import ConfigError
from protocols.build import Setting, build_rules, evidence_requests
from protocols.draws import session_key
from protocols.examine import Bench, arm_of, unfit
from protocols.limits import MANUAL_SLACK_NS, PulseLimits
from protocols.live_rule import Gate, LiveRule
from protocols.materials import NO_MATERIALS, Materials
from protocols.moment import Moment
from protocols.rule_schema import OwnRule
from protocols.schema import Protocol
from protocols.seal import is_sealed, masked, masked_near, masked_status
from protocols.session_clock import Continuity, SessionClock, Timetable
from protocols.sums import Sums
from protocols.trial import Decision, Evidence, EvidenceRequest, PoseLike, Status, Train, Vector
from protocols.why import NearMiss, WhyRow

NATIVE_DOUBLE = "d"
"""The one format of numbers that is read in place."""
NOTHING: tuple[Decision, ...] = ()
DISARMED: WhyRow = ("disarmed", 0, nan, nan)
PAUSED: WhyRow = ("paused", 0, nan, nan)
LONGEST_STEP_FRAMES = 1.5


class EngineState:
    """All that the engine remembers; made by `init`, changed by `step` alone.

    `rules` in the order in which they are asked, highest priority first. `requests`: the kinds of evidence beyond the
    filtered posterior that `Evidence.further` must carry, in order. `as_lists`: posteriors are copied
    into lists for own rules, else read in place.
    """

    __slots__ = (
        "_arm",
        "_array",
        "_sums",
        "_view",
        "as_lists",
        "clock",
        "evidence",
        "gap_ns",
        "gate",
        "moment",
        "pose",
        "protocol",
        "requests",
        "rules",
        "sealed",
        "timetable",
    )

    def __init__(self, setting: Setting) -> None:
        protocol = setting.protocol
        deadline_ns = round(protocol.timing.deadline_ms * 1e6)
        longest_step_ns = round(LONGEST_STEP_FRAMES * 1e9 / setting.frame_rate_hz)
        self.protocol = protocol
        self._arm = setting.arm
        self.gap_ns = round(protocol.timing.evidence_gap_ms * 1e6)
        self.clock = SessionClock()
        self.evidence, self.pose = Continuity(longest_step_ns), Continuity(longest_step_ns)
        self.timetable = Timetable(protocol)
        self.moment = Moment()
        limits = PulseLimits(protocol.limits, {output.channel for output in protocol.trains.values()})
        self.gate = Gate(limits, deadline_ns)
        self._sums = setting.sums
        self._array: Vector | None = None
        self._view: Sequence[float] = ()
        self.rules: list[LiveRule] = sorted(build_rules(setting), key=lambda live: -live.rule.priority)
        self.sealed = is_sealed(protocol)
        self.as_lists = any(isinstance(rule, OwnRule) for rule in protocol.rules)
        self.requests: tuple[EvidenceRequest, ...] = evidence_requests(protocol)

    @property
    def finished(self) -> bool:
        """Whether the last block is over."""
        return self.timetable.finished

    @property
    def near(self) -> Sequence[NearMiss]:
        """Rules that were near their threshold at the last frame and gave no trial, with the cause."""
        near = [NearMiss._make(row) for row in self.gate.near]
        return [masked_near(miss) for miss in near] if self.sealed else near

    def enter_block(self) -> None:
        """Make the rules of the current block live, the others not."""
        block = self.timetable.block
        names = frozenset() if block is None else self.protocol.rules_in(block, self._arm)
        for live in self.rules:
            live.set_live(live.rule.name in names)
        self.gate.block = "" if block is None else block.name

    def row(self, posterior: Vector) -> Sequence[float]:
        """The numbers of a posterior. A decoder that fills one array at every frame is read through one view of it."""
        if posterior is self._array:
            return self._view
        view = posterior.data
        if view.format == NATIVE_DOUBLE and not self.as_lists:
            self._array, self._view = posterior, view
            return view
        numbers: list[float] = posterior.tolist()
        return numbers

    def look(self, evidence: Evidence | None, pose: PoseLike | None, elapsed_ns: int) -> Moment:
        """The frame as the rules see it."""
        moment, now_ns, step_ns = self.moment, self.clock.now_ns, self.clock.step_ns
        moment.rows.clear()
        moment.novelty = nan
        if evidence is not None:
            filtered = self.row(evidence.filtered)
            if isnan(sum(filtered)):
                evidence = None
            else:
                moment.rows.append(filtered)
                for row in evidence.further:
                    moment.rows.append(self.row(row))
                self._sums.update(moment.rows, moment.sums)
                moment.novelty = evidence.novelty
        self.evidence.update(evidence is not None, now_ns, step_ns)
        self.pose.update(pose is not None, now_ns, step_ns)
        moment.pose = pose
        moment.now_ns = now_ns
        moment.session_ns = elapsed_ns
        moment.block_ns = elapsed_ns - self.timetable.begin_ns
        moment.observed_ns, moment.gap = self.evidence.observed_ns, self.evidence.gap_ns > self.gap_ns
        moment.seen_ns, moment.pose_gap = self.pose.observed_ns, self.pose.gap_ns > self.gap_ns
        return moment


def init(
    protocol: Protocol,
    num_syllables: int,
    names: Mapping[str, tuple[int, ...]],
    frame_rate_hz: float,
    subject: str,
    session_id: str,
    materials: Materials = NO_MATERIALS,
) -> EngineState:
    """Make an engine for one session.

    Parameters
    ----------
    names
        the syllables that each name stands for.
    frame_rate_hz
        of the camera; tells a dropped frame from the next one.
    subject, session_id
        with the file's seed they key all random draws.
    materials
        what the protocol refers to outside its file (`materials.needs`).

    Raises
    ------
    ConfigError
        with every reason why model, camera and materials cannot serve this protocol.
    """
    problems = unfit(protocol, Bench(num_syllables, names, frame_rate_hz), subject, materials)
    if problems:
        raise ConfigError("the protocol cannot run here:\n" + "\n".join(f"  {line}" for line in problems))
    arm, _ = arm_of(protocol, subject, materials)
    key = session_key(protocol.session.seed, subject, session_id)
    return EngineState(Setting(protocol, num_syllables, names, frame_rate_hz, materials, arm, key, Sums()))


def step(
    state: EngineState,
    evidence: Evidence | None,
    pose: PoseLike | None,
    capture_time_ns: int,
    decision_time_ns: int,
    armed: bool,
    paused: bool,
) -> Sequence[Decision]:
    """Take one frame; `evidence` is None where the decoder has none, `pose` where no mouse was found."""
    gate, clock, timetable = state.gate, state.clock, state.timetable
    gate.near.clear()
    clock.advance(capture_time_ns, decision_time_ns)
    elapsed_ns = clock.elapsed_ns
    if elapsed_ns >= timetable.until_ns and timetable.advance(elapsed_ns):
        state.enter_block()
        if timetable.finished:
            return _told(state, [decision for live in state.rules for decision in live.conclude()])
    if timetable.finished or not clock.in_order:
        return NOTHING
    moment = state.look(evidence, pose, elapsed_ns)
    moment.late_ns = late_ns = decision_time_ns - clock.now_ns
    gate.refusal = None
    if not armed:
        gate.refusal = DISARMED
    elif paused:
        gate.refusal = PAUSED
    elif late_ns > gate.deadline_ns:
        gate.refusal = "stale", 0, late_ns / 1e6, gate.deadline_ns / 1e6
    decisions: list[Decision] | None = None
    for live in state.rules:
        decision = live.consider(moment, gate)
        if decision is not None:
            decisions = [decision] if decisions is None else [*decisions, decision]
    return NOTHING if decisions is None else _told(state, decisions)


def _told(state: EngineState, decisions: list[Decision]) -> list[Decision]:
    """Decisions as they may be told, under seal or in the open."""
    return [masked(decision) for decision in decisions] if state.sealed else decisions


def by_hand(state: EngineState, train: Train, time_ns: int) -> None:
    """Count a train that was sent by hand between two frames towards the limits; the board had allowed it."""
    state.gate.limits.commit(train, time_ns + train.delay_us * 1000, MANUAL_SLACK_NS)


def status(state: EngineState) -> Status:
    """What the screen shows; cheap enough for every frame. Under seal nothing of it tells the arm."""
    elapsed_ns = state.clock.elapsed_ns
    rules = [live.status(state.clock.now_ns) for live in state.rules]
    if state.sealed:
        rules = [masked_status(rule) for rule in rules]
    return Status(
        block=state.gate.block,
        block_left_ms=state.timetable.left_ns(elapsed_ns) / 1e6,
        elapsed_ms=elapsed_ns / 1e6,
        duration_ms=state.timetable.duration_ns / 1e6,
        finished=state.timetable.finished,
        rules=tuple(rules),
    )
