"""The frames that an Etholoop board and its host exchange, in one table.

A frame, little-endian, is::

    magic u16 | length u8 | kind u8 | sequence u32 | nonce u32 | payload (length bytes) | crc u32

`crc` is CRC-32 (IEEE 802.3) over everything before it. `nonce` names the session that the host opened; `sequence`
rises by at least one with each command of a session. Each command is answered by one frame that repeats its sequence
and nonce and carries the device's time in microseconds at which it took effect; a sequence that is not higher than
the last is answered again and not executed again. `expires_us` is the low half of the device's time after which a
command must be refused. Durations of pulses are in slots of `SLOT_US`, the grid of the device's clock on which every
edge lies, so that edges of different channels coincide or lie further apart than the board needs to serve one.

`rig/ttl/firmware/wire.h` is written from this table (``python -m rig.ttl.wire_header``), so the two cannot differ.
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

MAGIC = 0x4CE7
PROTOCOL_VERSION = 2
HEADER = struct.Struct("<HBBII")
CRC_BYTES = 4
MAX_COMMAND_PAYLOAD = 23
MAX_REPLY_PAYLOAD = 49
PARTIAL_FRAME_TIMEOUT_US = 5_000

BAUD = 500_000  # divides 16 MHz exactly
SLOT_US = 100
MIN_WIDTH_US = 100
MAX_EXPIRY_US = 1_000_000
NUM_STIMULUS_OUTPUTS = 7
SYNC_OUTPUT = 7
NUM_INPUTS = 4
INTERLOCK_INPUT = 3
NUM_DUTY_BINS = 32
DUTY_SCALE = 10_000
CEILING_WIDTH_US = 5_000_000
CEILING_DUTY = 5_000  # in units of 1 / DUTY_SCALE
LEAST_WINDOW_MS = 1_000
CEILING_WINDOW_MS = 100_000
LEAST_HEARTBEAT_MS = 10
CEILING_PULSES = 100_000
CEILING_HEARTBEAT_MS = 50
CEILING_PERIOD_US = 60_000_000
CEILING_DELAY_US = 10_000_000
CEILING_EDGES_PER_S = 14_000  # of all trains under way together; with many more the board's processor falls behind
STROBE_US = 1_000
INTERLOCK_FLAG = 0x80  # in heartbeat_and_interlock; the low seven bits are milliseconds
DEFAULT_WIDTH_US = 10_000
DEFAULT_DUTY = 100
DEFAULT_WINDOW_MS = 60_000
DEFAULT_INTERVAL_US = 1_000_000
DEFAULT_PULSES = 10


class Kind(IntEnum):
    """What a frame is: commands below 0x40, answers from 0x40, events from 0x50."""

    IDENTIFY = 0x01
    STATUS = 0x02
    OPEN_SESSION = 0x03
    SET_LIMITS = 0x04
    ARM = 0x05
    DISARM = 0x06
    STOP = 0x07
    HEARTBEAT = 0x08
    PULSE = 0x09
    SYNC = 0x0A
    STROBE = 0x0B
    IDENTITY = 0x41
    STATUS_REPORT = 0x42
    ACKNOWLEDGEMENT = 0x43
    INPUT_CHANGED = 0x51
    TRAIN_ENDED = 0x52
    DISARMED = 0x53
    BARCODE = 0x54


class Outcome(IntEnum):
    """What became of a command."""

    EXECUTED = 0
    REFUSED = 1


class Reason(IntEnum):
    """Why a command was refused, or why the board disarmed or a train ended. GRID is said by the host alone."""

    NONE = 0
    MALFORMED = 1
    WRONG_SESSION = 2
    STALE_SEQUENCE = 3
    EXPIRED = 4
    NOT_DISARMED = 5
    NOT_ARMED = 6
    CEILING = 7
    INTERLOCK = 8
    CHANNEL = 9
    WIDTH = 10
    GRID = 11
    INTERVAL = 12
    COUNT = 13
    DUTY = 14
    BUSY = 15
    QUIET = 16
    STORING = 17
    DELAY = 18
    PERIOD = 19
    SYNC_MODE = 20
    STOPPED = 32
    HEARTBEAT_LOST = 33
    COMPLETED = 34
    REQUESTED = 35


class SyncMode(IntEnum):
    """What the sync output shows."""

    OFF = 0
    BARCODE = 1
    STROBE = 2


class State(IntEnum):
    """Bits of the state byte that every answer carries."""

    ARMED = 1
    SYNC = 2
    INTERLOCK_OPEN = 4
    QUIET = 8
    DUPLICATE = 16


_FORMATS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q"}


@dataclass(frozen=True, slots=True)
class Layout:
    """Fields of a payload in order, with their types."""

    fields: tuple[tuple[str, str], ...] = ()

    @property
    def packer(self) -> struct.Struct:
        """The fields as a struct, little-endian without padding."""
        return struct.Struct("<" + "".join(_FORMATS[kind] for _, kind in self.fields))


LIMIT_FIELDS = (
    ("max_width_slots", "u32"),
    ("max_duty", "u16"),
    ("window_ms", "u32"),
    ("min_interval_slots", "u32"),
    ("max_pulses", "u32"),
    ("heartbeat_and_interlock", "u8"),
)

TABLE: dict[Kind, Layout] = {
    Kind.IDENTIFY: Layout(),
    Kind.STATUS: Layout(),
    Kind.OPEN_SESSION: Layout((("expires_us", "u32"),)),
    Kind.SET_LIMITS: Layout((("expires_us", "u32"), *LIMIT_FIELDS)),
    Kind.ARM: Layout((("expires_us", "u32"),)),
    Kind.DISARM: Layout(),
    Kind.STOP: Layout(),
    Kind.HEARTBEAT: Layout((("expires_us", "u32"),)),
    Kind.PULSE: Layout(
        (
            ("expires_us", "u32"),
            ("channel", "u8"),
            ("delay_slots", "u32"),
            ("width_slots", "u32"),
            ("period_slots", "u32"),
            ("count", "u16"),
        )
    ),
    Kind.SYNC: Layout((("expires_us", "u32"), ("mode", "u8"), ("seed", "u32"))),
    Kind.STROBE: Layout((("expires_us", "u32"),)),
    Kind.IDENTITY: Layout(
        (
            ("time_us", "u64"),
            ("protocol", "u8"),
            ("firmware_major", "u8"),
            ("firmware_minor", "u8"),
            ("board", "u8"),
            ("num_outputs", "u8"),
            ("num_inputs", "u8"),
            ("slot_us", "u16"),
            ("min_width_slots", "u16"),
            ("max_width_slots", "u32"),
            ("max_duty", "u16"),
            ("window_ms", "u32"),
            ("max_pulses", "u32"),
            ("heartbeat_ms", "u8"),
        )
    ),
    Kind.STATUS_REPORT: Layout(
        (
            ("time_us", "u64"),
            ("state", "u8"),
            ("reset_cause", "u8"),
            ("session", "u32"),
            ("last_sequence", "u32"),
            ("pulses", "u32"),
            ("quiet_ms", "u32"),
            ("bad_frames", "u16"),
            ("lost_events", "u16"),
            *LIMIT_FIELDS,
        )
    ),
    Kind.ACKNOWLEDGEMENT: Layout(
        (("time_us", "u64"), ("command", "u8"), ("outcome", "u8"), ("reason", "u8"), ("state", "u8"))
    ),
    Kind.INPUT_CHANGED: Layout((("time_us", "u64"), ("input", "u8"), ("level", "u8"))),
    Kind.TRAIN_ENDED: Layout(
        (("time_us", "u64"), ("command_sequence", "u32"), ("channel", "u8"), ("pulses", "u16"), ("reason", "u8"))
    ),
    Kind.DISARMED: Layout((("time_us", "u64"), ("reason", "u8"))),
    Kind.BARCODE: Layout((("time_us", "u64"), ("barcode", "u32"))),
}

COMMANDS = tuple(kind for kind in Kind if kind < 0x40)
EXPIRING = frozenset(kind for kind, layout in TABLE.items() if layout.fields[:1] == (("expires_us", "u32"),))
_PACKERS: dict[int, struct.Struct] = {kind: layout.packer for kind, layout in TABLE.items()}


@dataclass(frozen=True, slots=True)
class WireFrame:
    """One frame; `values` are the payload's fields in the table's order.

    `malformed`: the CRC was right, but the table knows no such kind or another length for it.
    """

    kind: int
    sequence: int
    nonce: int
    values: tuple[int, ...] = ()
    malformed: bool = False

    @property
    def fields(self) -> dict[str, int]:
        """The payload's fields by name."""
        return dict(zip((name for name, _ in TABLE[Kind(self.kind)].fields), self.values, strict=True))


def encode(frame: WireFrame) -> bytes:
    """Bytes of a frame."""
    payload = _PACKERS[Kind(frame.kind)].pack(*frame.values)
    body = HEADER.pack(MAGIC, len(payload), frame.kind, frame.sequence, frame.nonce) + payload
    return body + struct.pack("<I", zlib.crc32(body))


@dataclass(slots=True)
class Parser:
    """Cuts a stream of bytes into frames; what fails its CRC is searched for the next frame, not skipped whole."""

    max_payload: int
    buffer: bytearray
    bad_frames: int = 0

    def feed(self, data: bytes) -> list[WireFrame]:
        """Frames completed by `data`."""
        self.buffer += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def give_up(self) -> list[WireFrame]:
        """Frames in what is held, now that the rest of its first one will not come any more."""
        frames = []
        while self.buffer:
            del self.buffer[0]
            frames += self.feed(b"")
        return frames

    def _next(self) -> WireFrame | None:
        buffer = self.buffer
        while len(buffer) >= HEADER.size:
            magic, length, kind, sequence, nonce = HEADER.unpack_from(buffer)
            if magic != MAGIC or length > self.max_payload:
                del buffer[0]
                continue
            size = HEADER.size + length + CRC_BYTES
            if len(buffer) < size:
                return None
            if zlib.crc32(buffer[: size - CRC_BYTES]) != int.from_bytes(buffer[size - CRC_BYTES : size], "little"):
                self.bad_frames = min(self.bad_frames + 1, 0xFFFF)
                del buffer[0]
                continue
            payload = bytes(buffer[HEADER.size : size - CRC_BYTES])
            del buffer[:size]
            packer = _PACKERS.get(kind)
            if packer is None or packer.size != length:
                return WireFrame(kind, sequence, nonce, malformed=True)
            return WireFrame(kind, sequence, nonce, packer.unpack(payload))
        return None


def new_parser(max_payload: int) -> Parser:
    """A parser that has seen nothing."""
    return Parser(max_payload, bytearray())
