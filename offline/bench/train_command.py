"""`etholoop bench train`: time of a sweep, memory, and time to a held-out likelihood, beside the peers installed."""

import importlib.util
import json
import os
from dataclasses import asdict, dataclass
from typing import Any

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from offline.bench.learners import LEARNERS, Size
from offline.bench.race import Measured, race
from offline.command_line import Number, gather

OURS = "Etholoop"
NEAR_NATS = 0.01


@dataclass(frozen=True, slots=True)
class BenchTrainOptions:
    """The command's options; see `etholoop bench train --help`."""

    sessions: int
    frames: int
    dims: int
    lags: int
    states: int
    threads: int | None
    seconds: float
    only: tuple[str, ...]
    as_json: bool


@click.command("train", epilog="Example: etholoop bench train --seconds 60")
@click.option("--sessions", default=30, show_default=True, type=click.IntRange(1))
@click.option("--frames", default=10_000, show_default=True, type=click.IntRange(100), help="Of each session.")
@click.option("--dims", default=10, show_default=True, type=click.IntRange(1))
@click.option("--lags", default=3, show_default=True, type=click.IntRange(1))
@click.option("--states", default=100, show_default=True, type=click.IntRange(1))
@click.option("--threads", type=click.IntRange(1), help="Of ours; default: all cores.")
@click.option("--seconds", default=120.0, show_default=True, type=Number(0), help="Learning, of each engine.")
@click.option("--only", multiple=True, type=click.Choice(sorted(LEARNERS)), help="Engines; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print everything for programs.")
@gather(BenchTrainOptions)
def command(options: BenchTrainOptions) -> None:
    """Time our sampler and the peers that are installed on the same simulated sessions.

    Each engine runs in a process of its own; they take turns, so that whatever else the machine does falls on all.
    The processor time of a step is told by --json. Memory is what the process held at most, less what
    Python and the data took before. "Until as good" is the time in which ours reaches the best held-out likelihood that
    the peer reached in its time, and the peer comes within 0.01 nats of it, compilation included for both.
    """
    size = Size(
        options.sessions,
        options.frames,
        options.dims,
        options.lags,
        options.states,
        options.threads or len(os.sched_getaffinity(0)),
    )
    wanted = {name: package for name, (package, _) in LEARNERS.items() if not options.only or name in options.only}
    absent = [name for name, package in wanted.items() if package and importlib.util.find_spec(package) is None]
    found = race([name for name in wanted if name not in absent], size, options.seconds)
    rows = [compared(m, found) for m in found]
    if options.as_json:
        result = {"size": asdict(size), "engines": rows, "curves": [asdict(m) for m in found], "not_installed": absent}
        click.echo(json.dumps(result))
    else:
        Console().print(_table(rows, absent))


def compared(one: Measured, everyone: list[Measured]) -> dict[str, Any]:
    """A row of the table: the engine, and how many times slower than ours."""
    row: dict[str, Any] = {
        "engine": one.name,
        "step_s": one.step_s,
        "step_cpu_s": one.step_cpu_s,
        "first_s": one.first_s,
        "memory_gb": one.memory_gb,
        "process_gb": one.memory_gb + one.data_gb,
        "best_held_out": max(one.held_out),
    }
    ours = next((m for m in everyone if m.name == OURS), None)
    if ours is None or one is ours:
        return row
    goal = max(one.held_out)
    theirs_s = _reached(one, goal - NEAR_NATS)
    ours_s = _reached(ours, goal)
    row["times_slower"] = one.step_s / ours.step_s
    row["times_slower_cpu"] = one.step_cpu_s / ours.step_cpu_s
    row["until_as_good_s"] = theirs_s
    row["ours_until_as_good_s"] = ours_s
    row["until_as_good_times"] = None if ours_s is None or theirs_s is None else theirs_s / ours_s
    return row


def _reached(one: Measured, goal: float) -> float | None:
    """Seconds of learning until the held-out likelihood first reaches a goal."""
    return next((s for s, value in zip(one.seconds, one.held_out, strict=True) if value >= goal), None)


def _table(rows: list[dict[str, Any]], absent: list[str]) -> Table:
    caption = f"not installed, so not compared: {', '.join(absent)}" if absent else None
    table = Table(title="learning an AR-HMM", caption=caption, box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("engine", no_wrap=True)
    for heading in (
        "a step (s)",
        "times ours",
        "memory (GB)",
        "held out (nats)",
        "until as good (s)",
        "ours (s)",
        "times",
    ):
        table.add_column(heading, justify="right")
    for row in rows:
        numbers = [
            row.get("times_slower"),
            row["memory_gb"],
            row["best_held_out"],
            row.get("until_as_good_s"),
            row.get("ours_until_as_good_s"),
            row.get("until_as_good_times"),
        ]
        formats = ("{:.1f}", "{:.2f}", "{:.3f}", "{:.1f}", "{:.1f}", "{:.1f}")
        cells = ["" if n is None else f.format(n) for n, f in zip(numbers, formats, strict=True)]
        table.add_row(row["engine"], f"{row['step_s']:.3f}", *cells)
    return table
