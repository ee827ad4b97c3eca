"""Driver of a lab's own sketch behind a USB serial port: one byte starts one pulse, which the sketch itself times.

The sketch answers nothing, so a command counts as executed when it was sent, and says that it is unconfirmed. Nothing
can cut a pulse under way. A sketch that waits for an *off* byte is refused: were the host to die between the two bytes,
the line would stay high.
"""

from online.errors import BoardLost
from rig.clock import Clock
from rig.ttl.limits import BoardShape
from rig.ttl.protocol import BoardInfo, PulseTrain
from rig.ttl.serial_driver import STOP_TIMEOUT_S, SerialDriver

UNACKNOWLEDGED = "sent, unconfirmed: this board acknowledges nothing"
LATENESS_NS = 20_000_000  # by which a sketch may begin its pulse after the byte was written
BOOT_S = 2.0  # an Arduino starts anew when its port is opened


class SerialCharacter(SerialDriver):
    """See `rig.ttl.protocol.PulseGenerator`; `character` starts a pulse of `width_us` on the only output."""

    def __init__(self, port_name: str, clock: Clock, baud: int, character: bytes, width_us: int) -> None:
        shape = BoardShape(num_channels=1, slot_us=1, min_width_us=100, max_count=1, has_watchdog=False)
        super().__init__(port_name, baud, clock, shape)
        self._character = character
        self._width_us = width_us
        self._low_again_ns = 0
        self.boot_s = BOOT_S

    def _greet(self) -> BoardInfo:
        self._closing.wait(self.boot_s)
        self._check_port()
        self._low_again_ns = self._clock.now_ns()
        return BoardInfo(
            driver="serial-character",
            identity=self._port_name,
            firmware="unknown: the sketch identifies itself by nothing",
            num_outputs=1,
            num_inputs=0,
            has_watchdog=False,
            acknowledges=False,
        )

    def refusal(self, train: PulseTrain) -> str:
        """See SerialDriver."""
        if train.width_us == self._width_us and train.delay_us == 0 and train.count == 1:
            return ""
        return f"the sketch's pulse is {self._width_us / 1000:g} ms at once, and {train} was asked for"

    def _send_train(self, train: PulseTrain, expires_in_us: int) -> int:
        port = self._check_port()
        with self._send_lock:
            self._sequence += 1
            now_ns = self._clock.now_ns()
            self._ledger.written(self._sequence, now_ns)
            self._send_bytes(port, self._character)
            self._low_again_ns = now_ns + self._width_us * 1000 + LATENESS_NS
        self._ledger.taken_as_executed(self._sequence, UNACKNOWLEDGED, self._clock.now_ns())
        return self._sequence

    def _confirm_stop(self) -> int:
        self._check_port()
        left_s = (self._low_again_ns - self._clock.now_ns()) / 1e9
        if left_s > STOP_TIMEOUT_S:
            raise BoardLost(
                f"a pulse is under way on {self._port_name}; it ends in {left_s * 1000:.0f} ms and cannot be cut"
            )
        if left_s > 0:
            self._closing.wait(left_s)
        return max(self._clock.now_ns(), self._low_again_ns)

    def _take(self, data: bytes, received_ns: int) -> None:
        """Whatever the sketch prints is of no use here."""
