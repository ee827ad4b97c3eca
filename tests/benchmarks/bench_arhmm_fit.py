"""How well chains find simulated syllables, against a chain that starts at the truth.

    python tests/benchmarks/bench_arhmm_fit.py                     # the default, three seeds, and the truth: 15 minutes
    python tests/benchmarks/bench_arhmm_fit.py --variant plain --variant anneal --seeds 1

Data: 30 sessions of 10,000 frames of an AR-HMM with 100 syllables, 10 dimensions, 3 lags and bouts of 10 frames on
average, six more sessions to judge. Its syllables share most of their movement. Every chain has kappa 1000 and is
summarised over its last 40 of 200 sweeps.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import click
import numpy as np
from numpy.typing import NDArray

from offline.arhmm.data import Sessions, assemble, fit_whitening
from offline.arhmm.fit import Schedule, advance, log_likelihood_per_frame
from offline.arhmm.gibbs import Chain, Settings, collect, start, workers
from offline.arhmm.hmm import NO_LABEL, Labels
from offline.arhmm.labelling import label
from offline.arhmm.summary import empty_accumulator, summarise, take
from offline.arhmm.transitions import StickyHDP
from offline.durations import durations_frames
from offline.score import accuracy, adjusted_mutual_information
from online.emission import whiten
from online.model import ARHMM, Array
from online.simulation.arhmm import random_similar_arhmm, sample

AVERAGED = 40
LAGS = 3
JUDGED = 6


@dataclass(frozen=True)
class Data:
    """Whitened sessions with their true syllables."""

    train: Sessions
    held_out: Sessions
    train_truth: Labels
    held_out_truth: Labels


def simulate(num_sessions: int, num_frames: int, separation: float) -> Data:
    """Sessions of one model; the last six are for judging."""
    model = random_similar_arhmm(0, num_syllables=100, num_dims=10, num_lags=LAGS, separation=separation)
    drawn = [sample(model, num_frames, seed) for seed in range(num_sessions + JUDGED)]
    whitening = fit_whitening([x for _, x in drawn[:num_sessions]])
    whitened = [whiten(whitening, x) for _, x in drawn]
    truth = [z.astype(np.int16) for z, _ in drawn]
    for z in truth:
        z[:LAGS] = NO_LABEL
    names = [str(i) for i in range(len(drawn))]
    return Data(
        assemble(names[:num_sessions], whitened[:num_sessions], LAGS),
        assemble(names[num_sessions:], whitened[num_sessions:], LAGS),
        np.concatenate(truth[:num_sessions]),
        np.concatenate(truth[num_sessions:]),
    )


Step = Callable[[Chain, Sessions, Settings, int, int], None]


def nothing(_chain: Chain, _data: Sessions, _settings: Settings, _done: int, _total: int) -> None:
    """No move beside those of `etholoop train`."""


def split_idle(chain: Chain, data: Sessions, settings: Settings, done: int, total: int) -> None:
    """Every tenth sweep of the first half, each idle syllable gets half of the frames of the worst explained one."""
    if done % 10 == 0 and 0 < done < total // 2:
        _reseed(chain, data, settings, np.random.default_rng((settings.seed, done)))


def _reseed(chain: Chain, data: Sessions, settings: Settings, rng: np.random.Generator) -> None:
    frames = chain.statistics.frames
    idle = np.flatnonzero(frames < 1e-3 * frames.sum() / 2)
    crowded = np.argsort(-frames)[: len(idle)]
    for empty, full in zip(idle, crowded, strict=False):
        rows = np.flatnonzero(chain.labels == full)
        centre = data.x[rows].mean(0)
        direction = np.linalg.svd(data.x[rows[:5000]] - centre, full_matrices=False)[2][rng.integers(3)]
        chain.labels[rows[(data.x[rows] - centre) @ direction > 0]] = empty
    chain.statistics = collect(data, chain.labels, chain.weights, settings.max_syllables)


@dataclass(frozen=True)
class Variant:
    """How a chain is run; `etholoop train` anneals and merges."""

    anneal: bool = True
    merge: bool = True
    step: Step = nothing


VARIANTS = {
    "plain": Variant(anneal=False, merge=False),
    "anneal": Variant(merge=False),
    "anneal+merge": Variant(),
    "split": Variant(anneal=False, merge=False, step=split_idle),
    "anneal+split": Variant(merge=False, step=split_idle),
}


def run(
    data: Data, settings: Settings, variant: Variant, labels: Labels | None, sweeps: int
) -> tuple[ARHMM, Array, Labels]:
    """Model, usage and Gibbs labels of one chain."""
    settings = replace(settings, anneal=variant.anneal, merge=variant.merge)
    with workers(2) as pool:
        chain = start(data.train, settings, None if labels is None else labels.copy())
        sums = empty_accumulator(settings, data.train)
        for done in range(sweeps):
            variant.step(chain, data.train, settings, done, sweeps)
            if advance(chain, data.train, settings, Schedule(sweeps, AVERAGED), pool):
                take(sums, chain)
    model, usage, _ = summarise(sums, chain.prior, settings)
    return model, usage, chain.labels


def judge(data: Data, model: ARHMM, usage: Array, gibbs: Labels) -> tuple[dict[str, float], NDArray[np.int16]]:
    """The figures of a row, and the Viterbi labels of the judged sessions."""
    held = data.held_out
    found = np.concatenate([label(model, held.x[held.rows(i)], "viterbi")[0] for i in range(len(held.names))])
    train = data.train

    def median(labels: Labels) -> float:
        return float(np.median(durations_frames([labels[train.rows(i)] for i in range(len(train.names))])))

    return {
        "held_out_nats": log_likelihood_per_frame(model, held),
        "accuracy": accuracy(data.held_out_truth, found),
        "ami": adjusted_mutual_information(data.held_out_truth, found),
        "syllables_for_99_percent": int((np.cumsum(usage) < 0.99).sum() + 1),
        "gibbs_median_frames": median(gibbs),
        "true_median_frames": median(data.train_truth),
    }, found


@click.command()
@click.option("--variant", "variants", multiple=True, type=click.Choice(sorted(VARIANTS)), default=("anneal+merge",))
@click.option("--seeds", default=3)
@click.option("--sweeps", default=200)
@click.option("--sessions", default=30)
@click.option("--frames", default=10_000)
@click.option("--separation", default=2.75, help="Of the syllables' resting points; larger is easier.")
@click.option("--truth/--no-truth", default=True, help="Also a chain that starts at the true labels.")
def main(
    variants: tuple[str, ...], seeds: int, sweeps: int, sessions: int, frames: int, separation: float, truth: bool
) -> None:
    """Run and print one JSON line for each chain, then the agreement between seeds."""
    data = simulate(sessions, frames, separation)
    cases = [(name, seed, VARIANTS[name], None) for name in variants for seed in range(seeds)]
    if truth:
        cases.insert(0, ("truth", 0, VARIANTS["plain"], data.train_truth))
    found: dict[str, list[NDArray[np.int16]]] = {}
    for name, seed, variant, labels in cases:
        began = time.monotonic()
        row, labelled = judge(data, *run(data, Settings(StickyHDP(1e3), seed=seed), variant, labels, sweeps))
        found.setdefault(name, []).append(labelled)
        rounded = {key: round(value, 4) for key, value in row.items()}
        click.echo(json.dumps({"chain": name, "seed": seed} | rounded | {"s": round(time.monotonic() - began)}))
    for name, labelled_by in found.items():
        pairs = [(a, b) for i, a in enumerate(labelled_by) for b in labelled_by[:i]]
        if pairs:
            agreement = [round(adjusted_mutual_information(a, b), 3) for a, b in pairs]
            click.echo(json.dumps({"chain": name, "ami_between_seeds": agreement}))


if __name__ == "__main__":
    main()
