"""The `[board]` table, and what is said when no such board is there."""

import os
import pty
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from online.errors import BoardNotFound, ConfigError
from online.messages import PulseReceipt
from rig.clock import SystemClock
from rig.ttl.configuration import build_board, prepare_board, read_board_table
from rig.ttl.emergency import force_low
from rig.ttl.heartbeat import Heartbeat
from rig.ttl.protocol import BoardLimits, PulseTrain
from tests.ttl_benches import Bench, etholoop_emulator, etholoop_firmware, needs_simavr, wait_until

LIMITS = BoardLimits(max_width_us=5_000_000, max_duty=0.5, window_us=10_000_000, min_interval_us=10_000, max_pulses=50)


SKETCH = {"driver": "serial-character", "port": "/dev/a", "channels": {"laser": 0}}


def test_a_table_becomes_a_configuration() -> None:
    config = read_board_table({"port": "usb:2341:0043:A1", "channels": {"laser": 2}, "interlock": True})
    assert (config.driver, config.channels, config.interlock) == ("etholoop", {"laser": 2}, True)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"channels": {"laser": 0}}, "port"),
        ({"port": "simulated", "channels": {}}, "channels"),
        ({"port": "simulated", "channels": {"laser": 7}}, "laser"),
        ({"port": "simulated", "channels": {"laser": 0, "led": 0}}, "each output once"),
        ({"port": "simulated", "channels": {"laser": 0}, "baud": 9600}, "baud"),
        ({"port": "simulated", "channels": {"laser": 0}, "driver": "magic"}, "driver"),
        ({"port": "usb:2341", "channels": {"laser": 0}}, "usb:VID:PID"),
        ({"driver": "pulse-pal", "port": "/dev/a", "channels": {"laser": 4}}, "0 to 3"),
        ({"driver": "pulse-pal", "port": "simulated", "channels": {"laser": 0}}, "simulated"),
        ({"driver": "harp-behavior", "port": "/dev/a", "channels": {"laser": 0}, "interlock": True}, "interlock"),
        ({"driver": "serial-character", "port": "/dev/a", "channels": {"laser": 0}}, "sketch"),
        (SKETCH | {"sketch": {"start": "PP", "pulse_ms": 5}}, "start"),
        (SKETCH | {"sketch": {"start": "H", "off": "L", "pulse_ms": 5}}, "the line would stay high"),
    ],
)
def test_a_wrong_table_is_refused_by_key(table: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        read_board_table(table, "rig.toml")


@pytest.mark.parametrize("port", ["/dev/no-such-port", "usb:FFFF:FFFF", "usb:2341:0043:NOSUCH"])
def test_a_missing_port_is_named_with_those_that_exist(port: str) -> None:
    board = build_board(read_board_table({"port": port, "channels": {"laser": 0}}), SystemClock())
    with pytest.raises(BoardNotFound, match=rf"{port}.*ports with a USB identity"):
        board.open()


def test_another_device_on_the_port_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.ttl.etholoop_board.BOOT_TIMEOUT_S", 0.2)
    master, slave = pty.openpty()
    board = build_board(read_board_table({"port": os.ttyname(slave), "channels": {"laser": 0}}), SystemClock())
    os.write(master, b"Grbl 1.1")
    with pytest.raises(BoardNotFound, match="does not speak"):
        board.open()
    os.close(master)
    os.close(slave)


@pytest.fixture
def high(tmp_path: Path) -> Iterator[Bench]:
    """A board amid a pulse of 5 s, without heartbeats."""
    bench = etholoop_emulator(tmp_path / "pins.csv")
    bench.board.open()
    bench.board.configure(LIMITS)
    bench.board.arm()
    bench.board.pulse(PulseTrain(channel=3, width_us=5_000_000, period_us=0, count=1), 500_000)
    wait_until(lambda: len(bench.edges(3)) >= 1, "the line to rise")
    yield bench
    bench.end()


def test_lines_are_forced_low_while_another_program_holds_the_port(tmp_path: Path) -> None:
    bench = etholoop_emulator(tmp_path / "pins.csv")
    bench.board.open()
    bench.board.configure(LIMITS)
    heartbeat = Heartbeat(bench.board.beat, lambda: True)
    heartbeat.start()
    bench.board.arm()
    bench.board.pulse(PulseTrain(channel=3, width_us=5_000_000, period_us=0, count=1), 500_000)
    wait_until(lambda: len(bench.edges(3)) == 1, "the line to rise")
    force_low(bench.config)
    wait_until(lambda: len(bench.edges(3)) == 2, "the line to fall")
    wait_until(lambda: bool(bench.board.alerts()), "the driver to hear of it")
    heartbeat.stop()
    bench.end()


def test_lines_fall_by_themselves_50_ms_after_the_last_heartbeat(high: Bench) -> None:
    wait_until(lambda: len(high.edges(3)) == 2, "the line to fall")
    rise, fall = high.edges(3)
    assert fall.device_us - rise.device_us <= 50_000


def test_force_low_is_confirmed_by_a_board_that_nobody_holds(tmp_path: Path) -> None:
    table = read_board_table({"port": "simulated", "channels": {"laser": 0}})
    config, process = prepare_board(table, tmp_path / "pins.csv")
    assert process is not None
    assert force_low(config)
    assert not force_low(config.model_copy(update={"port": "/dev/no-such-port"}))
    process.terminate()
    assert process.wait(10) == 0


def test_the_quiet_after_a_reset_is_told(tmp_path: Path) -> None:
    bench = etholoop_emulator(tmp_path / "pins.csv", "--reset-on-open")
    bench.board.open()
    bench.board.configure(LIMITS)
    bench.board.arm()
    (alert,) = bench.board.alerts()
    assert "refuses pulses for" in alert
    assert not bench.board.armed
    bench.board.pulse(PulseTrain(channel=3, width_us=1_000, period_us=0, count=1), 500_000)
    receipts: list[PulseReceipt] = []
    wait_until(lambda: bool(receipts.extend(bench.board.receipts()) or receipts), "an answer")
    assert [(receipt.outcome, receipt.reason) for receipt in receipts] == [("refused", "quiet")]
    assert bench.edges() == []
    bench.end()


@needs_simavr
def test_events_that_the_board_or_the_host_could_not_keep_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A train of the shortest pulses, wired back to an input, changes faster than the port can tell."""
    monkeypatch.setattr("rig.ttl.serial_driver.MAX_EVENTS", 20)
    bench = etholoop_firmware(tmp_path / "pins.csv", "--loopback", "3", "2")
    bench.board.open()
    bench.board.configure(replace(LIMITS, min_interval_us=100, max_pulses=5_000))
    heartbeat = Heartbeat(bench.board.beat, lambda: True)
    heartbeat.start()
    bench.board.arm()
    bench.board.pulse(PulseTrain(channel=3, width_us=100, period_us=200, count=1_000), 500_000)
    wait_until(lambda: len(bench.edges(3)) == 2_000, "the train")
    bench.board.disarm()
    alerts = " ".join(bench.board.alerts())
    heartbeat.stop()
    bench.end()
    assert "could not report" in alerts
    assert "the oldest are lost" in alerts
