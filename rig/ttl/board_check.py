"""What `etholoop ttl check` asks of a board with Etholoop's firmware: how quick it is, and whether it keeps its limits.

The limits are asked past the host's own, so that the board alone answers. Whatever is connected to its outputs must be
switched off: a board that fails may pulse.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from online.errors import BoardError
from rig.clock import Clock
from rig.ttl import wire
from rig.ttl.etholoop_board import EtholoopBoard
from rig.ttl.heartbeat import Heartbeat
from rig.ttl.limits import limit_values
from rig.ttl.protocol import BoardEvent, BoardLimits
from rig.ttl.wire import Kind, Reason, State

LIMITS = BoardLimits(max_width_us=5_000, max_duty=0.2, window_us=1_000_000, min_interval_us=5_000, max_pulses=1_000)
PULSE_US = 1_000
PERIOD_NS = 15_000_000
LOW_AFTER_US = 60_000
PATIENCE_NS = 1_000_000_000
STEP_NS = 2_000_000
NUM_ARMINGS = 20
Progress = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was asked of the board: what it should have said, and what it said."""

    name: str
    expected: str
    found: str

    @property
    def ok(self) -> bool:
        """Whether it said so."""
        return self.expected == self.found


@dataclass(slots=True)
class LoopbackFinding:
    """Pulses on an output as an input saw them, in us of the board's clock: from the time that the board gave as the
    pulse's start to the rise that it saw, and how wide it saw them."""

    output: int
    input: int
    pulses: int = 0
    latencies_us: list[int] = field(default_factory=list)
    widths_us: list[int] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Every pulse was seen, once, as wide as it should be."""
        whole = len(self.latencies_us) == len(self.widths_us) == self.pulses
        return whole and all(abs(width - PULSE_US) < wire.SLOT_US for width in self.widths_us)


@dataclass(slots=True)
class Bench:
    """A board that is open, the host's clock, and what to call after each step.

    `disarmed`: how often the board had disarmed itself, because this machine was too busy to beat in time.
    """

    board: EtholoopBoard
    clock: Clock
    progress: Progress
    disarmed: int = 0

    def is_armed(self) -> bool:
        """Whether the board is armed now."""
        return bool(self.board.status()["state"] & State.ARMED)

    def arm_again(self) -> None:
        """After the board has disarmed itself."""
        self.disarmed += 1
        self.board.arm()

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Whether it became true in time."""
        deadline_ns = self.clock.now_ns() + PATIENCE_NS
        while not condition():
            if self.clock.now_ns() > deadline_ns:
                return False
            self.clock.sleep_until_ns(self.clock.now_ns() + STEP_NS)
        return True


@contextmanager
def beating(board: EtholoopBoard) -> Iterator[None]:
    """Heartbeats for as long as the block takes."""
    heartbeat = Heartbeat(board.beat, lambda: True)
    heartbeat.start()
    try:
        yield
    finally:
        heartbeat.stop()
    heartbeat.check()


def round_trips_ns(bench: Bench, count: int) -> list[int]:
    """Times from writing a heartbeat to its answer."""
    times = []
    for _ in range(count):
        times.append(bench.board.exchange(Kind.HEARTBEAT)[1])
        bench.progress()
    return times


def prepare(bench: Bench) -> None:
    """Set this check's limits, and wait until the quiet window after a reset is over."""
    bench.board.configure(LIMITS)
    while quiet_ms := bench.board.status()["quiet_ms"]:
        bench.clock.sleep_until_ns(bench.clock.now_ns() + quiet_ms * 1_000_000)


def check_limits(bench: Bench) -> list[Finding]:
    """Everything that the board must refuse, and that it disarms by itself."""
    findings = [_refusal(bench, *wanted) for wanted in _while_disarmed()]
    with beating(bench.board):
        bench.board.arm()
        findings += [_refusal_armed(bench, *wanted) for wanted in _while_armed()]
        if not bench.is_armed():
            bench.arm_again()
    findings.append(_silence(bench))
    findings.append(_refusal(bench, "a pulse after the heartbeat was lost", Reason.NOT_ARMED, Kind.PULSE, _train()))
    return findings


Wanted = tuple[str, Reason, Kind, tuple[int, ...]]


def _train(channel: int = 0, width_us: int = PULSE_US, period_us: int = 0, count: int = 1) -> tuple[int, ...]:
    return channel, 0, width_us // wire.SLOT_US, period_us // wire.SLOT_US, count


def _while_disarmed() -> list[Wanted]:
    values = limit_values(LIMITS, interlock=False)
    too_much = {
        "max_width_slots": wire.CEILING_WIDTH_US // wire.SLOT_US + 1,
        "max_duty": wire.CEILING_DUTY + 1,
        "window_ms": wire.CEILING_WINDOW_MS + 1,
        "max_pulses": wire.CEILING_PULSES + 1,
        "heartbeat_and_interlock": wire.CEILING_HEARTBEAT_MS + 1,
    }
    names = [name for name, _ in wire.LIMIT_FIELDS]
    wanted: list[Wanted] = [("a pulse while disarmed", Reason.NOT_ARMED, Kind.PULSE, _train())]
    for name, value in too_much.items():
        raised = tuple(value if n == name else v for n, v in zip(names, values, strict=True))
        wanted.append((f"limits with {name} = {value}", Reason.CEILING, Kind.SET_LIMITS, raised))
    return wanted


def _while_armed() -> list[Wanted]:
    width, gap = LIMITS.max_width_us, LIMITS.min_interval_us
    return [
        ("other limits while armed", Reason.NOT_DISARMED, Kind.SET_LIMITS, limit_values(LIMITS, interlock=False)),
        ("a pulse wider than the limit", Reason.WIDTH, Kind.PULSE, _train(width_us=width + wire.SLOT_US)),
        ("a pulse of no width", Reason.WIDTH, Kind.PULSE, _train(width_us=0)),
        ("a train with too short an interval", Reason.INTERVAL, Kind.PULSE, _train(period_us=PULSE_US + 100, count=2)),
        ("more pulses than the session may have", Reason.COUNT, Kind.PULSE, _train(0, 100, 100 + gap, 1_001)),
        ("more light than the duty allows", Reason.DUTY, Kind.PULSE, _train(0, width, width + gap, 41)),
        ("a pulse on an output that is none", Reason.CHANNEL, Kind.PULSE, _train(wire.SYNC_OUTPUT)),
        ("a train without pulses", Reason.COUNT, Kind.PULSE, _train(count=0)),
        ("a command that comes too late", Reason.EXPIRED, Kind.PULSE, _train()),
    ]


def _refusal(bench: Bench, name: str, reason: Reason, kind: Kind, values: tuple[int, ...]) -> Finding:
    expires_in_us = -1_000 if reason is Reason.EXPIRED else 100_000
    answer, _ = bench.board.exchange(kind, values, expires_in_us)
    bench.progress()
    return Finding(name, reason.name, Reason(answer.fields["reason"]).name)


def _refusal_armed(bench: Bench, name: str, reason: Reason, kind: Kind, values: tuple[int, ...]) -> Finding:
    """As `_refusal`, of a board that must be armed: one that this machine let disarm is armed and asked again."""
    for _ in range(NUM_ARMINGS):
        finding = _refusal(bench, name, reason, kind, values)
        if finding.ok or bench.is_armed():
            break
        bench.arm_again()
    return finding


def _silence(bench: Bench) -> Finding:
    """No heartbeat: the board must disarm by itself in time."""
    last, _ = bench.board.exchange(Kind.HEARTBEAT)
    name, wanted = "armed and no heartbeat for 60 ms", "disarmed in time"
    ended: list[int] = []

    def disarmed() -> bool:
        ended.extend(e.device_time_us for e in bench.board.events() if e.kind == "disarmed")
        return bool(ended)

    if not last.fields["state"] & State.ARMED:
        return Finding(name, wanted, "it was not armed any more")
    if not bench.wait_until(disarmed):
        return Finding(name, wanted, "still armed after a second")
    waited_us = ended[0] - last.fields["time_us"]
    return Finding(name, wanted, wanted if waited_us <= LOW_AFTER_US else f"disarmed after {waited_us / 1e3:.0f} ms")


def check_loopback(bench: Bench, output: int, number: int, pulses: int) -> LoopbackFinding:
    """Pulse an output and see it on an input, as often as asked (at most `LIMITS.max_pulses` for all outputs)."""
    found = LoopbackFinding(output, number)
    bench.board.events()
    with beating(bench.board):
        bench.board.arm()
        for _ in range(pulses):
            answer, _ = bench.board.exchange(Kind.PULSE, _train(output))
            reason = Reason(answer.fields["reason"])
            while reason is Reason.NOT_ARMED and bench.disarmed < NUM_ARMINGS:
                bench.arm_again()
                answer, _ = bench.board.exchange(Kind.PULSE, _train(output))
                reason = Reason(answer.fields["reason"])
            if reason is not Reason.NONE:
                raise BoardError(f"output {output}: the board refused a pulse that its limits allow: {reason.name}")
            found.pulses += 1
            _see(bench, found, answer.fields["time_us"])
            bench.progress()
            bench.clock.sleep_until_ns(bench.clock.now_ns() + PERIOD_NS)
        bench.board.disarm()
    return found


def _see(bench: Bench, found: LoopbackFinding, start_us: int) -> None:
    """Wait until the pulse that was just sent has ended, and take in what the input saw of it."""
    events: list[BoardEvent] = []

    def over() -> bool:
        events.extend(bench.board.events())
        return any(event.kind == "train_ended" for event in events)

    bench.wait_until(over)
    bench.board.status()  # what the board had to report comes before its answer
    events += bench.board.events()
    changes = [e for e in events if e.kind == "input_changed" and dict(e.values)["input"] == found.input]
    rises = [e.device_time_us for e in changes if dict(e.values)["level"]]
    falls = [e.device_time_us for e in changes if not dict(e.values)["level"]]
    found.latencies_us += [rise - start_us for rise in rises]
    found.widths_us += [fall - rise for rise, fall in zip(rises, falls, strict=False)]
