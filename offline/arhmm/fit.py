"""One chain from start to summary, watched on held-out sessions."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.arhmm.checkpoint import Run, TracePoint, fingerprint, load, save
from offline.arhmm.data import Sessions
from offline.arhmm.emission import pack
from offline.arhmm.gibbs import Chain, Settings, annealed, start, sweep, workers
from offline.arhmm.hmm import NO_LABEL, Labels, forward_filter, session_log_likelihood
from offline.arhmm.labelling import filtered_posterior
from offline.arhmm.merging import merge_duplicates
from offline.arhmm.summary import Accumulator, empty_accumulator, group_models, summarise, take
from online.errors import CannotWrite, EtholoopError
from online.model import ARHMM

Array = NDArray[np.float64]

HELD_OUT_EVERY = 10
MERGE_EVERY = 10
"""Sweeps between merges, counted back from the first that is averaged: so that short runs merge, too."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long the chain runs, over how many last sweeps it is averaged, and on how many threads.

    With a `checkpoint` the run is written there every `checkpoint_every` sweeps and after the last: whoever has made
    something lasting of the result removes it. `resume` continues from it where it exists.
    """

    sweeps: int = 200
    average: int = 40
    threads: int = 2
    checkpoint: Path | None = None
    checkpoint_every: int = 25
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Fit:
    """A finished chain: the model (posterior means), usage (K,), the last Gibbs sample's labels in the model's
    numbering (left-out syllables have none), the trace, and, where groups have transitions of their own, the model of
    each (`model` has those of all groups together)."""

    model: ARHMM
    usage: Array
    gibbs_labels: Labels
    trace: tuple[TracePoint, ...]
    by_group: tuple[ARHMM, ...] = ()


def fit(
    train: Sessions,
    held_out: Sessions | None,
    settings: Settings,
    schedule: Schedule,
    report: Callable[[TracePoint], None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
) -> Fit:
    """Run a chain; `warn` hears of a checkpoint that cannot be written, for which no chain stops.

    Raises
    ------
    EtholoopError
        if no frame of the training sessions has all its lags.
    """
    if train.num_frames == 0:
        raise EtholoopError(
            f"no frame in the training sessions has its {train.num_lags} predecessors: sessions are too short or full "
            "of gaps"
        )
    identity = fingerprint(train, settings, schedule.sweeps, schedule.average)
    with workers(schedule.threads) as pool:
        run = _begin(train, settings, schedule, identity)
        chain = run.chain
        while chain.sweep < schedule.sweeps:
            if advance(chain, train, settings, schedule, pool):
                take(run.accumulator, chain)
            run.trace.append(_observe(chain, train, held_out))
            report(run.trace[-1])
            if chain.sweep % schedule.checkpoint_every == 0 or chain.sweep == schedule.sweeps:
                _keep(schedule.checkpoint, run, identity, warn)
        return _finish(chain, run.accumulator, run.trace, settings)


def advance(chain: Chain, train: Sessions, settings: Settings, schedule: Schedule, pool: ThreadPoolExecutor) -> bool:
    """One sweep as the schedule wants it; whether it is one to average."""
    averaging = chain.sweep >= schedule.sweeps - schedule.average
    now = annealed(settings, chain.sweep, schedule.sweeps)
    sweep(chain, train, now, pool, keep_prior=averaging)
    settled = 2 * chain.sweep >= schedule.sweeps  # kappa has its value, and labels their shape
    left = schedule.sweeps - schedule.average - chain.sweep
    if settings.merge and settled and left >= 0 and left % MERGE_EVERY == 0:
        merge_duplicates(chain, train, now)
    return averaging


def _begin(train: Sessions, settings: Settings, schedule: Schedule, identity: dict[str, Any]) -> Run:
    if schedule.resume and schedule.checkpoint is not None and schedule.checkpoint.exists():
        return load(schedule.checkpoint, train, settings, identity)
    return Run(start(train, settings), empty_accumulator(settings, train), [])


def _keep(checkpoint: Path | None, run: Run, identity: dict[str, Any], warn: Callable[[str], None]) -> None:
    if checkpoint is None:
        return
    try:
        save(checkpoint, run, identity)
    except CannotWrite as error:
        warn(f"sweep {run.chain.sweep}: training goes on without a new checkpoint: {error}")


def _finish(chain: Chain, accumulator: Accumulator, trace: list[TracePoint], settings: Settings) -> Fit:
    model, usage, order = summarise(accumulator, chain.prior, settings)
    by_group = group_models(accumulator, model, order, settings)
    renumber = np.full(settings.max_syllables, NO_LABEL, np.int16)
    renumber[order] = np.arange(len(order))
    labels = np.where(chain.labels >= 0, renumber[np.maximum(chain.labels, 0)], NO_LABEL).astype(np.int16)
    return Fit(model, usage, labels, tuple(trace), by_group)


def _observe(chain: Chain, train: Sessions, held_out: Sessions | None) -> TracePoint:
    value = None
    if held_out is not None and held_out.num_frames and chain.sweep % HELD_OUT_EVERY == 0:
        value = _sampled_held_out(chain, held_out)
    return TracePoint(chain.sweep, chain.log_likelihood / train.num_frames, value)


def _sampled_held_out(chain: Chain, held_out: Sessions) -> float:
    """Held-out log-likelihood per frame under the present sample of the parameters."""
    assert chain.emission is not None
    packed = pack(chain.emission)
    initial = np.full(len(packed.constant), 1 / len(packed.constant))
    total = 0.0
    for index in range(len(held_out.names)):
        rows = held_out.rows(index)
        x, seen = held_out.x[rows], held_out.has_evidence[rows]
        filtered = np.empty((len(x), len(initial)))
        session_log_likelihood(x, seen, held_out.num_lags, packed.arrays, filtered)
        evidence = np.zeros(len(x))
        matrix = chain.transitions.matrix[held_out.groups[index]]
        forward_filter(filtered, held_out.num_lags, matrix, initial, evidence)
        total += math.fsum(evidence)
    return total / held_out.num_frames


def log_likelihood_per_frame(model: ARHMM, sessions: Sessions) -> float:
    """Mean of log p(x_t | x_<t) over frames with evidence, in whitened space."""
    values = []
    for index in range(len(sessions.names)):
        rows = sessions.rows(index)
        x = np.where(sessions.present[rows, None], sessions.x[rows], np.nan)
        values.append(filtered_posterior(model, x)[1])
    joined = np.concatenate(values)
    return float(np.nanmean(joined)) if np.isfinite(joined).any() else math.nan
