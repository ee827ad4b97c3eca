"""`etholoop bench core`: the frame loop's stages, timed."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from offline.bench.footage import Footage, bundle_for, recorded_footage, simulated_footage
from offline.bench.peers import peer_stages
from offline.bench.stages import Timing, floor_stage, loop_stages, peak_bytes, time_stages
from offline.command_line import gather, progress_bar

SIZES = ((640, 480, 30), (848, 480, 90), (1280, 720, 30))
FOOTAGE_FRAMES = 300


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """The command's options; see `etholoop bench core --help`."""

    frames: int
    memory_frames: int
    recording: Path | None
    peers: bool
    as_json: bool


@click.command("core", epilog="Example: etholoop bench core --recording mouse/session_1")
@click.option("--frames", default=3000, show_default=True, type=click.IntRange(100), help="Timed on each footage.")
@click.option(
    "--memory-frames",
    default=10_000,
    show_default=True,
    type=click.IntRange(0),
    help="Frames on which allocations are traced, which takes longer; 0 for none.",
)
@click.option("--recording", type=click.Path(exists=True, path_type=Path), help="A MoSeq recording to time on as well.")
@click.option("--peers/--no-peers", default=True, show_default=True, help="Time OpenCV and dynamax, where installed.")
@click.option("--json", "as_json", is_flag=True, help="Tables as JSON.")
@gather(BenchOptions)
def command(options: BenchOptions) -> None:
    """Time extraction, projection, filter and smoothing on a simulated mouse, one core.

    A model of 100 syllables, 10 dimensions and 3 lags is used at 640x480, 848x480 (90 Hz) and 1280x720. The floor of
    a table is copying the frame once plus one matrix-vector product of the filter's size, measured between the stages
    in the same run; p50, p99 and max are printed as multiples of its median, which carry over to other machines better
    than microseconds do. Where OpenCV or dynamax is installed, the same work is done with them as well.
    """
    tables: list[dict[str, Any]] = []
    with progress_bar(silent=options.as_json) as bar:
        task = bar.add_task("timing", total=len(SIZES) + (options.recording is not None), note="")
        for size in SIZES:
            tables.append(_bench(simulated_footage(*size, FOOTAGE_FRAMES), options))
            bar.advance(task)
        if options.recording:
            tables.append(_bench(recorded_footage(options.recording, FOOTAGE_FRAMES), options))
            bar.advance(task)
    if options.as_json:
        click.echo(json.dumps({"tables": tables}, indent=1))
        return
    for table in tables:
        Console().print(_table(table))


def _bench(footage: Footage, options: BenchOptions) -> dict[str, Any]:
    bundle = bundle_for(footage)
    floor = floor_stage(footage, bundle)
    timings = time_stages([floor, *loop_stages(footage, bundle)], options.frames)
    peers, absent = peer_stages(footage, bundle) if options.peers else ([], [])
    if peers:  # in a run of their own, so that they do not empty the loop's caches
        timings += time_stages([floor, *peers], options.frames)[1:]
    if options.memory_frames:
        peaks = peak_bytes(loop_stages(footage, bundle), options.memory_frames)
        timings = [replace(t, peak_bytes=peaks.get(t.stage)) for t in timings]
    return {"footage": footage.name, "stages": [asdict(t) for t in timings], "peers_not_installed": absent}


def _table(result: dict[str, Any]) -> Table:
    absent = result["peers_not_installed"]
    caption = f"not installed, so not compared: {', '.join(absent)}" if absent else None
    table = Table(title=result["footage"], caption=caption)
    table.add_column("stage", no_wrap=True)
    for name in ("p50 (us)", "p50", "p99", "max", "allocates"):
        table.add_column(name, justify="right")
    for row in (Timing(**stage) for stage in result["stages"]):
        peak = "" if row.peak_bytes is None else f"{row.peak_bytes / 1024:.1f} KiB"
        ratios = (f"x {us / row.floor_us:.2f}" for us in (row.p50_us, row.p99_us, row.max_us))
        table.add_row(row.stage, f"{row.p50_us:.1f}", *ratios, peak)
    return table
