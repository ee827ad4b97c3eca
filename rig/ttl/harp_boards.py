"""Drivers of two Harp boards: Behavior, which times single pulses in milliseconds, and cuTTLefish, which times trains.

Registers from harp-tech/device.behavior and AllenNeuralDynamics/harp.device.cuttlefish (device.yml). A reply carries
the board's time at which the write took effect. Neither board has a watchdog, an expiry, or limits of its own.
"""

import struct
from collections import deque

from online.clock_fit import ClockFit, add_exchange, new_clock_fit, to_host_ns
from online.errors import BoardLost, BoardNotFound, BoardRefused
from rig.clock import Clock
from rig.ttl import harp_wire
from rig.ttl.harp_wire import ACTIVE_MODE, OPERATION_CONTROL, U8, U16, WHO_AM_I, WRITE, HarpMessage
from rig.ttl.limits import BoardShape
from rig.ttl.protocol import BoardInfo, PulseTrain
from rig.ttl.serial_driver import STOP_TIMEOUT_S, SerialDriver

BAUD = 1_000_000
ANSWER_TIMEOUT_S = 0.5
NUM_CLOCK_EXCHANGES = 16
FIRMWARE_MAJOR, FIRMWARE_MINOR = 6, 7  # common registers
SETTING = -1  # in place of a sequence: a write that nobody waits for, and that must not be refused

BEHAVIOR_ID, CUTTLEFISH_ID = 1216, 1403
BEHAVIOR = BoardShape(num_channels=14, slot_us=1000, min_width_us=1000, max_count=1, has_watchdog=False)
CUTTLEFISH = BoardShape(num_channels=8, slot_us=1, min_width_us=100, max_count=0xFFFF, has_watchdog=False)


class HarpBoard(SerialDriver):
    """What the boards have in common: requests answered in order, and a clock that replies tell."""

    identity_number: int
    name: str

    def __init__(self, port_name: str, clock: Clock, shape: BoardShape) -> None:
        super().__init__(port_name, BAUD, clock, shape)
        self._buffer = bytearray()
        self._pending: dict[int, deque[tuple[int, int | None]]] = {}
        self._replies: dict[int, tuple[HarpMessage, int]] = {}
        self.clock_fit: ClockFit = new_clock_fit(1000.0)

    def _prepare(self) -> None:
        """Bring the board, just identified, into a safe state."""
        raise NotImplementedError

    def _greet(self) -> BoardInfo:
        self._buffer = bytearray()
        self._pending.clear()
        reply = self._request(WHO_AM_I, harp_wire.read(WHO_AM_I, U16), optional=True)
        if reply is None or reply.value != self.identity_number:
            found = "it does not answer as a Harp board" if reply is None else f"it is Harp device {reply.value}"
            raise BoardNotFound(
                f"what is on {self._port_name} is no Harp {self.name} (device {self.identity_number}): {found}; "
                "choose another port or another driver"
            )
        major = self._request(FIRMWARE_MAJOR, harp_wire.read(FIRMWARE_MAJOR, U8))
        minor = self._request(FIRMWARE_MINOR, harp_wire.read(FIRMWARE_MINOR, U8))
        self._request(OPERATION_CONTROL, harp_wire.write(OPERATION_CONTROL, U8, ACTIVE_MODE))
        for _ in range(NUM_CLOCK_EXCHANGES):
            self._request(WHO_AM_I, harp_wire.read(WHO_AM_I, U16))
        self._prepare()
        return BoardInfo(
            driver=f"harp-{self.name.lower()}",
            identity=self._port_name,
            firmware=f"{major.value}.{minor.value}" if major and minor else "",
            num_outputs=self._shape.num_channels,
            num_inputs=0,
            has_watchdog=False,
            acknowledges=True,
        )

    def _request(
        self, address: int, message: bytes, optional: bool = False, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> HarpMessage | None:
        """Send and wait for the reply; None when `optional` and none came."""
        with self._changed:
            self._replies.pop(address, None)
        self._write(address, message, None)
        if not self._wait_for(lambda: address in self._replies, timeout_s):
            if optional and self._lost is None:
                return None
            raise self._lost or BoardLost(f"the Harp {self.name} on {self._port_name} does not answer")
        reply = self._replies[address][0]
        if reply.is_error:
            raise BoardRefused(f"the Harp {self.name} refused a write to register {address}")
        return reply

    def _write(self, address: int, message: bytes, sequence: int | None) -> None:
        port = self._check_port()
        with self._send_lock:
            now_ns = self._clock.now_ns()
            with self._changed:
                self._pending.setdefault(address, deque()).append((now_ns, sequence))
            if sequence is not None and sequence != SETTING:
                self._ledger.written(sequence, now_ns)
            self._send_bytes(port, message)

    def _next_sequence(self) -> int:
        with self._send_lock:
            self._sequence += 1
            return self._sequence

    def _take(self, data: bytes, received_ns: int) -> None:
        self._buffer += data
        while (message := harp_wire.parse(self._buffer)) is not None:
            if message.kind & ~harp_wire.ERROR != harp_wire.EVENT:
                self._take_reply(message, received_ns)

    def _take_reply(self, message: HarpMessage, received_ns: int) -> None:
        with self._changed:
            pending = self._pending.get(message.address)
            written_ns, sequence = pending.popleft() if pending else (None, None)
            self._replies[message.address] = (message, received_ns)
            executed_ns = None
            if message.time_us is not None and written_ns is not None:
                middle_ns = (written_ns + received_ns) // 2
                jump_ns = add_exchange(self.clock_fit, message.time_us, middle_ns, (received_ns - written_ns) / 2)
                if jump_ns:
                    self._ledger.alert(f"the board's clock and the host's jumped apart by {jump_ns / 1e6:.1f} ms")
                executed_ns = to_host_ns(self.clock_fit, message.time_us)
            self._changed.notify_all()
        if sequence == SETTING:
            if message.is_error:
                what = f"refused a pulse's settings (register {message.address}): the pulse may have had those before"
                self._fail(BoardLost(f"the Harp {self.name} on {self._port_name} {what}"))
        elif sequence is not None:
            reason = "the board refused the write" if message.is_error else ""
            self._ledger.answered(sequence, reason, message.time_us, executed_ns, received_ns)

    def _lower(self, address: int, messages: bytes) -> int:
        """Write `messages`, of which the last is to `address`; when its reply came."""
        with self._changed:
            self._replies.pop(address, None)
        self._write(address, messages, None)
        if not self._wait_for(lambda: address in self._replies, STOP_TIMEOUT_S):
            raise self._lost or BoardLost(f"no confirmation of the stop in 50 ms on {self._port_name}")
        return self._replies[address][1]


class HarpBehavior(HarpBoard):
    """Harp Behavior: every output falls by itself after its pulse time, which is set before the output rises."""

    identity_number = BEHAVIOR_ID
    name = "Behavior"
    _SET, CLEAR, _PULSE_ENABLE, _FIRST_DURATION = 34, 35, 45, 46
    LOWER = harp_wire.write(CLEAR, U16, (1 << BEHAVIOR.num_channels) - 1)

    def __init__(self, port_name: str, clock: Clock) -> None:
        super().__init__(port_name, clock, BEHAVIOR)
        self._durations_ms: dict[int, int] = {}

    def _prepare(self) -> None:
        """Low, and every output with a pulse time: none can be left high."""
        every = (1 << BEHAVIOR.num_channels) - 1
        self._request(self.CLEAR, self.LOWER)
        for channel in range(BEHAVIOR.num_channels):
            self._request(self._FIRST_DURATION + channel, harp_wire.write(self._FIRST_DURATION + channel, U16, 1))
            self._durations_ms[channel] = 1
        self._request(self._PULSE_ENABLE, harp_wire.write(self._PULSE_ENABLE, U16, every))

    def refusal(self, train: PulseTrain) -> str:
        """See SerialDriver."""
        if train.delay_us or train.count > 1:
            return "a Harp Behavior board times single pulses without delay; use an Etholoop board or a cuTTLefish"
        return ""

    def _send_train(self, train: PulseTrain, expires_in_us: int) -> int:
        duration_ms = train.width_us // 1000
        if self._durations_ms[train.channel] != duration_ms:
            address = self._FIRST_DURATION + train.channel
            self._write(address, harp_wire.write(address, U16, duration_ms), SETTING)
            self._durations_ms[train.channel] = duration_ms
        sequence = self._next_sequence()
        self._write(self._SET, harp_wire.write(self._SET, U16, 1 << train.channel), sequence)
        return sequence

    def _confirm_stop(self) -> int:
        return self._lower(self.CLEAR, self.LOWER)


class HarpCuttlefish(HarpBoard):
    """Harp cuTTLefish: one train at a time on one output, because its schedule starts every output ever set."""

    identity_number = CUTTLEFISH_ID
    name = "cuTTLefish"
    _DIRECTION, CLEAR, _RUN, _FIRST_SETTINGS = 32, 35, 40, 41
    LOWER = harp_wire.write(_RUN, U8, 0) + harp_wire.write(CLEAR, U8, 0xFF)
    _SETTINGS = struct.Struct("<IIIIB")

    def __init__(self, port_name: str, clock: Clock) -> None:
        super().__init__(port_name, clock, CUTTLEFISH)
        self._channel: int | None = None

    def _prepare(self) -> None:
        self._channel = None
        self._request(self._RUN, harp_wire.write(self._RUN, U8, 0))
        for channel in range(CUTTLEFISH.num_channels):
            settings = self._request(self._FIRST_SETTINGS + channel, harp_wire.read(self._FIRST_SETTINGS + channel, U8))
            if settings is not None and any(settings.payload):
                raise BoardRefused(
                    f"the cuTTLefish on {self._port_name} still holds a schedule for output {channel}, which would "
                    "start with ours: unplug it for a moment"
                )
        self._request(self._DIRECTION, harp_wire.write(self._DIRECTION, U8, 0xFF))
        self._request(self.CLEAR, harp_wire.write(self.CLEAR, U8, 0xFF))

    def refusal(self, train: PulseTrain) -> str:
        """See SerialDriver."""
        if self._channel in (None, train.channel):
            return ""
        return (
            f"this cuTTLefish serves output {self._channel} in this session, for its schedule starts every output "
            "that was ever set: one output for each board"
        )

    def serve(self, train: PulseTrain) -> None:
        """See SerialDriver."""
        self._channel = train.channel

    def _send_train(self, train: PulseTrain, expires_in_us: int) -> int:
        self.serve(train)
        off_us = train.period_us - train.width_us if train.count > 1 else train.width_us
        settings = self._SETTINGS.pack(train.delay_us, train.width_us, off_us, train.count, 0)
        address = self._FIRST_SETTINGS + train.channel
        self._write(address, harp_wire.encode(HarpMessage(WRITE, address, U8, settings)), SETTING)
        sequence = self._next_sequence()
        self._write(self._RUN, harp_wire.write(self._RUN, U8, 1), sequence)
        return sequence

    def _confirm_stop(self) -> int:
        with self._changed:
            self._pending.setdefault(self._RUN, deque()).append((self._clock.now_ns(), None))
        return self._lower(self.CLEAR, self.LOWER)
