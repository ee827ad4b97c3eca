"""Bringing lines low from outside a session: when the program that held the board is dead, or stopped."""

from collections.abc import Callable
from dataclasses import dataclass

from online.errors import BoardError
from rig.ttl import harp_wire, pulse_pal, wire
from rig.ttl.configuration import BoardConfig
from rig.ttl.harp_boards import BAUD as HARP_BAUD
from rig.ttl.harp_boards import HarpBehavior, HarpCuttlefish
from rig.ttl.port import Port, open_port
from rig.ttl.wire import Kind, Outcome, WireFrame

STOP_WAIT_S = 0.05
NUM_STOPS = 10


@dataclass(frozen=True, slots=True)
class Emergency:
    """What brings a board's lines low whatever its state, and how its confirmation is known in what it sends.

    `speaks_for_itself`: an answer names what it answers; where it does not, what comes on the first message may be the
    answer to something older, and does not count.
    """

    baud: int
    message: bytes
    confirms: Callable[[bytes], bool]
    speaks_for_itself: bool = True


def _etholoop_confirms(heard: bytes) -> bool:
    frames = wire.new_parser(wire.MAX_REPLY_PAYLOAD).feed(heard)
    return any(
        frame.kind == Kind.ACKNOWLEDGEMENT
        and not frame.malformed
        and frame.nonce == 0
        and (frame.fields["command"], frame.fields["outcome"]) == (Kind.STOP, Outcome.EXECUTED)
        for frame in frames
    )


def _pulse_pal_confirms(heard: bytes) -> bool:
    starts = (n for n in range(len(heard) - 4) if heard[n] == pulse_pal.GREETING)
    return any(int.from_bytes(heard[n + 1 : n + 5], "little") in pulse_pal.FIRMWARES for n in starts)


def _harp_confirms(address: int) -> Callable[[bytes], bool]:
    def confirms(heard: bytes) -> bool:
        buffer = bytearray(heard)
        while (message := harp_wire.parse(buffer)) is not None:
            if message.kind == harp_wire.WRITE and message.address == address:
                return True
        return False

    return confirms


EMERGENCIES = {
    "etholoop": Emergency(wire.BAUD, wire.encode(WireFrame(Kind.STOP, 0, 0)), _etholoop_confirms),
    "harp-behavior": Emergency(HARP_BAUD, HarpBehavior.LOWER, _harp_confirms(HarpBehavior.CLEAR)),
    "harp-cuttlefish": Emergency(HARP_BAUD, HarpCuttlefish.LOWER, _harp_confirms(HarpCuttlefish.CLEAR)),
    "pulse-pal": Emergency(pulse_pal.BAUD, pulse_pal.LOWER, _pulse_pal_confirms, speaks_for_itself=False),
}


def force_low(config: BoardConfig) -> bool:
    """Bring every line low without a session, even while a stopped program holds the port; True when confirmed.

    A sketch that times its own pulses cannot be reached: its line falls by itself, and the answer is False.
    """
    emergency = EMERGENCIES.get(config.driver)
    if emergency is None:
        return False
    try:
        port = open_port(config.port, emergency.baud, exclusive=False)
    except BoardError:
        return False
    try:
        return _insist(port, emergency)
    except BoardError:
        return False
    finally:
        port.close()


def _insist(port: Port, emergency: Emergency) -> bool:
    heard = b""
    for n in range(NUM_STOPS):
        port.write(emergency.message)
        heard += port.read(STOP_WAIT_S)
        if n == 0 and not emergency.speaks_for_itself:
            heard = b""
        if emergency.confirms(heard):
            return True
    return False
