"""`etholoop compare`: is this behaviour made of syllables, and are they distinct?"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
from matplotlib.figure import Figure

from offline.arhmm.fit import Schedule
from offline.arhmm.gibbs import Settings
from offline.arhmm.transitions import StickyHDP
from offline.command_line import KAPPA, SEED, Number, finite, gather, progress_bar, repeatable, say
from offline.comparison.cross_likelihood import CrossLikelihood, control, cross_likelihood, threshold
from offline.comparison.families import AR_HMM, FAMILIES, FamilyData, FamilyFit, fit_family
from offline.dataset import common_rate_hz, hold_out, open_dataset
from offline.dataset_files import Selection
from offline.learning_options import (
    LAGS,
    PCS,
    PRIOR,
    SCHEDULER,
    SCORES,
    SWEEPS,
    WORKERS,
    averaged_sweeps,
    learns_prior,
)
from offline.training import prepare
from offline.training_pictures import COLOURS, save_figure
from offline.workers import Workers, open_workers
from online.errors import ConfigError, EtholoopError
from online.files.outputs import check_outputs
from online.model import Array


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """The command's options; see `etholoop compare --help`."""

    scores: tuple[Path, ...]
    pca: Path | None
    kappa: float
    max_syllables: int
    lags: int
    pcs: int
    sweeps: int
    hold_out: float
    prior: Literal["auto", "learned", "fixed"]
    seed: int
    controls: int
    workers: int
    scheduler: str | None
    picture: Path | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """The families in order, the AR-HMM's cross-likelihood on held-out sessions, separations in each control, and the
    5 % level; the level is None without controls."""

    families: list[FamilyFit]
    cross: CrossLikelihood
    controls: list[Array]
    level: float | None


@click.command(epilog="Example: etholoop compare scores.h5 --kappa 1e4 --controls 5 --picture compare.png")
@SCORES
@click.option("--pca", type=click.Path(exists=True, path_type=Path), help="pca.h5, to score results with.")
@click.option("--kappa", default=1e3, show_default=True, type=KAPPA, help="As for 'etholoop train'.")
@click.option("--max-syllables", default=100, show_default=True, type=click.IntRange(2, 2000))
@LAGS
@PCS
@SWEEPS
@click.option("--hold-out", default=0.2, show_default=True, type=Number(0, 0.9, min_open=True))
@PRIOR
@click.option("--seed", default=0, show_default=True, type=SEED)
@click.option("--controls", default=5, show_default=True, type=click.IntRange(0), help="Controls without modules.")
@WORKERS
@SCHEDULER
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the comparison (PNG).")
@click.option("--json", "as_json", is_flag=True, help="Print everything for programs.")
@gather(CompareOptions)
@repeatable
def command(options: CompareOptions) -> None:
    """Compare families of models on held-out sessions of SCORES, and test whether syllables are distinct.

    AR-HMM, AR mixture, Gaussian HMM, Gaussian mixture and a single AR process are fitted to the same sessions and
    judged on the same held-out frames. Then the AR-HMM's syllables are compared by cross-likelihood, against controls:
    data of the same spectrum that a single AR process made, in which there are no syllables.
    """
    check_outputs({"--picture": options.picture}, (*options.scores, options.pca))
    found = open_dataset(options.scores, Selection(options.pcs, options.pca, seed=options.seed))
    for complaint in found.complaints:
        say(f"skipped: {complaint}")
    held = hold_out(found.sessions, options.hold_out, options.seed)
    prepared = prepare(found.sessions, held, options.lags, common_rate_hz(found) or 30.0)
    if prepared.held_out is None:
        raise ConfigError("models are compared on held-out sessions, and none is held out: give two sessions or more")
    data = FamilyData(
        prepared.train,
        prepared.held_out,
        Settings(
            StickyHDP(options.kappa),
            max_syllables=options.max_syllables,
            learn_prior=learns_prior(options.prior, options.pca, found.sessions),
            seed=options.seed,
        ),
        Schedule(options.sweeps, averaged_sweeps(options.sweeps), len(os.sched_getaffinity(0))),
    )
    with open_workers(options.workers, options.scheduler) as workers:
        comparison = compare(data, options.controls, workers, options.as_json)
    if options.picture is not None:
        draw_comparison(options.picture, comparison)
    if options.as_json:
        click.echo(json.dumps(finite(as_json(comparison))))
    else:
        click.echo("\n".join(in_words(comparison)))


def compare(data: FamilyData, num_controls: int, workers: Workers, silent: bool = True) -> Comparison:
    """Fit all families, then the controls."""
    with progress_bar(silent) as bar:
        task = bar.add_task("models", total=len(FAMILIES) + num_controls, note="")
        families: list[FamilyFit] = []
        for fitted in workers.map(fit_family, data, FAMILIES):
            if isinstance(fitted, EtholoopError):
                raise fitted
            families.append(fitted)
            bar.update(task, advance=1, note=f"{fitted.family.name}: {fitted.held_out_per_frame:.3f} nats/frame")
        by_name = {f.family.name: f.fit.model for f in families}
        jobs = [(by_name["single AR"], data.settings.seed + 1 + i) for i in range(num_controls)]
        controls: list[Array] = []
        for pairs in workers.map(control, data, jobs):
            if isinstance(pairs, EtholoopError):
                raise pairs
            controls.append(pairs)
            bar.update(task, advance=1, note="control")
    cross = cross_likelihood(by_name[AR_HMM.name], data.held_out)
    return Comparison(families, cross, controls, threshold(controls) if controls else None)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Every figure."""
    matrix = comparison.cross.matrix
    level = comparison.level
    return {
        "families": [
            {
                "name": f.family.name,
                "held_out_per_frame": f.held_out_per_frame,
                "states_for_95_percent": int((np.cumsum(f.fit.usage) < 0.95).sum() + 1),
            }
            for f in comparison.families
        ],
        "cross_likelihood": [[None if np.isnan(v) else float(v) for v in row] for row in matrix],
        "bouts": comparison.cross.bouts.tolist(),
        "pairs": len(comparison.cross.pairs),
        "level_5_percent": level,
        "separated_pairs": None if level is None else int((comparison.cross.pairs > level).sum()),
        "largest_separation": float(comparison.cross.pairs.max(initial=0.0)),
        "largest_separation_of_controls": [float(pairs.max(initial=0.0)) for pairs in comparison.controls],
    }


def in_words(comparison: Comparison) -> list[str]:
    """Lines for the person."""
    best = max(f.held_out_per_frame for f in comparison.families)
    lines = [f"{'held-out log-likelihood':26}{'nats a frame':>12}{'behind':>10}{'states':>8}"]
    for f in comparison.families:
        states = int((np.cumsum(f.fit.usage) < 0.95).sum() + 1)
        lines.append(f"{f.family.name:26}{f.held_out_per_frame:12.3f}{best - f.held_out_per_frame:10.3f}{states:8}")
    pairs, level = comparison.cross.pairs, comparison.level
    if level is None:
        return [*lines, "no controls were made (--controls), so nothing can be said about distinct syllables"]
    count = int((pairs > level).sum())
    lines.append(
        f"{count} of {len(pairs)} pairs of syllables are separated by more than {level:.2f} nats a frame, what "
        f"{len(comparison.controls)} controls without modules reach in 5 % of cases"
    )
    if level == 0:
        lines.append("(no control has two syllables with ten bouts: a single process is not cut up like this)")
    if len(pairs) == 0:
        lines.append("no two syllables have ten bouts each in the held-out sessions: hold out more")
    elif count == 0:
        lines.append("nothing here speaks for separate syllables: one continuous process would look the same")
    return lines


def draw_comparison(path: Path, comparison: Comparison) -> None:
    """Families, the cross-likelihood matrix, and separations beside the controls'."""
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1.1, 1.1])
    names = [f.family.name for f in comparison.families][::-1]
    values = np.array([f.held_out_per_frame for f in comparison.families])[::-1]
    left.barh(names, values - values.min(), color=COLOURS[4])
    left.set(xlabel="held-out nats a frame above the worst")
    matrix = comparison.cross.matrix
    order = np.flatnonzero(np.isfinite(matrix).any(0))
    shown = matrix[np.ix_(order, order)]
    if shown.size:
        image = middle.imshow(shown, cmap="viridis", vmin=np.percentile(shown, 5), vmax=0, interpolation="nearest")
        figure.colorbar(image, ax=middle, label="nats a bout")
    middle.set(xlabel="syllable of the bout", ylabel="judged by syllable", title="cross-likelihood")
    pairs = comparison.cross.pairs
    pooled = np.concatenate(comparison.controls) if comparison.controls else np.empty(0)
    top = max(float(np.percentile(pairs, 99)) if len(pairs) else 1.0, float(pooled.max(initial=0.0)) * 1.2, 1e-3)
    for found, name, colour in ((pairs, "data", COLOURS[0]), (pooled, "controls without modules", "0.5")):
        if len(found):
            counts, edges = np.histogram(np.clip(found, 0, top), np.linspace(0, top, 50))
            right.stairs(counts / len(found), edges, color=colour, lw=1.5, label=name)
    if comparison.level is not None:
        right.axvline(comparison.level, color=COLOURS[5], ls="--", lw=1, label="5 % level of the largest")
    right.set(xlabel="separation of a pair (nats a frame)", ylabel="share of pairs")
    right.legend(frameon=False, fontsize=8, loc="upper right")
    save_figure(figure, path)
