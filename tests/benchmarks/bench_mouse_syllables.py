"""How many syllables a model finds in a simulated mouse, from depth frames, and how it grows with the data.

    etholoop simulate --out FOLDER --sessions 10 --minutes 10
    etholoop extract FOLDER/* --no-movie
    etholoop pca FOLDER/*/proc/results_00.h5 --hold-out 0.2 --out FOLDER/pca.h5 --scores FOLDER/scores.h5
    etholoop changepoints FOLDER/*/proc/results_00.h5 --out FOLDER/changepoints.h5
    etholoop train FOLDER/scores.h5 --pca FOLDER/pca.h5 --out FOLDER/mouse.model.h5 --scan --scan-student-t \
        --changepoints FOLDER/changepoints.h5 --restarts 1                     # a quarter of an hour; says kappa
    python tests/benchmarks/bench_mouse_syllables.py FOLDER --kappa KAPPA --model FOLDER/mouse.model.h5 --out growth.png

The model that the command line made, from what a lab would have, is judged by the truth that it never saw. Beside it:
models learned from an eighth, a quarter, half and all of the frames of the training sessions at the same kappa, and one
of the true posture, which no camera could beat. A fifth of the sessions judges. Syllables that carry 95 % of usage
count.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import h5py
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from offline.arhmm.data import Sessions
from offline.arhmm.fit import Schedule, fit, log_likelihood_per_frame
from offline.arhmm.gibbs import Settings
from offline.arhmm.hmm import Labels
from offline.arhmm.labelling import label
from offline.arhmm.transitions import StickyHDP
from offline.command_line import gather
from offline.dataset import hold_out, open_dataset
from offline.dataset_files import Selection
from offline.durations import durations_frames
from offline.model_merge import ready
from offline.score import accuracy, adjusted_mutual_information
from offline.scores import ScoredSession
from offline.training import prepare
from offline.training_pictures import COLOURS, save_figure
from online.files.bundle import load_bundle
from online.files.truth_file import TruthRecord, read_truth
from online.model import ARHMM, Array

SHARES = (0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Task:
    """A data set and how to learn from it."""

    sessions: list[ScoredSession]
    held: list[str]
    truth: dict[str, TruthRecord]
    settings: Settings
    sweeps: int


@dataclass(frozen=True)
class Options:
    """The benchmark's options."""

    folder: Path
    out: Path | None
    pcs: int
    kappa: float
    model: Path | None
    max_syllables: int
    sweeps: int
    seed: int
    prior: str
    student_t: bool
    posture: bool


def used(counts: NDArray[np.float64]) -> int:
    """How many of the most frequent carry 95 %."""
    share = np.cumsum(np.sort(counts)[::-1]) / counts.sum()
    return int((share < 0.95).sum() + 1)


def shortened(session: ScoredSession, share: float) -> ScoredSession:
    """The first part of a session."""
    return ScoredSession(session.uuid, session.scores[: round(share * len(session.scores))], session.source)


def against_truth(task: Task, model: ARHMM, usage: Array, held: Sessions) -> dict[str, float]:
    """How a model's Viterbi labels of the held-out sessions compare with the truth."""
    labels = [
        label(model, np.where(held.present[rows, None], held.x[rows], np.nan), "viterbi")[0]
        for rows in (held.rows(i) for i in range(len(held.names)))
    ]
    truth = np.concatenate([task.truth[name].syllable[: len(z)] for name, z in zip(held.names, labels, strict=True)])
    joined = np.concatenate(labels)
    return {
        "syllables": used(usage),
        "true_syllables": used(np.bincount(truth).astype(np.float64)),
        "ami": adjusted_mutual_information(truth, joined),
        "accuracy": accuracy(truth, joined),
        "held_out_nats": log_likelihood_per_frame(model, held),
    }


def lengths(task: Task, names: Sequence[str], labels: list[Labels]) -> dict[str, float]:
    """Median bout of labels drawn from the posterior, and of the truth."""
    return {
        "median_frames": float(np.median(durations_frames(labels))),
        "true_median_frames": float(np.median(durations_frames([task.truth[name].syllable for name in names]))),
    }


def judge(task: Task, share: float) -> dict[str, float]:
    """Learn from a share of the training sessions' frames, judge on the held-out ones."""
    chosen = [s if s.uuid in task.held else shortened(s, share) for s in task.sessions]
    prepared = prepare(chosen, task.held, 3, 30.0)
    found = fit(prepared.train, None, task.settings, Schedule(task.sweeps, 40, 2))
    assert prepared.held_out is not None
    train = prepared.train
    gibbs = [found.gibbs_labels[train.rows(i)] for i in range(len(train.names))]
    return {
        "share": share,
        "frames": train.num_frames,
        **against_truth(task, found.model, found.usage, prepared.held_out),
        **lengths(task, train.names, gibbs),
    }


def judge_bundle(task: Task, path: Path) -> dict[str, float]:
    """A bundle that `etholoop train` made of the same sessions."""
    bundle = load_bundle(path)
    narrow = [replace(s, scores=s.scores[:, : bundle.arhmm.num_dims]) for s in task.sessions]
    held = ready(bundle, [s for s in narrow if s.uuid in task.held])
    train = ready(bundle, [s for s in narrow if s.uuid not in task.held])
    gibbs = [label(bundle.arhmm, train.x[train.rows(i)], "gibbs", i)[0] for i in range(len(train.names))]
    return {**against_truth(task, bundle.arhmm, bundle.usage, held), **lengths(task, train.names, gibbs)}


def read_truths(folder: Path) -> dict[str, TruthRecord]:
    """Truth by the uuid of the results beside it."""
    found = {}
    for path in sorted(folder.glob("**/truth.h5")):
        with h5py.File(path.parent / "proc" / "results_00.h5") as file:
            found[file["metadata/uuid"].asstr()[()]] = read_truth(path)
    return found


def tell(source: str, row: dict[str, float]) -> None:
    """One JSON line."""
    click.echo(json.dumps({"from": source} | {k: round(v, 4) for k, v in row.items()}))


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Picture of the growth (PNG).")
@click.option("--pcs", default=10)
@click.option("--kappa", default=1e6)
@click.option("--model", type=click.Path(exists=True, path_type=Path), help="A bundle to judge as well.")
@click.option("--max-syllables", default=60)
@click.option("--sweeps", default=150)
@click.option("--seed", default=0)
@click.option("--prior", type=click.Choice(["learned", "fixed"]), default="fixed")
@click.option("--student-t/--gaussian", default=True)
@click.option("--posture/--no-posture", default=True, help="Also a model of the true posture.")
@gather(Options)
def main(options: Options) -> None:
    """Print one JSON line for each model."""
    sessions = open_dataset([options.folder / "scores.h5"], Selection(options.pcs)).sessions
    truth = read_truths(options.folder)
    held = hold_out(sessions, 0.2, options.seed)
    settings = Settings(
        StickyHDP(options.kappa),
        max_syllables=options.max_syllables,
        student_t=options.student_t,
        learn_prior=options.prior == "learned",
        seed=options.seed,
    )
    task = Task(sessions, held, truth, settings, options.sweeps)
    if options.model is not None:
        tell("bundle", judge_bundle(task, options.model))
    rows = []
    for share in SHARES:
        rows.append(judge(task, share))
        tell("depth", rows[-1])
    if options.posture:
        poses = [ScoredSession(s.uuid, truth[s.uuid].posture, s.source) for s in sessions]
        tell("true posture", judge(replace(task, sessions=poses), 1.0))
    if options.out is not None:
        figure = Figure(figsize=(5, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot([r["frames"] for r in rows], [r["syllables"] for r in rows], "o-", color=COLOURS[0], label="found")
        axes.axhline(rows[-1]["true_syllables"], color="0.4", ls=":", label="truth")
        axes.set(xlabel="frames learned from", ylabel="syllables that carry 95 %", xlim=(0, None), ylim=(0, None))
        axes.legend(frameon=False)
        save_figure(figure, options.out)


if __name__ == "__main__":
    main()
