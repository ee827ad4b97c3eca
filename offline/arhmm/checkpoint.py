"""A chain on disk, so that a run that was stopped continues bit for bit.

Layout (`kept_arrays`): the chain's arrays by name, `trace` (n, 3) of sweep, train and held-out log-likelihood (NaN
where none). Statistics are not stored: they follow from the labels.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from offline.arhmm.data import Sessions
from offline.arhmm.emission import Emission
from offline.arhmm.gibbs import Chain, Settings, collect, pooled_prior
from offline.arhmm.kept_arrays import Arrays, read_arrays, write_arrays
from offline.arhmm.prior import Prior
from offline.arhmm.statistics import Statistics
from offline.arhmm.summary import Accumulator
from offline.arhmm.transitions import Transitions
from online.model import Array


@dataclass(frozen=True, slots=True)
class TracePoint:
    """Log-likelihood per frame after a sweep, of the training data and (every tenth sweep) of held-out data."""

    sweep: int
    train: float
    held_out: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """A chain under way, what has been summed for its summary, and its trace."""

    chain: Chain
    accumulator: Accumulator
    trace: list[TracePoint]


def fingerprint(sessions: Sessions, settings: Settings, sweeps: int, average: int) -> dict[str, Any]:
    """What must be the same for a run to be continued."""
    data = hashlib.sha256(sessions.x.tobytes())
    data.update(sessions.has_evidence.tobytes())
    data.update(sessions.starts.tobytes())
    return asdict(settings) | {
        "sweeps": sweeps,
        "average": average,
        "lags": sessions.num_lags,
        "groups": list(sessions.groups),
        "data_sha256": data.hexdigest(),
    }


def save(path: Path, run: Run, identity: dict[str, Any]) -> None:
    """Write a checkpoint; an older one is replaced only by a whole new one."""
    write_arrays(path, _arrays(run), identity)


def load(path: Path, sessions: Sessions, settings: Settings, identity: dict[str, Any]) -> Run:
    """Read a checkpoint of this very run.

    Raises
    ------
    FileFormatError
        if the file is damaged or no checkpoint.
    ConfigError
        if it belongs to a run with other data or options.
    """
    return _restore(read_arrays(path, identity), sessions, settings)


def _arrays(run: Run) -> Arrays:
    chain, sums = run.chain, run.accumulator
    assert chain.emission is not None
    arrays: Arrays = {
        "sweep": np.array(chain.sweep),
        "labels": chain.labels,
        "precision_factors": chain.weights,
        "weights": chain.emission.weights,
        "covariance": chain.emission.covariance,
        "shared": chain.transitions.shared,
        "transition_matrix": chain.transitions.matrix,
        "prior_mean": chain.prior.mean,
        "prior_scale": chain.prior.scale,
        "prior_dof": np.array(chain.prior.dof),
        "prior_column_precision": chain.prior.column_precision,
        "log_likelihood": np.array(chain.log_likelihood),
        "sum_moments": sums.statistics.moments,
        "sum_frames": sums.statistics.frames,
        "sum_log_weights": sums.statistics.log_weights,
        "sum_transitions": sums.statistics.transitions,
        "sum_shared": sums.shared,
        "sum_degrees_of_freedom": sums.degrees_of_freedom,
        "sum_sweeps": np.array(sums.sweeps),
        "trace": trace_array(run.trace),
    }
    if chain.emission.degrees_of_freedom is not None:
        arrays["degrees_of_freedom"] = chain.emission.degrees_of_freedom
    return arrays


def trace_array(trace: Sequence[TracePoint]) -> Array:
    """A trace as a table (n, 3); the held-out value NaN where there is none."""
    rows = [(p.sweep, p.train, np.nan if p.held_out is None else p.held_out) for p in trace]
    return np.array(rows, np.float64).reshape(-1, 3)


def trace_of(rows: Array) -> list[TracePoint]:
    """The trace of a table that `trace_array` made."""
    return [TracePoint(int(s), float(t), None if np.isnan(h) else float(h)) for s, t, h in rows]


def _restore(arrays: Arrays, sessions: Sessions, settings: Settings) -> Run:
    chain = Chain(
        sweep=int(arrays["sweep"]),
        labels=arrays["labels"],
        weights=arrays["precision_factors"],
        statistics=collect(sessions, arrays["labels"], arrays["precision_factors"], settings.max_syllables),
        emission=Emission(arrays["weights"], arrays["covariance"], arrays.get("degrees_of_freedom")),
        transitions=Transitions(arrays["shared"], arrays["transition_matrix"]),
        pooled=pooled_prior(sessions, settings),
        prior=Prior(
            arrays["prior_mean"],
            arrays["prior_scale"],
            float(arrays["prior_dof"]),
            arrays["prior_column_precision"],
        ),
        log_likelihood=float(arrays["log_likelihood"]),
    )
    sums = Statistics(
        arrays["sum_moments"],
        arrays["sum_frames"],
        arrays["sum_log_weights"],
        arrays["sum_transitions"],
        sessions.x.shape[1],
    )
    accumulator = Accumulator(sums, arrays["sum_shared"], arrays["sum_degrees_of_freedom"], int(arrays["sum_sweeps"]))
    return Run(chain, accumulator, trace_of(arrays["trace"]))
