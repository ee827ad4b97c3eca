"""What goes between a running session and those who look at it from another machine.

A watcher's socket (DEALER) may say three words; the session's (ROUTER) answers, and sends what screens show. There is
no word that changes anything.
"""

import struct
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import msgpack
import numpy as np
from numpy.typing import NDArray

from online.errors import EtholoopError, FileFormatError
from online.files.arena_file import load_arena, save_arena
from online.messages import Event, Message, MessageError, PulseReceipt, Trial, decode
from protocols.parse import parse_protocol
from rig.tui.earlier import Earlier
from rig.tui.session_facts import SessionFacts

VERSION = 1
"""Of the words and tables below and of the messages that they carry, to be raised with any of them; both ends must
speak the same."""
HELLO, HERE, EARLIER = b"hello", b"here", b"earlier"
FACTS, FULL, SAY, NOW, END = b"facts", b"full", b"say", b"now", b"end"
NOW_FORMAT = struct.Struct("<qd")
"""Host time in ns, and free disk in GB (NaN where not known)."""
SEQUENCE = struct.Struct("<Q")
PLAIN_FACTS = ("subject", "session", "model", "depth_unit_mm", "rate_hz", "min_height_mm", "max_height_mm")
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Told:
    """One message of a stream; `payload` is None where the picture was left out."""

    stream: str
    sequence: int
    message: Message
    payload: memoryview | None


def pack_facts(facts: SessionFacts, protocol: str) -> bytes:
    """What does not change while the session runs; nothing of the subject's arm, of devices, or of paths."""
    table: dict[str, Any] = {name: getattr(facts, name) for name in PLAIN_FACTS}
    table |= {
        "version": VERSION,
        "names": {str(k): name for k, name in facts.names.items()},
        "protocol": protocol,
        "arena": {},
    }
    if facts.arena is not None:
        with tempfile.TemporaryDirectory(prefix="etl-") as name:
            save_arena(facts.arena, Path(name) / "arena.toml")
            table["arena"] = {path.name: path.read_bytes() for path in Path(name).iterdir()}
    packed: bytes = msgpack.packb(table)
    return packed


def unpack_facts(packed: bytes) -> SessionFacts:
    """The same at the other end; a protocol or an arena that cannot be read is among the problems.

    Raises
    ------
    MessageError
        where the rig speaks another version, or what it says is no such table.
    """
    try:
        table = msgpack.unpackb(packed)
        spoken = table.get("version")
        if spoken != VERSION:
            raise MessageError(f"the rig speaks version {spoken}, {VERSION} is understood: update both ends")
        return _facts_of(table)
    except (ValueError, KeyError, TypeError, AttributeError, msgpack.UnpackException) as error:
        raise MessageError(f"not the facts of a session: {error!r}") from error


def _facts_of(table: dict[str, Any]) -> SessionFacts:
    problems: list[str] = []
    known: dict[str, Any] = {name: table[name] for name in PLAIN_FACTS}
    try:
        known["protocol"] = parse_protocol(table["protocol"], "protocol")
    except EtholoopError as error:
        problems.append(f"protocol: {error}")
    if table["arena"]:
        with tempfile.TemporaryDirectory(prefix="etl-") as name:
            for file, content in table["arena"].items():
                (Path(name) / Path(file).name).write_bytes(content)
            try:
                known["arena"] = load_arena(Path(name) / "arena.toml")
            except (EtholoopError, OSError) as error:
                problems.append(f"arena: {error}")
    names = {int(k): str(name) for k, name in table["names"].items()}
    return SessionFacts(**known, names=names, problems=tuple(problems))


def _pack_array(array: NDArray[Any]) -> tuple[str, list[int], bytes]:
    return array.dtype.str, list(array.shape), np.ascontiguousarray(array).tobytes()


def pack_earlier(earlier: Earlier | str) -> bytes:
    """What happened before, or why it is not known."""
    if isinstance(earlier, str):
        refused: bytes = msgpack.packb({"error": earlier})
        return refused
    table: dict[str, Any] = {}
    for field in fields(earlier):
        value = getattr(earlier, field.name)
        table[field.name] = [m.encode() for m in value] if isinstance(value, list) else _pack_array(value)
    packed: bytes = msgpack.packb(table)
    return packed


def unpack_earlier(packed: bytes) -> Earlier:
    """The same at the other end; raises FileFormatError with the reason where it is not known or cannot be read."""
    try:
        table = msgpack.unpackb(packed)
        if "error" in table:
            raise FileFormatError(table["error"])
        return _earlier_of(table)
    except (MessageError, ValueError, KeyError, TypeError, msgpack.UnpackException) as error:
        raise FileFormatError(f"what the rig told cannot be read: {error!r}") from error


def _earlier_of(table: dict[str, Any]) -> Earlier:
    def messages(name: str, kind: type[M]) -> list[M]:
        return [message for raw in table[name] if isinstance(message := decode(raw), kind)]

    def array(name: str) -> NDArray[Any]:
        kind, shape, raw = table[name]
        return np.frombuffer(raw, np.dtype(kind)).reshape(shape)

    arrays = [field.name for field in fields(Earlier) if field.name not in ("trials", "receipts", "events")]
    return Earlier(
        trials=messages("trials", Trial),
        receipts=messages("receipts", PulseReceipt),
        events=messages("events", Event),
        **{name: array(name) for name in arrays},
    )


def read_told(parts: list[Any]) -> Told | None:
    """A message of a stream from its parts (stream, number, message, picture); None where it is damaged."""
    try:
        message = decode(bytes(parts[2].buffer))
        payload = parts[3].buffer if len(parts) > 3 else None
        return Told(parts[0].bytes.decode(), SEQUENCE.unpack(parts[1].buffer)[0], message, payload)
    except (MessageError, IndexError, struct.error, UnicodeDecodeError):
        return None
