"""Boards that keep no state of their own: no pulse behind a stop, none with settings that the board refused."""

import os
import pty
import threading
import tty
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from online.errors import BoardLost
from rig.clock import ManualClock, SystemClock
from rig.online_process import settle
from rig.ttl.harp_boards import HarpBehavior
from rig.ttl.harp_wire import READ, U16, WHO_AM_I, HarpMessage, encode
from rig.ttl.limits import HostLimits
from rig.ttl.protocol import BoardLimits, PulseTrain
from rig.ttl.pulse_pal import ABORT, MENU, TRIGGER, PulsePal
from rig.ttl.wire import Reason
from tests.emulated_boards import BehaviorEmulator, EmulatedSerialBoard, PulsePalEmulator
from tests.ttl_benches import wait_until

LIMITS = BoardLimits(max_width_us=100_000, max_duty=0.5, window_us=1_000_000, min_interval_us=1_000, max_pulses=100)
WAIT_S = 60.0


@dataclass
class Attached:
    """An emulated board behind a pseudo-terminal of this process; `heard` is what reached it."""

    board: EmulatedSerialBoard
    heard: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.descriptor, self.device = pty.openpty()
        tty.setraw(self.device)
        self.port = os.ttyname(self.device)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        with suppress(OSError):
            while data := os.read(self.descriptor, 4096):
                self.heard += data
                os.write(self.descriptor, self.board.step(len(self.heard), data))


@pytest.fixture
def attach() -> Iterator[Callable[[EmulatedSerialBoard], Attached]]:
    made: list[Attached] = []

    def make(board: EmulatedSerialBoard) -> Attached:
        made.append(Attached(board))
        return made[-1]

    yield make
    for attached in made:
        os.close(attached.device)  # the last that held it: the thread's read fails
        attached.thread.join(WAIT_S)
        os.close(attached.descriptor)


class Meddler(HostLimits):
    """Limits that, amid the admission of a pulse, have another thread call `stop`."""

    stop: threading.Thread

    def admit(self, train: PulseTrain, now_us: int) -> Reason:
        self.stop.start()
        self.stop.join(0.2)  # a stop that waits for the pulse goes on after it
        return HostLimits.admit(self, train, now_us)


def stop_at_leisure(driver: PulsePal) -> None:
    """Stop; that the confirmation may come too late on a busy machine is not judged here."""
    with suppress(BoardLost):
        driver.stop()


def test_no_pulse_is_written_behind_a_stop(attach: Callable[[EmulatedSerialBoard], Attached]) -> None:
    attached = attach(PulsePalEmulator())
    driver = PulsePal(attached.port, SystemClock())
    driver.open()
    driver.configure(LIMITS)
    driver.arm()
    assert driver._limits is not None
    meddler = Meddler(driver._limits.keeper)
    meddler.stop = threading.Thread(target=stop_at_leisure, args=(driver,))
    driver._limits = meddler
    before = len(attached.heard)
    driver.pulse(PulseTrain(0, 10_000, 0, 1), 100_000)
    meddler.stop.join(WAIT_S)
    wait_until(lambda: bool(driver.receipts()), "a receipt")
    wait_until(lambda: bytes([MENU, ABORT]) in attached.heard[before:], "the stop at the board")
    trigger, abort = (attached.heard.rfind(bytes([MENU, word])) for word in (TRIGGER, ABORT))
    assert before <= trigger < abort
    assert not driver.armed
    driver.close()


def test_a_disarming_that_fails_is_told_and_the_sync_output_goes_off_all_the_same() -> None:
    told: list[tuple[str, str]] = []
    ended: list[str] = []

    def fail() -> None:
        raise BoardLost("no answer to DISARM")

    link = SimpleNamespace(clock=ManualClock(), event=lambda kind, text: told.append((kind, text)))
    sync = SimpleNamespace(off=lambda: ended.append("sync"))
    loop = SimpleNamespace(parts=SimpleNamespace(sync=sync), unanswered=set(), publish_receipts=lambda: None)
    settle(link, loop, SimpleNamespace(disarm=fail))  # type: ignore[arg-type]
    assert told == [("alert", "at the end of the session: no answer to DISARM")]
    assert ended == ["sync"]


def test_a_harp_board_whose_clock_jumps_is_told() -> None:
    clock = ManualClock()
    driver = HarpBehavior("/dev/board", clock)
    said = []
    for time_us in (1_000_000, 1_100_000, 6_200_000, 6_300_000):
        clock.advance_ns(100_000_000)
        driver._pending[WHO_AM_I] = deque([(clock.now_ns() - 1_000_000, None)])
        driver._take(encode(HarpMessage(READ, WHO_AM_I, U16, b"\0\0", time_us=time_us)), clock.now_ns())
        said.append(driver.alerts())
    assert [len(alerts) for alerts in said] == [0, 0, 1, 0]
    assert "jumped apart by -5000" in said[2][0]


class Stubborn(BehaviorEmulator):
    """Takes no pulse time but the first."""

    def write(self, address: int, payload: bytes) -> bool:
        if address == 49 and payload != b"\1\0":
            return False
        return super().write(address, payload)


def test_a_refused_pulse_time_ends_the_use_of_the_board(attach: Callable[[EmulatedSerialBoard], Attached]) -> None:
    attached = attach(Stubborn())
    driver = HarpBehavior(attached.port, SystemClock())
    driver.open()
    driver.configure(LIMITS)
    driver.arm()
    with suppress(BoardLost):  # the refusal of the settings may come before the pulse itself is written
        driver.pulse(PulseTrain(3, 20_000, 0, 1), 100_000)
    with driver._changed:
        driver._changed.wait_for(lambda: driver._lost is not None, WAIT_S)
    with pytest.raises(BoardLost, match="refused a pulse's settings \\(register 49\\)"):
        driver.pulse(PulseTrain(3, 20_000, 0, 1), 100_000)
    assert not driver.armed
    driver.close()
