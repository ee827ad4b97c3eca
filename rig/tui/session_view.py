"""The session as a screen shows it, computed from its messages alone: no clock, no screen, no socket.

`take` every message in order; then ask. Times given as `now_ns` are the host's monotonic clock.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from online.messages import (
    Event,
    Frame,
    Health,
    InputHealth,
    Message,
    Pose,
    PulseReceipt,
    SessionStatus,
    Syllables,
    Trial,
)
from rig.tui.alerts import AlertBoard
from rig.tui.earlier import Earlier
from rig.tui.ethogram import SPAN_NS, Ethogram
from rig.tui.latency import LatencyMeter
from rig.tui.session_facts import SessionFacts
from rig.tui.session_log import ALARMING, SessionLog
from rig.tui.stop_record import StopRecord
from rig.tui.trial_counts import TrialCounts

LEAST_DISK_GB = 2.0
SILENCE_NS = 1_000_000_000
TRAIL_NS = 5_000_000_000
CROP_SIZE_PX = 80
EVENTS_KEPT = 500


class SessionView:
    """Everything that was heard, in the form in which it is shown; `here` names this screen, as its commands do."""

    def __init__(self, facts: SessionFacts, here: str = "") -> None:
        self.facts = facts
        self.here = here
        self.forget()

    def forget(self) -> None:
        """Begin again, as if nothing had been heard."""
        facts = self.facts
        self.log = SessionLog()
        self.alerts = AlertBoard(self.log.add_alert)
        self.latency = LatencyMeter()
        self.ethogram = Ethogram()
        self.frame: Frame | None = None
        self.depth: NDArray[np.uint16] | None = None
        self.pose: Pose | None = None
        self.crop: NDArray[np.uint8] | None = None
        self.syllables: Syllables | None = None
        self.status: SessionStatus | None = None
        self.trail: deque[tuple[int, float, float]] = deque(maxlen=1024)
        self.counts = TrialCounts()
        self.events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self.health: dict[str, Health] = {}
        self.heard_ns: dict[str, int] = {}
        self.dropped_by_camera = 0
        self.without_evidence = 0
        self.stop = StopRecord(self.alerts, self.here)
        self.ended = ""
        self.start_ns: int | None = None
        self._blocks_begun = 0
        self.disk_free_gb: float | None = None
        self.knows_earlier = not facts.live
        self._silent: set[str] = set()
        self._first_frame: int | None = None
        self._first_decoded: int | None = None
        self._capture_times_ns: deque[int] = deque(maxlen=64)
        for problem in facts.problems:
            self.alerts.raise_("screen", problem, 0)

    # taking ----------------------------------------------------------------------------------------------------

    def take(self, message: Message, payload: memoryview | None, now_ns: int) -> None:
        """Take one message; the payload of a frame or pose must stay valid until the next of its kind."""
        self.heard_ns[type(message).__name__] = now_ns
        self._silent.discard(type(message).__name__)
        match message:
            case Frame():
                self._take_frame(message, payload)
            case Pose():
                self._take_pose(message, payload)
            case Syllables():
                self.syllables = message
                if self._first_decoded is None:
                    self._first_decoded = message.frame_index
                self.ethogram.add(message)
                self.latency.on_syllables(message)
                self.without_evidence += not message.has_evidence
                self._capture_times_ns.append(message.capture_time_ns)
            case Trial():
                self.latency.on_trial(message)
                self.counts.add(message)
                self.log.add_trial(message)
            case PulseReceipt():
                self.latency.on_receipt(message)
                self._take_receipt(message)
            case SessionStatus():
                self._take_status(message)
            case Event():
                self._take_event(message)
            case Health():
                self.health[message.process] = message
                self.heard_ns[f"health.{message.process}"] = now_ns
            case _:
                pass

    def _take_frame(self, message: Frame, payload: memoryview | None) -> None:
        self.frame = message
        if self._first_frame is None:
            self._first_frame = message.frame_index
        self.dropped_by_camera += message.dropped_before
        if payload is not None:
            self.depth = np.frombuffer(payload, np.uint16).reshape(message.height, message.width)

    def _take_pose(self, message: Pose, payload: memoryview | None) -> None:
        self.pose = message
        if payload is not None and len(payload) == CROP_SIZE_PX**2:
            self.crop = np.frombuffer(payload, np.uint8).reshape(CROP_SIZE_PX, CROP_SIZE_PX)
        if message.x_px is not None and message.y_px is not None:
            self.trail.append((message.capture_time_ns, message.x_px, message.y_px))
        while self.trail and self.trail[0][0] < message.capture_time_ns - TRAIL_NS:
            self.trail.popleft()

    def _take_receipt(self, message: PulseReceipt) -> None:
        self.counts.add_receipt(message)
        if message.outcome != "executed":
            reason = f": {message.reason}" if message.reason else ""
            self.alerts.raise_("board", f"pulse {message.outcome}{reason}", message.received_time_ns)

    def _take_status(self, message: SessionStatus) -> None:
        self.status = message
        self.stop.on_status(message)
        if message.elapsed_ms > 0:
            self._take_time(message)
        pinned = tuple(dict.fromkeys(k for rule in message.rules for k in rule.target))
        if pinned != self.ethogram.pinned:
            self.ethogram.pinned = pinned

    def _take_time(self, message: SessionStatus) -> None:
        """Learn when the session began, and write the blocks that began since into the log."""
        if self.start_ns is None:
            self.start_ns = message.time_ns - round(message.elapsed_ms * 1e6)
        for name, begin_ms, _ in self.facts.block_spans()[self._blocks_begun :]:
            if begin_ms > message.elapsed_ms:
                break
            self._blocks_begun += 1
            self.log.add(self.start_ns + round(begin_ms * 1e6), f"▸ block {name} begins", "info")

    def _take_event(self, message: Event) -> None:
        self.events.append(message)
        self._judge_event(message)

    def _judge_event(self, message: Event) -> None:
        self.log.add_event(message)
        if message.kind in ALARMING:
            self.alerts.raise_(message.source, message.detail, message.time_ns)
        self.alerts.on_event(message)
        self.stop.on_event(message, self.status)

    def take_earlier(self, earlier: Earlier) -> None:
        """Add what happened before this screen heard anything, alerts among it; what it heard itself is not counted
        twice."""
        self.knows_earlier = True
        for trial in self.counts.add_earlier(earlier.trials):
            self.log.add_trial(trial)
        for receipt in self.counts.unknown(earlier.receipts):
            self._take_receipt(receipt)
        known = set(self.events)
        events = [event for event in earlier.events if event not in known]
        self.events.extendleft(reversed(events))
        for event in events:
            self._judge_event(event)
        before = slice(None) if self._first_frame is None else earlier.frame_index < self._first_frame
        self.dropped_by_camera += int(earlier.dropped_before[before].sum())
        before = slice(None) if self._first_decoded is None else earlier.decoded_index < self._first_decoded
        self.without_evidence += int((earlier.has_evidence[before] == 0).sum())
        self.ethogram.prepend(earlier.times_ns, earlier.posteriors, earlier.evidence == 1)

    # asking ----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """One word: "ended", "waiting" (no status yet), "stopped", "unconfirmed" (a stop without an answer), "silent"
        (no status for a second), "paused", "paused, disarmed", "armed" or "disarmed"."""
        if self.ended:
            return "ended"
        if self.stop.since_ns is not None:
            return "stopped" if self.stop.confirmed else "unconfirmed"
        if self.status is None:
            return "waiting"
        if self.stale("SessionStatus"):
            return "silent"
        if self.status.paused:
            return "paused" if self.status.armed else "paused, disarmed"
        return "armed" if self.status.armed else "disarmed"

    @property
    def rate_hz(self) -> float | None:
        """Frames a second over the last 64 decoded ones, by capture time; None when none comes any more."""
        if self.stale("Syllables"):
            return None
        times = self._capture_times_ns
        span_ns = times[-1] - times[0] if len(times) > 1 else 0
        return (len(times) - 1) * 1e9 / span_ns if span_ns > 0 else None

    @property
    def inputs(self) -> list[tuple[str, InputHealth]]:
        """Every input of every process that was heard, with its process."""
        return [(process, i) for process, health in sorted(self.health.items()) for i in health.inputs]

    @property
    def messages_lost(self) -> int:
        """Messages that any process of the session (not this screen) missed."""
        return sum(i.lost for _, i in self.inputs)

    def total(self, outcome: str) -> int:
        """Pulses ("pulse"), catches ("catch") or refusals ("refused") of all rules so far; none by hand."""
        if self.status is None:
            return self.counts.total(outcome)
        field = {"pulse": "pulses", "catch": "catches", "refused": "refused"}[outcome]
        return sum(int(getattr(rule, field)) for rule in self.status.rules)

    def recent_trials(self) -> list[Trial]:
        """Trials of the last half minute."""
        return [t for t in self.counts.trials[-2048:] if t.capture_time_ns > self.ethogram.newest_ns - SPAN_NS]

    def silent_ms(self, kind: str, now_ns: int) -> float | None:
        """Since a message of this kind (or "health.PROCESS") was last heard; None when never."""
        heard = self.heard_ns.get(kind)
        return None if heard is None else (now_ns - heard) / 1e6

    def stale(self, kind: str) -> bool:
        """Whether messages of this kind came, but none in the last second: what they said may not hold any more."""
        return kind in self._silent

    def look(self, now_ns: int) -> None:
        """Find what is stale. Raise alerts for what is wrong now: silent processes, no frames; the supervisor tells of
        inputs."""
        if self.ended:
            return
        self._silent = {kind for kind, heard_ns in self.heard_ns.items() if now_ns - heard_ns > SILENCE_NS}
        for process, health in self.health.items():
            silent = now_ns - self.heard_ns[f"health.{process}"] > SILENCE_NS
            self.alerts.condition(process, "no heartbeat for a second", silent, now_ns)
            self.alerts.condition(process, f"failed {health.detail}".strip(), health.state == "failed", now_ns)
        full = self.disk_free_gb is not None and self.disk_free_gb < LEAST_DISK_GB
        self.alerts.condition("disk", f"less than {LEAST_DISK_GB:g} GB are free", full, now_ns)
        heard = self.heard_ns.get("Frame")
        self.alerts.condition(
            "camera", "no frame for a second", heard is not None and now_ns - heard > SILENCE_NS, now_ns
        )
