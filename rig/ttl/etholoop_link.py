"""The exchange of frames with an Etholoop board: numbered commands, their answers, its events, and its clock."""

import secrets

from online.clock_fit import ClockFit, add_exchange, new_clock_fit, to_host_ns, to_ticks
from online.errors import BoardLost
from rig.clock import Clock
from rig.ttl import wire
from rig.ttl.limits import ETHOLOOP
from rig.ttl.protocol import BoardEvent
from rig.ttl.serial_driver import SerialDriver
from rig.ttl.wire import Kind, Outcome, Reason, State, WireFrame

ANSWER_TIMEOUT_S = 0.1
NUM_ATTEMPTS = 5
CONTROL_EXPIRY_US = 100_000
MAX_UNANSWERED = 1000
NUM_HEARD = 64


class EtholoopLink(SerialDriver):
    """Sends commands with an expiry in the board's own time, and takes in what it answers and reports.

    A `nonce` used before goes on with that session's count.
    """

    def __init__(self, port_name: str, clock: Clock, nonce: int | None) -> None:
        super().__init__(port_name, wire.BAUD, clock, ETHOLOOP)
        self._nonce = nonce or secrets.randbelow(0xFFFFFFFF) + 1
        self._written_ns: dict[int, int | None] = {}
        self._awaited: set[int] = set()
        self._answers: dict[int, tuple[WireFrame, int]] = {}
        self._parser = wire.new_parser(wire.MAX_REPLY_PAYLOAD)
        self._heard = bytearray()
        self._strobed: dict[int, int] = {}
        self._shows_sync = False
        self._quiet = False
        self._arm_sequence = 0
        self._unexplained = False
        self.clock_fit: ClockFit = new_clock_fit(1000.0)

    @property
    def armed(self) -> bool:
        """See PulseGenerator; while the board is quiet after a reset it refuses every pulse, armed or not."""
        return self._armed and not self._quiet

    def exchange(
        self, kind: Kind, values: tuple[int, ...] = (), expires_in_us: int = CONTROL_EXPIRY_US
    ) -> tuple[WireFrame, int]:
        """Send a command as it is, past the host's limits; returns the answer, and how long it took in ns."""
        written_ns = self._clock.now_ns()
        answered = self._transact(kind, values, ANSWER_TIMEOUT_S, NUM_ATTEMPTS, expires_in_us)
        if answered is None:
            raise self._lost or BoardLost(f"the board on {self._port_name} does not answer {kind.name}")
        return answered[0], answered[1] - written_ns

    def _ask(self, kind: Kind, values: tuple[int, ...] = ()) -> WireFrame:
        return self.exchange(kind, values)[0]

    def _transact(
        self,
        kind: Kind,
        values: tuple[int, ...],
        timeout_s: float,
        attempts: int,
        expires_in_us: int = CONTROL_EXPIRY_US,
    ) -> tuple[WireFrame, int] | None:
        """Send until answered, each time with the same sequence, so that nothing happens twice.

        Returns the answer and when it came, None when there was none.
        """
        sequence = self._send(kind, values, expires_in_us, awaited=True)
        for attempt in range(attempts):
            if attempt and self._lost is None:
                self._send(kind, values, expires_in_us, sequence=sequence, awaited=True)
            if self._wait_for(lambda: sequence in self._answers, timeout_s) or self._lost is not None:
                break
        with self._changed:
            self._awaited.discard(sequence)
            return self._answers.pop(sequence, None)

    def _send(
        self,
        kind: Kind,
        values: tuple[int, ...],
        expires_in_us: int,
        sequence: int | None = None,
        awaited: bool = False,
    ) -> int:
        port = self._check_port()
        with self._send_lock:
            now_ns = self._clock.now_ns()
            repeated = sequence is not None
            if sequence is None:
                self._sequence += 1
                sequence = self._sequence
            with self._changed:
                expires_us = to_ticks(self.clock_fit, now_ns) + min(expires_in_us, wire.MAX_EXPIRY_US)
                self._written_ns[sequence] = None if repeated else now_ns
                self._written_ns.pop(sequence - MAX_UNANSWERED, None)
                if awaited:
                    self._awaited.add(sequence)
            if kind in wire.EXPIRING:
                values = (expires_us & 0xFFFFFFFF, *values)
            if kind is Kind.PULSE:
                self._ledger.written(sequence, now_ns)
            self._send_bytes(port, wire.encode(WireFrame(kind, sequence, self._nonce, values)))
        return sequence

    def _take(self, data: bytes, received_ns: int) -> None:
        if len(self._heard) < NUM_HEARD:
            self._heard += data
        for frame in self._parser.feed(data):
            if frame.malformed or frame.nonce != self._nonce:
                continue
            if frame.kind >= Kind.INPUT_CHANGED:
                self._take_event(frame)
            else:
                self._take_answer(frame, received_ns)

    def _take_answer(self, frame: WireFrame, received_ns: int) -> None:
        fields = frame.fields
        is_pulse = fields.get("command") == Kind.PULSE
        with self._changed:
            self._fit_clock(frame, self._written_ns.pop(frame.sequence, None), received_ns)
            executed_ns = to_host_ns(self.clock_fit, fields["time_us"])
            self._note_state(frame)
            awaited = frame.sequence in self._awaited
            if awaited:
                self._answers[frame.sequence] = (frame, received_ns)
                self._changed.notify_all()
        if frame.kind != Kind.ACKNOWLEDGEMENT:
            return
        reason = "" if fields["outcome"] == Outcome.EXECUTED else Reason(fields["reason"]).name.lower()
        if frame.sequence in self._strobed:
            self._take_strobe(frame, executed_ns)
        elif is_pulse:
            times = (fields["time_us"], None if reason else executed_ns, received_ns)
            self._ledger.answered(frame.sequence, reason, *times)
        elif fields["reason"] == Reason.WRONG_SESSION and not awaited:
            self._fail(BoardLost(f"the board on {self._port_name} was reset or taken over; its lines are low"))

    def _take_strobe(self, frame: WireFrame, executed_ns: int) -> None:
        fields = frame.fields
        values = (("frame_index", self._strobed.pop(frame.sequence)), ("reason", fields["reason"]))
        with self._changed:
            self._report(BoardEvent("strobe", fields["time_us"], executed_ns, values))

    def _note_state(self, frame: WireFrame) -> None:
        """What an answer says of the board now; only what was asked after ARM tells whether it still is armed."""
        fields = frame.fields
        state = fields.get("state", State.DUPLICATE)
        if state & State.DUPLICATE or fields.get("reason") == Reason.WRONG_SESSION:
            return
        self._shows_sync = bool(state & State.SYNC)
        self._quiet = bool(state & State.QUIET)
        if self._armed and frame.sequence > self._arm_sequence and not state & State.ARMED:
            self._armed, self._unexplained = False, True
            self._ledger.alert("the board is no longer armed, by its own answers: arm it again, or look what is wrong")

    def _fit_clock(self, frame: WireFrame, written_ns: int | None, received_ns: int) -> None:
        """Only what took effect as it arrived, once, tells the time."""
        fields = frame.fields
        at_once = fields.get("command") not in (Kind.PULSE, Kind.STROBE)
        if written_ns is None or not at_once or fields.get("state", 0) & State.DUPLICATE:
            return
        middle_ns = (written_ns + received_ns) // 2
        jump_ns = add_exchange(self.clock_fit, fields["time_us"], middle_ns, (received_ns - written_ns) / 2)
        if jump_ns:
            self._ledger.alert(f"the board's clock and the host's jumped apart by {jump_ns / 1e6:.1f} ms")

    def _take_event(self, frame: WireFrame) -> None:
        fields = frame.fields
        with self._changed:
            host_ns = to_host_ns(self.clock_fit, fields["time_us"])
            event = BoardEvent(Kind(frame.kind).name.lower(), fields["time_us"], host_ns, tuple(fields.items()))
            self._report(event)
        if frame.kind == Kind.DISARMED and (self._armed or self._unexplained):
            self._armed = self._unexplained = False
            self._ledger.alert(f"the board disarmed itself: {Reason(fields['reason']).name.lower()}")
