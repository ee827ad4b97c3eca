"""The Harp 8-bit binary protocol (harp-tech.org, BinaryProtocol-8bit): messages to and from registers.

A message is type, length (of all that follows), address, port, payload type, payload, checksum (sum of all bytes
before it, modulo 256). A reply repeats type and address, and begins its payload with the device's time: seconds (u32)
and units of 32 us (u16).
"""

from dataclasses import dataclass

READ, WRITE, EVENT = 1, 2, 3
ERROR = 0x08
U8, U16, U32 = 0x01, 0x02, 0x04
TIMESTAMPED = 0x10
THIS_DEVICE = 0xFF
TICK_US = 32
SHORTEST = 6  # bytes of a message without payload
MAX_PAYLOAD = 64

WHO_AM_I, OPERATION_CONTROL = 0, 10
ACTIVE_MODE = 0x01


@dataclass(frozen=True, slots=True)
class HarpMessage:
    """One message; `time_us` is the device's time, None in what the host sends."""

    kind: int
    address: int
    payload_type: int
    payload: bytes = b""
    time_us: int | None = None

    @property
    def is_error(self) -> bool:
        """True when the device refused."""
        return bool(self.kind & ERROR)

    @property
    def value(self) -> int:
        """The payload as one number."""
        return int.from_bytes(self.payload, "little")


def encode(message: HarpMessage) -> bytes:
    """Bytes of a message."""
    stamp, payload_type = b"", message.payload_type
    if message.time_us is not None:
        seconds, us = divmod(message.time_us, 1_000_000)
        stamp = seconds.to_bytes(4, "little") + (us // TICK_US).to_bytes(2, "little")
        payload_type |= TIMESTAMPED
    content = stamp + message.payload
    head = bytes([message.kind, len(content) + 4, message.address, THIS_DEVICE, payload_type])
    body = head + content
    return body + bytes([sum(body) % 256])


def read(address: int, payload_type: int) -> bytes:
    """Ask for a register."""
    return encode(HarpMessage(READ, address, payload_type))


def write(address: int, payload_type: int, value: int) -> bytes:
    """Write a number to a register."""
    return encode(HarpMessage(WRITE, address, payload_type, value.to_bytes(payload_type & 0x0F, "little")))


def parse(buffer: bytearray) -> HarpMessage | None:
    """Take the first whole message from `buffer`, dropping bytes that begin none; None when more must come."""
    while len(buffer) >= SHORTEST:
        kind, length, address, _, payload_type = buffer[:5]
        size = length + 2
        plausible = kind & ~ERROR in (READ, WRITE, EVENT) and SHORTEST <= size <= SHORTEST + 6 + MAX_PAYLOAD
        if not plausible or (len(buffer) >= size and sum(buffer[: size - 1]) % 256 != buffer[size - 1]):
            del buffer[0]
            continue
        if len(buffer) < size:
            return None
        content = bytes(buffer[5 : size - 1])
        del buffer[:size]
        if not payload_type & TIMESTAMPED:
            return HarpMessage(kind, address, payload_type, content)
        time_us = int.from_bytes(content[:4], "little") * 1_000_000 + int.from_bytes(content[4:6], "little") * TICK_US
        return HarpMessage(kind, address, payload_type & ~TIMESTAMPED, content[6:], time_us)
    return None
