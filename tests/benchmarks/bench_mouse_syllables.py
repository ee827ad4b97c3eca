"""How many syllables a model finds in a simulated mouse, from depth frames, and how it grows with the data.

    etholoop simulate --out FOLDER --sessions 10 --minutes 10
    etholoop extract FOLDER/* --no-movie
    etholoop pca FOLDER/*/proc/results_00.h5 --hold-out 0.2 --out FOLDER/pca.h5 --scores FOLDER/scores.h5
    python tests/benchmarks/bench_mouse_syllables.py FOLDER --out growth.png       # about twenty minutes

A fifth of the sessions judges; models learn from an eighth, a quarter, half and all of the frames of the others. Beside
them stands a model of the true posture, which no camera could beat. Syllables that carry 95 % of usage count.

The fixed prior is the default here: crops are no linear image of posture, and under the learned prior, where a further
syllable costs little, the curves of that image become syllables of their own. Kappa grows with the frames, so that it
weighs as much against any amount of data, and is such that bouts last as long as the true ones do; of recordings,
`etholoop train --scan --changepoints` says how long that is.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import click
import h5py
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from offline.arhmm.fit import Schedule, fit, log_likelihood_per_frame
from offline.arhmm.gibbs import Settings
from offline.arhmm.labelling import label
from offline.arhmm.transitions import StickyHDP
from offline.command_line import gather
from offline.dataset import hold_out, open_dataset
from offline.dataset_files import Selection
from offline.durations import durations_frames
from offline.score import accuracy, adjusted_mutual_information
from offline.scores import ScoredSession
from offline.training import prepare
from offline.training_pictures import COLOURS, save_figure
from online.files.truth_file import TruthRecord, read_truth

SHARES = (0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Task:
    """A data set and how to learn from it."""

    sessions: list[ScoredSession]
    held: list[str]
    truth: dict[str, TruthRecord]
    settings: Settings
    kappa_per_frame: float
    sweeps: int


@dataclass(frozen=True)
class Options:
    """The benchmark's options."""

    folder: Path
    out: Path | None
    pcs: int
    kappa_per_frame: float
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


def judge(task: Task, share: float) -> dict[str, float]:
    """Learn from a share of the training sessions' frames, judge on the held-out ones."""
    chosen = [s if s.uuid in task.held else shortened(s, share) for s in task.sessions]
    prepared = prepare(chosen, task.held, 3, 30.0)
    settings = replace(task.settings, hdp=StickyHDP(task.kappa_per_frame * prepared.train.num_frames))
    found = fit(prepared.train, None, settings, Schedule(task.sweeps, 40, 2))
    held = prepared.held_out
    assert held is not None
    labels = [
        label(found.model, np.where(held.present[rows, None], held.x[rows], np.nan), "viterbi")[0]
        for rows in (held.rows(i) for i in range(len(held.names)))
    ]
    truth = np.concatenate([task.truth[name].syllable[: len(z)] for name, z in zip(held.names, labels, strict=True)])
    train = prepared.train
    gibbs = durations_frames([found.gibbs_labels[train.rows(i)] for i in range(len(train.names))])
    true_lengths = durations_frames([task.truth[name].syllable for name in train.names])
    joined = np.concatenate(labels)
    return {
        "share": share,
        "frames": train.num_frames,
        "syllables": used(found.usage),
        "true_syllables": used(np.bincount(truth).astype(np.float64)),
        "ami": adjusted_mutual_information(truth, joined),
        "accuracy": accuracy(truth, joined),
        "median_frames": float(np.median(gibbs)),
        "true_median_frames": float(np.median(true_lengths)),
        "held_out_nats": log_likelihood_per_frame(found.model, held),
    }


def read_truths(folder: Path) -> dict[str, TruthRecord]:
    """Truth by the uuid of the results beside it."""
    found = {}
    for path in sorted(folder.glob("**/truth.h5")):
        with h5py.File(path.parent / "proc" / "results_00.h5") as file:
            found[file["metadata/uuid"].asstr()[()]] = read_truth(path)
    return found


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Picture of the growth (PNG).")
@click.option("--pcs", default=10)
@click.option("--kappa-per-frame", default=30.0)
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
        StickyHDP(1.0),
        max_syllables=options.max_syllables,
        student_t=options.student_t,
        learn_prior=options.prior == "learned",
        seed=options.seed,
    )
    task = Task(sessions, held, truth, settings, options.kappa_per_frame, options.sweeps)
    rows = []
    for share in SHARES:
        rows.append(judge(task, share))
        click.echo(json.dumps({"from": "depth"} | {k: round(v, 4) for k, v in rows[-1].items()}))
    if options.posture:
        poses = [ScoredSession(s.uuid, truth[s.uuid].posture, s.source) for s in sessions]
        row = judge(replace(task, sessions=poses), 1.0)
        click.echo(json.dumps({"from": "true posture"} | {k: round(v, 4) for k, v in row.items()}))
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
