"""Boards for the conformance suite: each bench starts one without hardware and reads what its pins did."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig.clock import SystemClock
from rig.ttl.configuration import BoardConfig, Sketch, build_board
from rig.ttl.protocol import PulseGenerator, PulseTrain
from rig.ttl.serial_character import SerialCharacter
from rig.ttl.simulated_board import start_board_process, start_simulated_board
from tests.firmware.simulated_firmware import NEEDED, is_available

PATIENCE_S = 60.0
needs_simavr = pytest.mark.skipif(not is_available(), reason=f"the firmware in simavr needs: {NEEDED}")


@dataclass(frozen=True, slots=True)
class PinEdge:
    """One line of a pin log."""

    host_ns: int
    device_us: int
    output: int
    level: int


def read_edges(log_path: Path) -> list[PinEdge]:
    """Everything that a board's pins did until now; a line that is still being written is left out."""
    lines = log_path.read_text().split("\n")[1:-1]
    return [PinEdge(*map(int, line.split(","))) for line in lines]


def wait_until(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for another thread or process; how long it takes is not judged."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience_s} s in vain for {what}"
        time.sleep(0.001)


SHORT = PulseTrain(channel=0, width_us=5_000, period_us=0, count=1)
LONGEST = PulseTrain(channel=0, width_us=300_000, period_us=0, count=1)
TRAIN = PulseTrain(channel=0, width_us=2_000, period_us=20_000, count=4, delay_us=3_000)


@dataclass(slots=True)
class Bench:
    """A board process, its port, its driver and its pin log.

    `longest` is a pulse that a stop can cut, `train` one of four; None where the board has no such thing.
    """

    process: subprocess.Popen[bytes]
    config: BoardConfig
    board: PulseGenerator
    log_path: Path
    name: str = ""
    short: PulseTrain = SHORT
    longest: PulseTrain | None = LONGEST
    train: PulseTrain | None = TRAIN

    def edges(self, output: int | None = None) -> list[PinEdge]:
        """Edges of one output, or of all."""
        return [edge for edge in read_edges(self.log_path) if output in (None, edge.output)]

    def now_us(self) -> int:
        """The board's time, as its log counts it; it never runs ahead of the board."""
        edges = self.edges()
        return edges[-1].device_us + (time.monotonic_ns() - edges[-1].host_ns) // 1000

    def end(self) -> None:
        """Close the driver, then switch the board off."""
        self.board.close()
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
        self.process.wait(PATIENCE_S)


def etholoop_emulator(log_path: Path, *options: str) -> Bench:
    """The Python emulator of the Etholoop firmware."""
    process, port = start_simulated_board(log_path, *options)
    config = BoardConfig(port=port, channels={"laser": 0})
    return Bench(process, config, build_board(config, SystemClock()), log_path)


def etholoop_firmware(log_path: Path, *options: str) -> Bench:
    """The real firmware in simavr, at the pace of real time."""
    process, port = start_board_process("tests.firmware.paced_board", log_path, *options)
    config = BoardConfig(port=port, channels={"laser": 0})
    return Bench(process, config, build_board(config, SystemClock()), log_path)


def foreign_board(driver: str, log_path: Path) -> Bench:
    """Another maker's board, emulated."""
    process, port = start_board_process("tests.emulated_boards", log_path, driver)
    sketch = Sketch(start="P", pulse_ms=5) if driver == "serial-character" else None
    config = BoardConfig(driver=driver, port=port, channels={"laser": 0}, sketch=sketch)
    board = build_board(config, SystemClock())
    if isinstance(board, SerialCharacter):
        board.boot_s = 0.0
    return Bench(process, config, board, log_path)


def harp_behavior(log_path: Path) -> Bench:
    bench = foreign_board("harp-behavior", log_path)
    bench.train = None
    return bench


def harp_cuttlefish(log_path: Path) -> Bench:
    return foreign_board("harp-cuttlefish", log_path)


def pulse_pal(log_path: Path) -> Bench:
    return foreign_board("pulse-pal", log_path)


def serial_character(log_path: Path) -> Bench:
    bench = foreign_board("serial-character", log_path)
    bench.train = bench.longest = None
    return bench


BENCHES: dict[str, Callable[[Path], Bench]] = {
    "etholoop-emulator": etholoop_emulator,
    "etholoop-firmware": etholoop_firmware,
    "harp-behavior": harp_behavior,
    "harp-cuttlefish": harp_cuttlefish,
    "pulse-pal": pulse_pal,
    "serial-character": serial_character,
}
