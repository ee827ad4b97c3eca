"""What counts as a confirmation that every line is low, and what is only something else that a board said."""

from collections import deque

import pytest

from rig.ttl import harp_wire, pulse_pal, wire
from rig.ttl.emergency import EMERGENCIES, _insist
from rig.ttl.harp_boards import HarpBehavior
from rig.ttl.harp_wire import HarpMessage
from rig.ttl.port import Port
from rig.ttl.wire import Kind, Outcome, Reason, WireFrame

GREETING = bytes([pulse_pal.GREETING]) + (21).to_bytes(4, "little")


class Scripted(Port):
    """A port on which each write brings the next of some answers."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = deque(answers)
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def read(self, wait_s: float = 0.0) -> bytes:
        return self.answers.popleft() if self.answers else b""


def answer(command: Kind, outcome: Outcome = Outcome.EXECUTED, nonce: int = 0) -> bytes:
    reason = Reason.NONE if outcome is Outcome.EXECUTED else Reason.MALFORMED
    return wire.encode(WireFrame(Kind.ACKNOWLEDGEMENT, 0, nonce, (5, int(command), int(outcome), int(reason), 0)))


def harp(kind: int, address: int) -> bytes:
    return harp_wire.encode(HarpMessage(kind, address, harp_wire.U16, b"\0\0", time_us=32))


@pytest.mark.parametrize(
    ("driver", "heard", "confirmed"),
    [
        ("etholoop", answer(Kind.STOP), True),
        ("etholoop", answer(Kind.DISARM) + answer(Kind.HEARTBEAT), False),
        ("etholoop", answer(Kind.STOP, Outcome.REFUSED), False),
        ("etholoop", answer(Kind.STOP, nonce=7), False),
        ("harp-behavior", harp(harp_wire.WRITE, HarpBehavior.CLEAR), True),
        ("harp-behavior", harp(harp_wire.WRITE | harp_wire.ERROR, HarpBehavior.CLEAR), False),
        ("pulse-pal", GREETING, True),
        ("pulse-pal", bytes([pulse_pal.TAKEN]) + GREETING, True),
        ("pulse-pal", GREETING[:-1], False),
        ("pulse-pal", bytes([pulse_pal.GREETING]) * 5, False),
    ],
)
def test_only_the_answer_to_the_stop_confirms_it(driver: str, heard: bytes, confirmed: bool) -> None:
    assert EMERGENCIES[driver].confirms(heard) is confirmed


def test_a_greeting_that_was_on_its_way_before_the_stop_confirms_nothing() -> None:
    port = Scripted(GREETING, *[b""] * 20)
    assert not _insist(port, EMERGENCIES["pulse-pal"])
    port = Scripted(GREETING, GREETING)
    assert _insist(port, EMERGENCIES["pulse-pal"])
    assert port.written == [pulse_pal.LOWER] * 2


def test_a_board_that_names_what_it_answers_is_believed_at_once() -> None:
    port = Scripted(answer(Kind.STOP))
    assert _insist(port, EMERGENCIES["etholoop"])
    assert len(port.written) == 1
