"""`etholoop bench ttl`: the way of a pulse command, against a bare echo of as many bytes."""

import csv
import json
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import serial
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from online.errors import BoardError, BoardRefused
from rig.clock import SystemClock
from rig.ttl import wire
from rig.ttl.configuration import SIMULATED, BoardConfig, prepare_board, read_board_table
from rig.ttl.etholoop_board import EtholoopBoard
from rig.ttl.heartbeat import Heartbeat
from rig.ttl.protocol import BoardLimits, PulseTrain
from rig.ttl.simulated_board import end_board_process, start_board_process
from rig.ttl.wire import Kind

TRAIN = PulseTrain(channel=0, width_us=100, period_us=0, count=1)
PAUSE_NS = 1_000_000  # longer than a pulse and its interval, so that no command is refused
EXPIRES_US = 500_000
PATIENCE_NS = 2_000_000_000
TRACED = 100
MOST_DISARMED = 100
BITS_A_BYTE = 10


@dataclass(slots=True)
class Times:
    """All in ns: of each command, how long the call took, until its answer came, and until its pin rose; and how long
    the echo of as many bytes took. `peak_bytes`: the most that one call had allocated at a time. `disarmed`: how
    often the board disarmed itself, because this busy machine beat too late, and was armed again."""

    call: list[int] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    pin: list[int] = field(default_factory=list)
    echo: list[int] = field(default_factory=list)
    peak_bytes: int = 0
    disarmed: int = 0

    def rows(self) -> dict[str, list[int]]:
        """What there is to show, by name."""
        named = {
            "bare pyserial echo": self.echo,
            "command to acknowledgement": self.acknowledged,
            "command to pin": self.pin,
            "the call itself": self.call,
        }
        return {name: times for name, times in named.items() if times}


@click.command("ttl", epilog="Example: etholoop bench ttl --port usb:2341:0043 --yes")
@click.option("--port", default=SIMULATED, show_default=True, help="usb:VID:PID, a path, or simulated.")
@click.option("--commands", default=1000, show_default=True, type=click.IntRange(10, 50_000), help="How many.")
@click.option("--yes", is_flag=True, help="Light sources are off; ask nothing.")
@click.option("--json", "as_json", is_flag=True, help="Figures as JSON.")
def command(port: str, commands: int, yes: bool, as_json: bool) -> None:
    """Time pulse commands on an Etholoop board: the call in the frame loop, the answer, the pin.

    A bare pyserial echo of as many bytes, through a pseudo-terminal and a process of its own, is timed in between, in
    the same run. Output 0 gives a pulse of 0.1 ms for each command: switch its light source off first. The pin is
    seen on a simulated board alone (on a real one: `etholoop ttl check --loopback`).
    """
    config = read_board_table({"port": port, "channels": {"output": 0}}, "--port")
    if port != SIMULATED and not yes:
        click.confirm("Is the light source of output 0 switched off, or its cable pulled?", abort=True)
    with tempfile.TemporaryDirectory() as folder, progress_bar(as_json) as bar:
        task = bar.add_task("timing", total=commands)
        times = time_commands(config, commands, Path(folder), lambda: bar.advance(task))
    if as_json:
        click.echo(json.dumps(as_json_object(times), indent=1))
    else:
        show(times)


def progress_bar(silent: bool) -> Progress:
    """Shown while it is measured."""
    return Progress(console=Console(stderr=True), transient=True, disable=silent)


def time_commands(config: BoardConfig, commands: int, folder: Path, progress: Callable[[], None]) -> Times:
    """Commands and echoes in turn."""
    clock, times = SystemClock(), Times()
    written: list[int] = []
    payload = bytes(frame_bytes(Kind.PULSE))
    with board_and_echo(config, folder) as (port, echo):
        board = EtholoopBoard(port, clock)
        try:
            board.open()
            board.configure(BoardLimits(5_000, 0.5, 1_000_000, 100, wire.CEILING_PULSES))
            while quiet_ms := board.status()["quiet_ms"]:
                clock.sleep_until_ns(clock.now_ns() + quiet_ms * 1_000_000)
            heartbeat = Heartbeat(board.beat, lambda: True)
            heartbeat.start()
            board.arm()
            while len(written) < commands:
                try:
                    written.append(time_command(board, clock, times))
                except BoardRefused as error:
                    arm_again(board, times, error)
                    continue
                times.echo.append(time_echo(echo, clock, payload))
                clock.sleep_until_ns(clock.now_ns() + PAUSE_NS)
                progress()
            times.peak_bytes = peak_bytes(board, clock)
            heartbeat.stop()
            heartbeat.check()
        finally:
            board.close()
    if config.port == SIMULATED:
        times.pin = [rise - start for rise, start in zip(rises(folder / "pins.csv"), written, strict=False)]
    return times


@contextmanager
def board_and_echo(config: BoardConfig, folder: Path) -> Iterator[tuple[str, serial.Serial]]:
    """The port of the board, and an open one that echoes; what was started for it ends with the block."""
    real, board = prepare_board(config, folder / "pins.csv")
    mirror, path = start_board_process("rig.ttl.echo", folder / "echo.csv")
    try:
        with serial.Serial(path, wire.BAUD, timeout=2.0) as echo:
            yield real.port, echo
    finally:
        for process in filter(None, (board, mirror)):
            end_board_process(process)


def time_command(board: EtholoopBoard, clock: SystemClock, times: Times) -> int:
    """Write one command and wait for its receipt; returns when it began."""
    start_ns = clock.now_ns()
    board.pulse(TRAIN, EXPIRES_US)
    called_ns = clock.now_ns()
    answered_ns = receipt_ns(board, clock)
    times.call.append(called_ns - start_ns)
    times.acknowledged.append(answered_ns - start_ns)
    return start_ns


def arm_again(board: EtholoopBoard, times: Times, error: BoardRefused) -> None:
    """A machine that is too busy for a heartbeat disarms the board; whatever else it refused is an error."""
    if "not armed" not in str(error).replace("_", " ") or times.disarmed == MOST_DISARMED:
        raise error
    times.disarmed += 1
    board.arm()


def receipt_ns(board: EtholoopBoard, clock: SystemClock) -> int:
    """Wait for the next receipt; when the answer had come."""
    deadline_ns = clock.now_ns() + PATIENCE_NS
    while clock.now_ns() < deadline_ns:
        for receipt in board.receipts():
            if receipt.outcome != "executed":
                raise BoardRefused(f"a command was {receipt.outcome}: {receipt.reason}")
            return receipt.received_time_ns
        clock.sleep_until_ns(clock.now_ns() + 100_000)
    raise BoardError(f"a command had no receipt in {PATIENCE_NS // 10**9} s")


def time_echo(echo: serial.Serial, clock: SystemClock, payload: bytes) -> int:
    """How long a write and the read of the same bytes take."""
    start_ns = clock.now_ns()
    echo.write(payload)
    if len(echo.read(len(payload))) != len(payload):
        raise BoardError("the echo did not answer in 2 s: the machine is too busy for a measurement")
    return clock.now_ns() - start_ns


def peak_bytes(board: EtholoopBoard, clock: SystemClock) -> int:
    """The most that a call allocates, traced on calls that are not timed."""
    most = 0
    tracemalloc.start()
    for _ in range(TRACED):
        if not board.armed:
            board.arm()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        with suppress(BoardRefused):
            board.pulse(TRAIN, EXPIRES_US)
            most = max(most, tracemalloc.get_traced_memory()[1] - before)
            receipt_ns(board, clock)
        clock.sleep_until_ns(clock.now_ns() + PAUSE_NS)
    tracemalloc.stop()
    return most


def rises(log_path: Path) -> list[int]:
    """Host times (ns) of the rises of output 0."""
    with log_path.open() as file:
        return [int(row["host_ns"]) for row in csv.DictReader(file) if (row["output"], row["level"]) == ("0", "1")]


def frame_bytes(kind: Kind) -> int:
    """How many bytes a frame of a kind has."""
    return wire.HEADER.size + wire.TABLE[kind].packer.size + wire.CRC_BYTES


def wire_ms(kind: Kind) -> float:
    """How long a frame of a kind is on a serial wire."""
    return frame_bytes(kind) * BITS_A_BYTE / wire.BAUD * 1e3


def as_json_object(times: Times) -> dict[str, Any]:
    """Figures for programs; `over_echo` are medians as multiples of the echo's."""
    echo_ns = float(np.median(times.echo))
    rows: dict[str, Mapping[str, float]] = {}
    for name, values in times.rows().items():
        p50, p95, p99 = np.percentile(values, [50, 95, 99])
        figures = {"p50": p50, "p95": p95, "p99": p99, "max": float(max(values))}
        rows[name] = {key: value / 1e6 for key, value in figures.items()} | {"over_echo": p50 / echo_ns}
    return {
        "commands": len(times.call),
        "ms": rows,
        "wire_ms": {"command": wire_ms(Kind.PULSE), "acknowledgement": wire_ms(Kind.ACKNOWLEDGEMENT)},
        "peak_bytes_of_a_call": times.peak_bytes,
        "disarmed": times.disarmed,
    }


def show(times: Times) -> None:
    """Figures for a person."""
    found = as_json_object(times)
    table = Table(title=f"{found['commands']} commands, ms", title_justify="left")
    for heading in ("", "p50", "p95", "p99", "max", "p50 / echo"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, row in found["ms"].items():
        table.add_row(name, *(f"{row[key]:.3f}" for key in ("p50", "p95", "p99", "max")), f"{row['over_echo']:.2f}")
    Console().print(table)
    out, back = found["wire_ms"].values()
    click.echo(
        f"a serial wire at {wire.BAUD} baud takes {out:.2f} ms there and {back:.2f} ms back, which a pseudo-terminal "
        f"does not; a call allocates {found['peak_bytes_of_a_call']} bytes at most, of Python's own, and never waits"
    )
    if times.disarmed:
        click.echo(f"the board disarmed itself {times.disarmed} times: this machine was too busy for its heartbeat")
