"""`etholoop changepoints`: how long behaviour holds still, without a model."""

import json
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from offline.changepoints import (
    ChangepointSettings,
    SessionChanges,
    block_durations_s,
    change_trace,
    changepoints,
    project,
    write_changepoints,
)
from offline.command_line import SEED, gather, progress_bar, repeatable, say
from offline.results import Results, open_all, read_crops, read_held_crops
from offline.training_pictures import draw_durations
from online.errors import ConfigError
from online.files.outputs import check_outputs


@dataclass(frozen=True, slots=True)
class ChangepointOptions:
    """The command's options; see `etholoop changepoints --help`."""

    results: tuple[Path, ...]
    out: Path
    compat: bool
    seed: int
    picture: Path | None
    as_json: bool


@click.command(epilog="Example: etholoop changepoints */proc/results_00.h5 --out changepoints.h5 --picture blocks.png")
@click.argument("results", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="changepoints.h5 to write.")
@click.option("--compat", is_flag=True, help="As moseq2-pca, its half-sample lag and gaps included.")
@click.option("--seed", default=0, show_default=True, type=SEED, help="Of the random projections.")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the distribution of block durations (PNG).")
@click.option("--json", "as_json", is_flag=True, help="Print the summary for programs.")
@gather(ChangepointOptions)
@repeatable
def command(options: ChangepointOptions) -> None:
    """Find changepoints of behaviour in extracted sessions (RESULTS) by random projections of the crops.

    The time from one to the next, the block duration, is what 'etholoop train --scan' compares durations of syllables
    with.
    """
    check_outputs({"--out": options.out, "--picture": options.picture}, options.results)
    sessions, complaints = open_all(options.results, "floor" if options.compat else "round", 1.0)
    for complaint in complaints:
        say(f"skipped: {complaint}")
    rates = {round(session.frame_rate_hz) for session in sessions}
    if len(rates) > 1:
        raise ConfigError(f"the sessions were recorded at {sorted(rates)} Hz: find their changepoints apart")
    rate_hz = float(rates.pop())
    settings = ChangepointSettings(compatible=options.compat, seed=options.seed)
    with progress_bar(silent=options.as_json) as bar:
        tracked = bar.track(sessions, description="sessions")
        found = [_changes(session, settings, rate_hz) for session in tracked]
    write_changepoints(options.out, found, rate_hz)
    blocks_s = np.concatenate([block_durations_s(c.times_s, c.trace, rate_hz) for c in found])
    if options.picture is not None:
        draw_durations(options.picture, {"blocks": blocks_s * 1000}, "Time from changepoint to changepoint")
    median_ms = float(np.median(blocks_s)) * 1000 if len(blocks_s) else None
    count = sum(len(changes.times_s) for changes in found)
    if options.as_json:
        summary = {"out": str(options.out), "sessions": [c.uuid for c in found], "changepoints": count}
        click.echo(json.dumps(summary | {"median_block_ms": median_ms}))
    else:
        shown = "no two of them" if median_ms is None else f"median block {median_ms:.0f} ms"
        click.echo(f"{options.out}: {count} changepoints in {len(found)} session(s), {shown}")


def _changes(session: Results, settings: ChangepointSettings, rate_hz: float) -> SessionChanges:
    crops = read_crops(session) if settings.compatible else read_held_crops(session)
    trace = change_trace(project(crops, settings), session.slots, settings)
    return SessionChanges(session.uuid, changepoints(trace, settings.threshold) / rate_hz, trace)
