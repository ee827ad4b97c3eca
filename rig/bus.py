"""PUB/SUB over ZeroMQ: every message numbered, every loss counted.

A stream's parts are: sequence (8 bytes, little-endian), message (MessagePack), and an optional raw buffer. Two
sequence values are marks of the stream itself: PROBE, sent while a session is being prepared so that subscribers can
confirm that they hear, and END, the producer's last word.
"""

import struct
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import zmq

from online.errors import EtholoopError
from online.messages import Frame, InputHealth, Message, MessageError, decode
from rig.services import STREAMS, stream_address

PROBE = 2**64 - 1
END = 2**64 - 2
_SEQUENCE = struct.Struct("<Q")


class LineTooLong(EtholoopError):
    """The private directory's path does not fit into a Unix socket's address."""


class Publisher:
    """The producer's end of one stream. Never blocks: what a full queue refuses is lost and seen by its number."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], directory: Path, stream: str) -> None:
        self.stream = STREAMS[stream]
        self.sequence = 0
        address = stream_address(str(directory), stream)
        if len(address) > 100:
            raise LineTooLong(f"{address}: too long for a socket; set TMPDIR to a shorter path")
        self._socket = context.socket(zmq.PUB)
        self._socket.set_hwm(self.stream.queue_length)
        self._socket.setsockopt(zmq.LINGER, 500)
        self._socket.bind(address)

    def publish(self, message: Message, payload: memoryview | bytes | None = None) -> None:
        """Send one message, with a raw buffer behind it where the stream has one."""
        parts = [_SEQUENCE.pack(self.sequence), message.encode()]
        if payload is not None:
            parts.append(payload)  # type: ignore[arg-type]
        self.sequence += 1
        self._socket.send_multipart(parts, copy=True)

    def probe(self) -> None:
        """Send a mark by which subscribers know that they hear, and what the next message's number is."""
        self._socket.send_multipart([_SEQUENCE.pack(PROBE), _SEQUENCE.pack(self.sequence)])

    def end(self) -> None:
        """Say that nothing follows, and how many messages there were."""
        self._socket.send_multipart([_SEQUENCE.pack(END), _SEQUENCE.pack(self.sequence)])

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()


@dataclass(frozen=True, slots=True)
class Received:
    """One message with its raw buffer (valid while this object lives) and how many were lost just before it."""

    message: Message
    payload: memoryview | None
    lost_before: int


class Subscriber:
    """A consumer's end of one stream: in order, losses counted, health measured.

    `heard` is true once anything arrived; `ended` once the producer said its last word.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], directory: Path, stream: str) -> None:
        self.stream = STREAMS[stream]
        self.received = 0
        self.lost = 0
        self.heard = False
        self.ended = False
        self.valid = True
        self._next: int | None = None
        self._arrivals_ns: deque[int] = deque(maxlen=32)
        self.socket = context.socket(zmq.SUB)
        self.socket.set_hwm(self.stream.queue_length)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.SUBSCRIBE, b"")
        self.socket.connect(stream_address(str(directory), stream))

    def receive(self, now_ns: int) -> Received | None:
        """The next message, or None when none waits. Marks and malformed messages are consumed silently; the latter
        are counted as lost and make the input invalid."""
        while True:
            try:
                parts = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return None
            (sequence,) = _SEQUENCE.unpack(parts[0].buffer)
            self.heard = True
            if sequence == PROBE:
                if self._next is None:  # heartbeats from before it was heard are not lost
                    (self._next,) = _SEQUENCE.unpack(parts[1].buffer)
                continue
            if sequence == END:
                (total,) = _SEQUENCE.unpack(parts[1].buffer)
                self.lost += total - (self._next or 0)
                self._next = total
                self.ended = True
                return None
            gap = sequence - (self._next or 0)
            self.lost += gap
            self._next = sequence + 1
            try:
                message, payload = self._read(parts)
            except MessageError:
                self.valid = False
                self.lost += 1
                continue
            self.valid = True
            self.received += 1
            self._arrivals_ns.append(now_ns)
            return Received(message, payload, gap)

    def _read(self, parts: list[zmq.Frame]) -> tuple[Message, memoryview | None]:
        """A message of this stream and its raw buffer, or MessageError; a frame's buffer has the size that it says."""
        message = decode(parts[1].bytes)
        payload = parts[2].buffer if len(parts) > 2 else None
        if type(message).__name__ not in self.stream.messages:
            raise MessageError(f"{type(message).__name__} is no message of the stream {self.stream.name}")
        if isinstance(message, Frame) and (payload is None or payload.nbytes != 2 * message.height * message.width):
            raise MessageError(
                f"frame {message.frame_index}: its image has not {message.height} x {message.width} pixels"
            )
        return message, payload

    def forgive(self) -> None:
        """Count losses from here: what was sent before a session starts is nobody's loss."""
        self.lost = 0

    def receive_latest(self, now_ns: int) -> Received | None:
        """Drain to the newest message (for screens)."""
        newest = None
        while (received := self.receive(now_ns)) is not None:
            newest = received
        return newest

    def health(self, now_ns: int, silence_ns: int) -> InputHealth:
        """Alive when a message came within `silence_ns` (a stream of rare events: when its producer was heard); rate
        over the last 32 arrivals, None until two came."""
        arrivals = self._arrivals_ns
        rare = self.stream.rate == "events"
        alive = self.heard if rare else bool(arrivals) and now_ns - arrivals[-1] <= silence_ns
        span_ns = arrivals[-1] - arrivals[0] if len(arrivals) > 1 else 0
        return InputHealth(
            stream=self.stream.name,
            alive=alive,
            valid=self.valid and (rare or self.received > 0),
            rate_hz=(len(arrivals) - 1) * 1e9 / span_ns if span_ns > 0 else None,
            received=self.received,
            lost=self.lost,
        )

    def close(self) -> None:
        """Release the socket."""
        self.socket.close()
