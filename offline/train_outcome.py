"""What `etholoop train` leaves behind: bundles, a picture of the convergence, and what it says."""

import json
import math
from dataclasses import replace
from typing import Any

import click
import numpy as np

from offline.arhmm.data import Sessions
from offline.arhmm.diagnosis import diagnose
from offline.arhmm.fit import Fit
from offline.command_line import finite, say
from offline.scan.run import ScanResult
from offline.train_options import TrainOptions, bundle_of_group, picture_of, schedule_of
from offline.training import Prepared, Recipe, make_bundle, summarise_fit
from offline.training_pictures import draw_convergence
from online.files.bundle import save_bundle
from online.model import Array


def write_outcome(
    options: TrainOptions, prepared: Prepared, result: Fit, more: dict[str, Any], scan: ScanResult | None = None
) -> None:
    """Bundle, picture of the convergence, and the summary."""
    kappa = options.kappa if scan is None else scan.kept.candidate.kappa
    seed = options.seed if scan is None else scan.kept.candidate.seed
    made_by = f"etholoop train{' --scan' if scan else ''} (kappa {kappa:g}, {options.sweeps} sweeps)"
    notes = "" if scan is None else "\n".join([stage.reason for stage in scan.stages])
    bundle = make_bundle(prepared, result, Recipe(made_by, seed, options.pca, options.scores, notes))
    save_bundle(options.out, bundle)
    schedule = schedule_of(options, None)
    summary = summarise_fit(prepared, result, bundle, diagnose(result.trace, schedule.average)) | more
    final = {"training": summary["train_log_likelihood_per_frame"]}
    if summary["held_out_log_likelihood_per_frame"] is not None:
        final["held out"] = summary["held_out_log_likelihood_per_frame"]
    draw_convergence(picture_of(options.out), result.trace, schedule.average, final)
    _tell(options, summary)


def write_groups(options: TrainOptions, prepared: Prepared, result: Fit, groups: list[str]) -> dict[str, str]:
    """A bundle for each group that has transitions of its own; their paths by group."""
    if options.transitions == "group" and len(groups) < 2:
        say("all sessions are of one group: its transitions are those of the model")
    paths: dict[str, str] = {}
    for index, (name, model) in enumerate(zip(groups, result.by_group, strict=False)):
        made_by = f"etholoop train (kappa {options.kappa:g}, {options.sweeps} sweeps, transitions of group {name})"
        path = bundle_of_group(options.out, name)
        save_bundle(
            path,
            make_bundle(
                prepared,
                replace(result, model=model, usage=_usage(prepared.train, result, index)),
                Recipe(made_by, options.seed, options.pca, options.scores),
            ),
        )
        paths[name] = str(path)
    return paths


def _usage(train: Sessions, result: Fit, group: int) -> Array:
    """Shares (K,) of syllables in the sessions of one group, by the last Gibbs sample."""
    rows = [train.rows(i) for i in range(len(train.names)) if train.groups[i] == group]
    labels = np.concatenate([result.gibbs_labels[r] for r in rows])
    counts = np.bincount(labels[labels >= 0], minlength=len(result.usage)).astype(np.float64)
    shares: Array = counts / max(counts.sum(), 1.0)
    return shares


def _tell(options: TrainOptions, summary: dict[str, Any]) -> None:
    if options.as_json:
        click.echo(json.dumps({"out": str(options.out), **finite(summary)}))
        return
    click.echo(
        f"{options.out}: {summary['syllables']} syllables ({summary['syllables_for_95_percent']} cover 95 % of frames)"
    )
    if summary["median_duration_ms"] is not None:
        click.echo(
            f"median bout {summary['median_duration_ms']:.0f} ms (labels of one Gibbs sample, training sessions)"
        )
    held = summary["held_out_log_likelihood_per_frame"]
    count = len(summary["held_out_sessions"])
    shown = "no session held out" if held is None else f"{held:.3f} on {count} held-out session(s)"
    if held is not None and not math.isfinite(held):
        shown = f"no frame of {count} held-out session(s) could be judged: they are too short, or full of gaps"
    click.echo(f"log-likelihood per frame, whitened: {summary['train_log_likelihood_per_frame']:.3f} trained, {shown}")
    click.echo(summary["convergence"])
    if not summary["runs_at_rig"]:
        click.echo("trained from scores alone: it can label scores but cannot run at a rig (give --pca)")
