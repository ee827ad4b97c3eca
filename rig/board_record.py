"""What a board reports by itself, on its way into the record, and the sync output that other recordings see."""

from collections.abc import Mapping
from hashlib import sha256

from online.messages import DeviceEvent
from rig.bus import Publisher
from rig.clock import Clock
from rig.loopback import JUDGED_AFTER_NS, LoopbackWatch
from rig.ttl.protocol import BoardEvent, PulseGenerator
from rig.ttl.wire import Reason

CLOCK_NS = 1_000_000_000
LINE_AND_VALUE = {
    "input_changed": ("input", "level"),
    "train_ended": ("channel", "pulses"),
    "barcode": ("", "barcode"),
    "strobe": ("", "frame_index"),
    "disarmed": ("", ""),
}


def device_event(event: BoardEvent) -> DeviceEvent:
    """A board's report as a message."""
    values = dict(event.values)
    line, value = LINE_AND_VALUE[event.kind]
    reason = Reason(values.get("reason", Reason.NONE))
    return DeviceEvent(
        kind=event.kind,
        device_time_us=event.device_time_us,
        host_time_ns=event.host_time_ns,
        line=values.get(line),
        value=values.get(value),
        command_sequence=values.get("command_sequence"),
        reason="" if reason is Reason.NONE else reason.name.lower(),
    )


class BoardRecord:
    """Publishes the board's events as they come, and once a second how its clock runs.

    `wires` (name to output and input) are watched: see `LoopbackWatch`.
    """

    def __init__(
        self, board: PulseGenerator, publisher: Publisher, clock: Clock, wires: Mapping[str, tuple[int, int]]
    ) -> None:
        self._board = board
        self._publisher = publisher
        self._clock = clock
        self._watch = LoopbackWatch(wires)
        self._next_clock_ns = 0

    def step(self, last: bool = False) -> list[str]:
        """Publish what is new; the `last` time the clock as well, due or not. Returns what a person should hear."""
        for event in self._board.events():
            self._publisher.publish(device_event(event))
            self._watch.take(event)
        now_ns = self._clock.now_ns()
        if last or now_ns >= self._next_clock_ns:
            self._next_clock_ns = now_ns + CLOCK_NS
            found = self._board.clock()
            if found is not None:
                self._publisher.publish(found)
        return self._watch.complaints(now_ns + JUDGED_AFTER_NS if last else now_ns)


class SyncLine:
    """The board's sync output, in the mode that the protocol asks for: "off", "barcode" or "strobe".

    Each time that it is switched on its barcodes are drawn anew, so that none comes twice in a session.
    """

    def __init__(self, board: PulseGenerator, mode: str, session_name: str) -> None:
        self._board = board
        self._mode = mode
        self._session_name = session_name
        self._times_on = 0

    def on(self) -> None:
        """Show it from now on; the board needs heartbeats."""
        if self._mode == "off":
            return
        self._times_on += 1
        digest = sha256(f"{self._session_name} {self._times_on}".encode()).digest()
        self._board.set_sync(self._mode, int.from_bytes(digest[:4], "little") or 1)

    def mark(self, frame_index: int) -> None:
        """Strobe a frame, in strobe mode."""
        if self._mode == "strobe":
            self._board.strobe(frame_index)

    def off(self) -> None:
        """Show nothing more."""
        if self._mode != "off":
            self._board.set_sync("off", 0)
