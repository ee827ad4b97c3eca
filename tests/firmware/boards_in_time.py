"""Boards in simulated time, emulator and real firmware alike, and a host that talks to them there."""

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from rig.ttl import emulator, wire
from rig.ttl.emulated_lines import new_board, reset, set_input
from rig.ttl.limits import limit_values
from rig.ttl.protocol import BoardLimits
from rig.ttl.wire import Kind, Outcome, Reason, WireFrame
from tests.firmware.simulated_firmware import SentByte

BYTE_US = 20.0
TURN_US = 3_000.0  # more than the longest answer takes
NUM_TURNS = 3  # behind a full send buffer (256 bytes, 5.1 ms) of events an answer comes later
BEAT_US = 10_000.0
LIMITS = BoardLimits(max_width_us=20_000, max_duty=0.2, window_us=1_000_000, min_interval_us=5_000, max_pulses=40)


class BoardInTime(Protocol):
    """A board whose time passes when it is told to; times are microseconds since it was switched on."""

    @property
    def now_us(self) -> float:
        """Simulated time."""

    def feed(self, data: bytes, time_us: float | None = None) -> None:
        """Put bytes on the wire to the board from `time_us` (now) on, each when the one before has passed."""

    def run_until(self, time_us: float) -> None:
        """Let time pass."""

    def set_input(self, index: int, level: int) -> None:
        """What the outside world does to an input."""

    def reset(self) -> None:
        """Reset it."""

    def take_edges(self) -> list[tuple[float, int, int]]:
        """Edges since the last call: time in us, output, level."""

    def take_sent(self) -> list[SentByte]:
        """Bytes sent since the last call."""


class EmulatorInTime:
    """The Python emulator as a board in simulated time."""

    def __init__(self) -> None:
        self._board = new_board()
        self._inbox: deque[tuple[float, int]] = deque()
        self._free_us = 0.0
        self._sent: list[SentByte] = []
        self.now_us = 0.0

    def feed(self, data: bytes, time_us: float | None = None) -> None:
        """See BoardInTime."""
        start_us = max(self._free_us, self.now_us if time_us is None else time_us)
        for n, byte in enumerate(data):
            self._inbox.append((start_us + (n + 1) * BYTE_US, byte))
        self._free_us = start_us + len(data) * BYTE_US

    def run_until(self, time_us: float) -> None:
        """See BoardInTime."""
        while self._inbox and self._inbox[0][0] <= time_us:
            when_us, byte = self._inbox.popleft()
            self._step(when_us, bytes([byte]))
        self._step(time_us, b"")

    def _step(self, time_us: float, data: bytes) -> None:
        self.now_us = max(self.now_us, time_us)
        for n, byte in enumerate(emulator.step(self._board, int(time_us), data)):
            self._sent.append(SentByte(time_us + (n + 1) * BYTE_US, byte))

    def set_input(self, index: int, level: int) -> None:
        """See BoardInTime."""
        set_input(self._board, index, level)

    def reset(self) -> None:
        """See BoardInTime."""
        self._board = reset(self._board)

    def take_edges(self) -> list[tuple[float, int, int]]:
        """See BoardInTime."""
        edges, self._board.edges = self._board.edges, []
        return [(float(edge.time_us), edge.output, edge.level) for edge in edges]

    def take_sent(self) -> list[SentByte]:
        """See BoardInTime."""
        sent, self._sent = self._sent, []
        return sent


@dataclass(slots=True)
class HostInTime:
    """A host in simulated time: it numbers commands, reads answers, and knows the device's clock."""

    board: BoardInTime
    nonce: int = 77
    sequence: int = 0
    offset_us: float = 0.0
    parser: wire.Parser = field(default_factory=lambda: wire.new_parser(wire.MAX_REPLY_PAYLOAD))
    answers: dict[int, WireFrame] = field(default_factory=dict)
    events: list[WireFrame] = field(default_factory=list)
    edges: list[tuple[float, int, int]] = field(default_factory=list)

    def bytes_of(self, kind: Kind, *values: int, expires_in_us: float = 20_000, sequence: int | None = None) -> bytes:
        """A command as bytes, numbered if `sequence` does not say how."""
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        if kind in wire.EXPIRING:
            values = (round(self.board.now_us + self.offset_us + expires_in_us) & 0xFFFFFFFF, *values)
        return wire.encode(WireFrame(kind, sequence, self.nonce, values))

    def send(self, kind: Kind, *values: int, expires_in_us: float = 20_000, sequence: int | None = None) -> int:
        """Put a command on the wire; returns its sequence."""
        self.board.feed(self.bytes_of(kind, *values, expires_in_us=expires_in_us, sequence=sequence))
        return self.sequence if sequence is None else sequence

    def run(self, duration_us: float) -> None:
        """Let time pass, and read what comes."""
        self.board.run_until(self.board.now_us + duration_us)
        self.edges += self.board.take_edges()
        for frame in self.parser.feed(bytes(sent.byte for sent in self.board.take_sent())):
            if frame.kind >= Kind.INPUT_CHANGED:
                self.events.append(frame)
            else:
                self.answers[frame.sequence] = frame

    def ask(self, kind: Kind, *values: int, expires_in_us: float = 20_000, sequence: int | None = None) -> WireFrame:
        """Send a command and wait for its answer."""
        number = self.send(kind, *values, expires_in_us=expires_in_us, sequence=sequence)
        self.answers.pop(number, None)
        for _ in range(NUM_TURNS):
            if number not in self.answers:
                self.run(TURN_US)
        assert number in self.answers, f"no answer to {kind.name}"
        return self.answers[number]

    def reason(self, kind: Kind, *values: int, expires_in_us: float = 20_000, sequence: int | None = None) -> Reason:
        """Send a command; why it was refused, `Reason.NONE` when it was executed."""
        fields = self.ask(kind, *values, expires_in_us=expires_in_us, sequence=sequence).fields
        reason = Reason(fields["reason"])
        assert (fields["outcome"] == Outcome.EXECUTED) == (reason is Reason.NONE)
        return reason

    def find_clock(self) -> None:
        """Learn the device's clock from an answer."""
        start_us = self.board.now_us
        answer = self.ask(Kind.STATUS)
        sent_us = len(wire.encode(WireFrame(Kind.STATUS, 0, 0))) * BYTE_US
        self.offset_us = answer.fields["time_us"] - start_us - sent_us

    def begin(self, limits: BoardLimits = LIMITS, interlock: bool = False) -> None:
        """Open a session, set limits, and wait until the quiet after a reset is over."""
        self.find_clock()
        assert self.reason(Kind.OPEN_SESSION) is Reason.NONE
        assert self.reason(Kind.SET_LIMITS, *limit_values(limits, interlock)) is Reason.NONE
        self.run(limits.window_us)

    def arm(self) -> None:
        """Arm, as soon as the board has stored what it must."""
        for _ in range(20):
            reason = self.reason(Kind.ARM)
            if reason is not Reason.STORING:
                break
            self.run(20_000)
        assert reason is Reason.NONE

    def beat_for(self, duration_us: float) -> None:
        """Let time pass with heartbeats."""
        end_us = self.board.now_us + duration_us
        while end_us - self.board.now_us > 1.0:
            self.send(Kind.HEARTBEAT)
            self.run(min(BEAT_US, end_us - self.board.now_us))

    def pulse(self, width: int = 10, channel: int = 0, delay: int = 0, period: int = 0, count: int = 1) -> Reason:
        """Ask for a train; widths, delays and periods in slots."""
        return self.reason(Kind.PULSE, channel, delay, width, period, count)

    def pulses_of(self, output: int) -> list[tuple[float, float]]:
        """Rise and width of each pulse that has ended on an output."""
        times = [time_us for time_us, where, _ in self.edges if where == output]
        return [(rise, fall - rise) for rise, fall in zip(times[::2], times[1::2], strict=False)]

    def is_low(self) -> bool:
        """True when every line is low."""
        return not sum(1 if level else -1 for _, _, level in self.edges)
