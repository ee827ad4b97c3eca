"""`etholoop ttl check`: is the board quick, does it keep its limits, do its pulses reach the pin?"""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress

from online.errors import ConfigError
from rig.clock import SystemClock
from rig.configuration import load_rig
from rig.ttl import board_check
from rig.ttl.board_check import Bench, Finding, LoopbackFinding
from rig.ttl.configuration import BoardConfig, prepare_board, read_board_table
from rig.ttl.etholoop_board import EtholoopBoard
from rig.ttl.protocol import BoardInfo
from rig.ttl.simulated_board import end_board_process

NUM_ROUND_TRIPS = 500
NUM_FINDINGS = 17
BARS = 40
PULL_DOWNS = (
    "Has every output a pull-down resistor (10 kOhm to ground)? Pins float while the board resets, and whatever hears "
    "a floating line may take it for a pulse"
)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found; `pull_downs` is None when nobody was asked."""

    board: BoardInfo
    round_trips_ns: list[int]
    findings: list[Finding]
    loopbacks: list[LoopbackFinding]
    alerts: list[str]
    pull_downs: bool | None

    @property
    def failures(self) -> list[str]:
        """What is wrong, in words; empty when nothing is."""
        wrong = [f"{f.name}: {f.expected} expected, {f.found} found" for f in self.findings if not f.ok]
        wrong += [
            f"output {x.output} to input {x.input}: {len(x.widths_us)} of {x.pulses} pulses seen whole, or wrong widths"
            for x in self.loopbacks
            if not x.ok
        ]
        return wrong + (["outputs without pull-down resistors"] if self.pull_downs is False else [])

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        p50, p99 = np.percentile(self.round_trips_ns, [50, 99]) / 1e6
        return {
            "board": asdict(self.board),
            "round_trip_ms": {"p50": p50, "p99": p99, "count": len(self.round_trips_ns)},
            "limits": [asdict(finding) | {"ok": finding.ok} for finding in self.findings],
            "loopback": [asdict(loopback) | {"ok": loopback.ok} for loopback in self.loopbacks],
            "alerts": self.alerts,
            "pull_downs": self.pull_downs,
            "failures": self.failures,
        }


@click.command("check", epilog="Example: etholoop ttl check --rig rig.toml --loopback 0 2")
@click.option("--rig", type=click.Path(path_type=Path), help="Rig file; only [board] is used.")
@click.option("--port", help="Instead of a rig file: usb:VID:PID, a path, or simulated.")
@click.option(
    "--loopback", nargs=2, type=int, multiple=True, metavar="OUTPUT INPUT", help="An output wired to an input."
)
@click.option("--pulses", default=50, show_default=True, type=click.IntRange(1, 200), help="For each loopback.")
@click.option("--yes", is_flag=True, help="Light sources are off; ask nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON; needs --yes.")
def command(
    rig: Path | None, port: str | None, loopback: tuple[tuple[int, int], ...], pulses: int, yes: bool, as_json: bool
) -> None:
    """Examine an Etholoop board: identity, round trips, limits, and pulses from an output back to an input.

    Switch every light source off first: outputs that are wired to inputs are pulsed, and a board that fails may pulse
    others. Exit code 1 when the board failed, 4 when there is none.
    """
    config = board_of(rig, port, loopback)
    if as_json and not yes:
        raise click.UsageError("--json asks nothing: switch light sources off and add --yes")
    if not yes:
        ask_for_darkness()
    with a_board(config) as real:
        report = examine(real, pulses, silent=as_json)
    if not yes:
        report = Report(**{**_fields(report), "pull_downs": click.confirm(PULL_DOWNS, default=False)})
    click.echo(json.dumps(report.as_json(), indent=1) if as_json else as_text(report))
    if report.failures:
        sys.exit(1)


def ask_for_darkness() -> None:
    """Go on only if light sources are off; where nobody can answer, say how to do without."""
    try:
        dark = click.confirm("Are all light sources switched off, or their cables pulled?")
    except click.Abort as error:
        raise click.UsageError("nobody answered: switch light sources off and add --yes") from error
    if not dark:
        raise click.Abort


def _fields(report: Report) -> dict[str, Any]:
    return {name: getattr(report, name) for name in Report.__slots__}


def board_of(rig: Path | None, port: str | None, loopback: Sequence[tuple[int, int]]) -> BoardConfig:
    """The board that the options mean."""
    if (rig is None) == (port is None):
        raise click.UsageError("name a board by --rig or by --port")
    wires = {f"output {output}": output for output, _ in loopback}
    inputs = {f"output {output}": number for output, number in loopback}
    if len(wires) < len(loopback):
        raise click.UsageError("--loopback: an output is named twice; examine its wires one after the other")
    if rig is None:
        table = {"port": port, "channels": wires or {"output 0": 0}, "loopback": inputs}
        return read_board_table(table, "--port and --loopback")
    config = load_rig(rig).board
    if config.driver != "etholoop":
        raise ConfigError(
            f"{rig}: [board] driver = {config.driver!r}: only boards with Etholoop's firmware are examined"
        )
    if not loopback:
        return config
    return read_board_table(config.model_dump() | {"channels": wires, "loopback": inputs}, f"{rig} and --loopback")


@contextmanager
def a_board(config: BoardConfig) -> Iterator[BoardConfig]:
    """The board at its real port; a simulated one runs for as long as the block takes."""
    with tempfile.TemporaryDirectory() as folder:
        real, process = prepare_board(config, Path(folder) / "pins.csv")
        try:
            yield real
        finally:
            if process is not None:
                end_board_process(process)


def examine(config: BoardConfig, pulses: int, silent: bool) -> Report:
    """Ask the board everything."""
    clock = SystemClock()
    board = EtholoopBoard(config.port, clock, config.interlock)
    wires = [(config.channels[name], number) for name, number in config.loopback.items()]
    total = NUM_ROUND_TRIPS + NUM_FINDINGS + pulses * len(wires)
    try:
        info = board.open()
        with Progress(console=Console(stderr=True), disable=silent, transient=True) as bar:
            task = bar.add_task("examining", total=total)
            bench = Bench(board, clock, lambda: bar.advance(task))
            times = board_check.round_trips_ns(bench, NUM_ROUND_TRIPS)
            board_check.prepare(bench)
            findings = board_check.check_limits(bench)
            loopbacks = [board_check.check_loopback(bench, *wire, pulses) for wire in wires]
    finally:
        board.close()
    alerts = [alert for alert in board.alerts() if "heartbeat_lost" not in alert]
    if bench.disarmed:
        alerts.append(f"disarmed by itself {bench.disarmed} times: this machine was too busy to beat every 50 ms")
    return Report(info, times, findings, loopbacks, alerts, None)


def as_text(report: Report) -> str:
    """For a person."""
    info, found = report.board, report.as_json()["round_trip_ms"]
    lines = [
        f"board       {info.identity}, firmware {info.firmware}, {info.num_outputs} outputs, {info.num_inputs} inputs",
        f"round trip  p50 {found['p50']:.2f} ms, p99 {found['p99']:.2f} ms ({found['count']} heartbeats)",
        *(f"ALERT       {alert}" for alert in report.alerts),
    ]
    lines += [f"{'refused' if f.ok else 'FAILED ':10}  {f.name} ({f.found.lower()})" for f in report.findings]
    for x in report.loopbacks:
        lines.append(
            f"loopback    output {x.output} to input {x.input}: {len(x.widths_us)} of {x.pulses} pulses seen whole"
        )
        lines += histogram("from the board's time of the pulse to the rise, us", x.latencies_us)
        lines += histogram("width, us", x.widths_us)
    if not report.loopbacks:
        lines.append("loopback    not examined: wire an output to an input and add --loopback OUTPUT INPUT")
    lines += [f"FAILED      {failure}" for failure in report.failures]
    return "\n".join([*lines, "" if report.failures else "the board is as it should be"]).rstrip()


def histogram(title: str, values: list[int]) -> list[str]:
    """Bars of text, at most ten; a line for each of the bins of equal width."""
    if not values:
        return []
    low, high = min(values), max(values)
    step = max(1, -(-(high - low + 1) // 10))
    counts = np.bincount((np.array(values) - low) // step)
    lines = [f"  {title}"]
    for n, count in enumerate(counts):
        start = low + n * step
        name = f"{start}" if step == 1 else f"{start} ... {start + step - 1}"
        lines.append(f"  {name:>16} {'#' * int(np.ceil(BARS * count / counts.max())):{BARS}} {count}")
    return lines
