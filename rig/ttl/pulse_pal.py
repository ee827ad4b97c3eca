"""Driver of Pulse Pal 2 (Sanworks): trains programmed into the device, then triggered.

Every message begins with 213. 74 sets one parameter of a channel and is answered by 1; 77 triggers and is not
answered, so a greeting (72, answered by 75 and the firmware's number) goes after it: its answer says that the trigger
before it was taken. 80 ends all trains. Times are in units of 50 us. There is no device time, expiry or watchdog.
"""

import struct
from collections import deque
from dataclasses import dataclass

from online.errors import BoardLost, BoardNotFound
from rig.clock import Clock
from rig.ttl.limits import BoardShape
from rig.ttl.protocol import BoardInfo, PulseTrain
from rig.ttl.serial_driver import STOP_TIMEOUT_S, SerialDriver

BAUD = 115_200
MENU, GREET, SET, TRIGGER, ABORT, LOOP = 213, 72, 74, 77, 80, 82
GREETING, TAKEN = 75, 1
LOWER = bytes([MENU, ABORT, MENU, GREET])
FIRMWARES = range(20, 1000)  # as a Pulse Pal 2 tells them in its greeting
TICK_US = 50
PULSE_PAL = BoardShape(num_channels=4, slot_us=TICK_US, min_width_us=100, max_count=0xFFFF, has_watchdog=False)
ANSWER_TIMEOUT_S = 0.5
HIGH_V, LOW_V = 5.0, 0.0
BIPHASIC, PHASE1_VOLTS, WIDTH, INTERVAL, BURST, TRAIN, DELAY = 1, 2, 4, 7, 8, 10, 11
LINK_1, LINK_2, CUSTOM, RESTING_VOLTS = 12, 13, 14, 17


def volts(value: float) -> bytes:
    """A voltage as the device counts it: 16 bits over -10 ... 10 V."""
    return struct.pack("<H", round((value + 10.0) / 20.0 * 0xFFFF))


def ticks(duration_us: int) -> bytes:
    """A duration as the device counts it."""
    return struct.pack("<I", duration_us // TICK_US)


def set_parameter(code: int, channel: int, value: bytes) -> bytes:
    """The message that sets one parameter; channels count from 0 here, from 1 in the device."""
    return bytes([MENU, SET, code, channel + 1]) + value


@dataclass(frozen=True, slots=True)
class _Expected:
    """The next answer: a greeting (with a command's sequence, or none) or the acknowledgement of a parameter."""

    is_greeting: bool
    sequence: int | None = None


class PulsePal(SerialDriver):
    """See `rig.ttl.protocol.PulseGenerator`; outputs rest at 0 V and pulse at 5 V."""

    def __init__(self, port_name: str, clock: Clock) -> None:
        super().__init__(port_name, BAUD, clock, PULSE_PAL)
        self._buffer = bytearray()
        self._expected: deque[_Expected] = deque()
        self._programmed: dict[tuple[int, int], bytes] = {}
        self._num_greetings = 0
        self._greeting = (0, 0)

    def _greet(self) -> BoardInfo:
        self._buffer = bytearray()
        self._expected.clear()
        self._programmed.clear()
        firmware = self._ask_greeting(b"", ANSWER_TIMEOUT_S)
        if firmware is None:
            raise BoardNotFound(
                f"what is on {self._port_name} does not answer as a Pulse Pal: another device, or the wrong port"
            )
        if firmware[0] < FIRMWARES.start:
            raise BoardNotFound(f"the Pulse Pal on {self._port_name} is of the first model; only Pulse Pal 2 is driven")
        safe = bytes([MENU, ABORT])
        for channel in range(PULSE_PAL.num_channels):
            safe += bytes([MENU, LOOP, channel + 1, 0])
        self._write(safe, [])
        parameters = {BIPHASIC: b"\0", CUSTOM: b"\0", LINK_1: b"\0", LINK_2: b"\0", BURST: ticks(0)}
        parameters |= {PHASE1_VOLTS: volts(HIGH_V), RESTING_VOLTS: volts(LOW_V)}
        for channel in range(PULSE_PAL.num_channels):
            self._program(channel, parameters)
        if self._ask_greeting(b"", ANSWER_TIMEOUT_S) is None:
            raise BoardLost(f"the Pulse Pal on {self._port_name} does not take its parameters")
        return BoardInfo(
            driver="pulse-pal",
            identity=self._port_name,
            firmware=str(firmware[0]),
            num_outputs=PULSE_PAL.num_channels,
            num_inputs=2,
            has_watchdog=False,
            acknowledges=True,
        )

    def _program(self, channel: int, parameters: dict[int, bytes]) -> None:
        """Set what differs from what the device already has."""
        fresh = {code: v for code, v in parameters.items() if self._programmed.get((channel, code)) != v}
        message = b"".join(set_parameter(code, channel, value) for code, value in fresh.items())
        if message:
            self._write(message, [_Expected(is_greeting=False)] * len(fresh))
            self._programmed |= {(channel, code): value for code, value in fresh.items()}

    def _write(self, message: bytes, expected: list[_Expected]) -> None:
        port = self._check_port()
        with self._send_lock:
            with self._changed:
                self._expected += expected
            self._send_bytes(port, message)

    def _ask_greeting(self, before: bytes, timeout_s: float) -> tuple[int, int] | None:
        """Write `before` and a greeting; the firmware's number and when it came, None when it did not."""
        with self._changed:
            seen = self._num_greetings
        self._write(before + bytes([MENU, GREET]), [_Expected(is_greeting=True)])
        if self._wait_for(lambda: self._num_greetings > seen, timeout_s):
            return self._greeting
        if self._lost is not None:
            raise self._lost
        return None

    def _send_train(self, train: PulseTrain, expires_in_us: int) -> int:
        gap_us = train.period_us - train.width_us if train.count > 1 else TICK_US
        total_us = (train.count - 1) * train.period_us + train.width_us
        self._program(
            train.channel,
            {
                WIDTH: ticks(train.width_us),
                INTERVAL: ticks(gap_us),
                TRAIN: ticks(total_us),
                DELAY: ticks(train.delay_us),
            },
        )
        self._sequence += 1
        self._ledger.written(self._sequence, self._clock.now_ns())
        trigger = bytes([MENU, TRIGGER, 1 << train.channel, MENU, GREET])
        self._write(trigger, [_Expected(is_greeting=True, sequence=self._sequence)])
        return self._sequence

    def _confirm_stop(self) -> int:
        answered = self._ask_greeting(bytes([MENU, ABORT]), STOP_TIMEOUT_S)
        if answered is None:
            raise BoardLost(f"no confirmation of the stop in 50 ms on {self._port_name}")
        return answered[1]

    def _take(self, data: bytes, received_ns: int) -> None:
        self._buffer += data
        while self._buffer:
            with self._changed:
                expected = self._expected[0] if self._expected else None
            if expected is None:
                self._buffer.clear()
                return
            if expected.is_greeting and self._buffer[0] == GREETING and len(self._buffer) < 5:
                return
            self._take_expected(expected, received_ns)

    def _take_expected(self, expected: _Expected, received_ns: int) -> None:
        first = self._buffer[0]
        if first != (GREETING if expected.is_greeting else TAKEN):
            if first == 0 and not expected.is_greeting:
                self._fail(BoardLost(f"the Pulse Pal on {self._port_name} rejected a parameter"))
            del self._buffer[0]
            return
        with self._changed:
            self._expected.popleft()
            if expected.is_greeting:
                self._greeting = (int.from_bytes(self._buffer[1:5], "little"), received_ns)
                self._num_greetings += 1
            self._changed.notify_all()
        del self._buffer[: 5 if expected.is_greeting else 1]
        if expected.sequence is not None:
            self._ledger.answered(expected.sequence, "", None, None, received_ns)
