"""Drivers and their port: late answers, a latency timer that cannot be set, ports by their USB identity."""

import os
import pty
import tty
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import serial
from serial.tools import list_ports

from online.errors import BoardLost, BoardNotFound
from rig.clock import ManualClock, SystemClock
from rig.ttl.heartbeat import Heartbeat
from rig.ttl.ledger import CommandLedger
from rig.ttl.port import Port, find_port, open_port
from rig.ttl.protocol import BoardLimits
from rig.ttl.serial_character import SerialCharacter
from tests.ttl_benches import wait_until

MS = 1_000_000
UNO = {"vid": 0x2341, "pid": 0x0043}


def test_a_command_unanswered_for_20_ms_is_an_alert_and_in_the_end_lost() -> None:
    ledger = CommandLedger()
    ledger.written(7, 0)
    assert ledger.collect(20 * MS) == []
    assert ledger.take_alerts() == []
    assert ledger.collect(21 * MS) == []
    assert ledger.take_alerts() == ["command 7 unanswered for 21 ms"]
    assert ledger.collect(400 * MS) == []
    assert ledger.take_alerts() == []
    (receipt,) = ledger.collect(501 * MS)
    assert (receipt.command_sequence, receipt.outcome) == (7, "lost")


def test_a_late_answer_counts_until_the_command_was_given_up() -> None:
    ledger = CommandLedger()
    for sequence in (1, 2):
        ledger.written(sequence, 0)
    ledger.answered(1, "", 5, 6, 100 * MS)
    assert [receipt.outcome for receipt in ledger.collect(600 * MS)] == ["executed", "lost"]
    ledger.take_alerts()
    ledger.answered(2, "", 5, 6, 700 * MS)
    assert ledger.collect(800 * MS) == []
    assert ledger.take_alerts() == ["command 2 was answered after it had been given up: executed"]


def test_at_the_end_each_command_has_one_fate() -> None:
    ledger, clock = CommandLedger(), ManualClock()
    for sequence in range(6):
        ledger.written(sequence, clock.now_ns())
    ledger.answered(0, "", 1, 2, 3)
    ledger.answered(1, "duty", 1, None, 3)
    ledger.taken_as_executed(2, "as far as is known", 4)
    receipts = ledger.collect(clock.now_ns(), everything=True)
    fates = {receipt.command_sequence: receipt.outcome for receipt in receipts}
    assert fates == {0: "executed", 1: "refused", 2: "executed", 3: "lost", 4: "lost", 5: "lost"}
    assert len(receipts) == 6


@pytest.fixture
def terminal() -> Iterator[str]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_latency_timer_that_cannot_be_set_is_told_for_usb_serial_adapters(terminal: str, tmp_path: Path) -> None:
    """A pseudo-terminal refuses low-latency mode, as a port without it does."""
    adapter = tmp_path / "ttyUSB0"
    with pytest.raises(ValueError, match="Inappropriate ioctl"), serial.Serial(terminal) as port:
        port.set_low_latency_mode(True)
    assert open_port(terminal, 115_200).warnings == []
    adapter.symlink_to(terminal)
    (warning,) = warnings_of(adapter)
    assert "may add up to 16 ms" in warning


def warnings_of(path: Path) -> list[str]:
    port = open_port(str(path), 115_200)
    port.close()
    return port.warnings


def connect(monkeypatch: pytest.MonkeyPatch, *ports: dict[str, object]) -> None:
    """These are the ports that the system lists."""
    listed = [
        SimpleNamespace(**{"device": f"/dev/ttyACM{n}", "serial_number": None, "vid": None, "pid": None} | port)
        for n, port in enumerate(ports)
    ]
    monkeypatch.setattr(list_ports, "comports", lambda: listed)


def test_a_board_is_found_by_its_identity_wherever_it_is_plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, {}, UNO | {"serial_number": "A1"}, UNO | {"serial_number": "B2"})
    assert find_port("usb:2341:0043:B2") == "/dev/ttyACM2"
    with pytest.raises(BoardNotFound, match=r"ambiguous.*usb:2341:0043:A1.*usb:2341:0043:B2"):
        find_port("usb:2341:0043")
    connect(monkeypatch, UNO, {"vid": 0x1A86, "pid": 0x7523})
    assert find_port("usb:1a86:7523") == "/dev/ttyACM1"
    with pytest.raises(BoardNotFound, match=r"/dev/ttyACM0 \(usb:2341:0043\)"):
        find_port("usb:2341:0001")


def test_a_port_that_takes_no_more_bytes_is_lost_and_never_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    port = Port(SimpleNamespace(fileno=lambda: writing), "/dev/full", [])  # type: ignore[arg-type]

    def fill() -> None:
        while True:
            port.write(bytes(1 << 20))

    with pytest.raises(BoardLost, match=r"took \d+ of|takes no more bytes"):
        fill()
    os.close(reading)
    os.close(writing)


class Misread(SerialCharacter):
    """A driver with a mistake in how it reads."""

    def _take(self, data: bytes, received_ns: int) -> None:
        raise KeyError("state")


def test_a_driver_that_cannot_read_what_came_has_lost_the_board() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    driver = Misread(os.ttyname(slave), SystemClock(), 115_200, b"P", 10_000)
    driver.boot_s = 0
    driver.open()
    driver.configure(BoardLimits(20_000, 0.5, 1_000_000, 1_000, 10))
    driver.arm()
    os.write(master, b"?")
    alerts: list[str] = []
    wait_until(lambda: bool(alerts.extend(driver.alerts()) or alerts), "the driver to say so")
    wait_until(lambda: not driver.armed, "the driver to be disarmed")
    assert "could not be taken in: KeyError('state')" in alerts[0]
    with pytest.raises(BoardLost, match="could not be taken in"):
        driver.beat()
    driver.close()
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize("broken", ["beat", "alive"])
def test_a_heartbeat_that_ends_by_any_error_says_so(broken: str) -> None:
    def fail() -> bool:
        raise ValueError("a bad number")

    heartbeat = Heartbeat(fail if broken == "beat" else lambda: None, fail if broken == "alive" else lambda: True, 0.0)
    heartbeat.start()
    wait_until(lambda: heartbeat.failure is not None, "the heartbeat to end")
    heartbeat.stop()
    with pytest.raises(BoardLost, match=r"ended: ValueError\('a bad number'\)"):
        heartbeat.check()
