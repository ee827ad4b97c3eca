"""`etholoop bench train`: time of a sweep, memory, and time to a held-out likelihood, beside the peers installed."""

import importlib.util
import json
import multiprocessing
import os
import resource
import time
from dataclasses import asdict, dataclass
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from offline.arhmm.data import Sessions, assemble, fit_whitening
from offline.arhmm.fit import log_likelihood_per_frame
from offline.bench.learners import LEARNERS, Size
from offline.command_line import gather, say
from online.emission import whiten
from online.simulation.arhmm import random_similar_arhmm, sample

OURS = "Etholoop"
HELD_OUT_SESSIONS = 3
WARM_UP_STEPS = 2
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


@dataclass(frozen=True, slots=True)
class Job:
    """What one process measures."""

    name: str
    size: Size
    seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine. first_s: to make it and take the first step (compilation included); step_s: median of later steps;
    seconds and held_out: the course of learning, judging not counted, nats a frame; memory_gb: most that the process
    held, data_gb: what it held before the engine began."""

    name: str
    first_s: float
    step_s: float
    seconds: list[float]
    held_out: list[float]
    memory_gb: float
    data_gb: float


@click.command("train", epilog="Example: etholoop bench train --seconds 60")
@click.option("--sessions", default=30, show_default=True, type=click.IntRange(1))
@click.option("--frames", default=10_000, show_default=True, type=click.IntRange(100), help="Of each session.")
@click.option("--dims", default=10, show_default=True, type=click.IntRange(1))
@click.option("--lags", default=3, show_default=True, type=click.IntRange(1))
@click.option("--states", default=100, show_default=True, type=click.IntRange(1))
@click.option("--threads", type=click.IntRange(1), help="Of ours; default: all cores.")
@click.option("--seconds", default=120.0, show_default=True, type=click.FloatRange(0), help="Learning, of each engine.")
@click.option("--only", multiple=True, type=click.Choice(sorted(LEARNERS)), help="Engines; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print everything for programs.")
@gather(BenchTrainOptions)
def command(options: BenchTrainOptions) -> None:
    """Time our sampler and the peers that are installed on the same simulated sessions.

    Each engine runs in a process of its own, one after the other. Memory is what the process held at most, less what
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
    found: list[Measured] = []
    absent: list[str] = []
    for name, (package, _) in LEARNERS.items():
        if options.only and name not in options.only:
            continue
        if package is not None and importlib.util.find_spec(package) is None:
            absent.append(name)
            continue
        say(f"{name} ...")
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found.append(pool.apply(measure, (Job(name, size, options.seconds),)))
    rows = [compared(m, found) for m in found]
    if options.as_json:
        result = {"size": asdict(size), "engines": rows, "curves": [asdict(m) for m in found], "not_installed": absent}
        click.echo(json.dumps(result))
    else:
        Console().print(_table(rows, absent))


def measure(job: Job) -> Measured:
    """Learn for a while in this process and watch."""
    train, held_out = _data(job.size)
    before_gb = _most_gb()
    began = time.perf_counter()
    learner = LEARNERS[job.name][1](train, job.size)
    learner.step()
    first_s = time.perf_counter() - began
    memory_gb = _most_gb()
    elapsed = first_s
    steps: list[float] = []
    seconds, held = [first_s], [log_likelihood_per_frame(learner.model(), held_out)]
    while elapsed < job.seconds or len(steps) <= WARM_UP_STEPS:
        began = time.perf_counter()
        learner.step()
        steps.append(time.perf_counter() - began)
        elapsed += steps[-1]
        memory_gb = _most_gb()
        seconds.append(elapsed)
        held.append(log_likelihood_per_frame(learner.model(), held_out))
    return Measured(
        job.name, first_s, float(np.median(steps[WARM_UP_STEPS:])), seconds, held, memory_gb - before_gb, before_gb
    )


def compared(one: Measured, everyone: list[Measured]) -> dict[str, Any]:
    """A row of the table: the engine, and how many times slower than ours."""
    row: dict[str, Any] = {
        "engine": one.name,
        "step_s": one.step_s,
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
    row["until_as_good_s"] = theirs_s
    row["ours_until_as_good_s"] = ours_s
    row["until_as_good_times"] = None if ours_s is None or theirs_s is None else theirs_s / ours_s
    return row


def _reached(one: Measured, goal: float) -> float | None:
    """Seconds of learning until the held-out likelihood first reaches a goal."""
    return next((s for s, value in zip(one.seconds, one.held_out, strict=True) if value >= goal), None)


def _data(size: Size) -> tuple[Sessions, Sessions]:
    model = random_similar_arhmm(0, max(size.states, 2), size.dims, size.lags)
    drawn = [sample(model, size.frames, seed)[1] for seed in range(size.sessions + HELD_OUT_SESSIONS)]
    whitening = fit_whitening(drawn[: size.sessions])
    ready = [whiten(whitening, x) for x in drawn]
    names = [str(i) for i in range(len(ready))]
    return (
        assemble(names[: size.sessions], ready[: size.sessions], size.lags),
        assemble(names[size.sessions :], ready[size.sessions :], size.lags),
    )


def _most_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _table(rows: list[dict[str, Any]], absent: list[str]) -> Table:
    caption = f"not installed, so not compared: {', '.join(absent)}" if absent else None
    table = Table(title="learning an AR-HMM", caption=caption)
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
