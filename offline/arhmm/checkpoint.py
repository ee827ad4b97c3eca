"""A chain on disk, so that a run that was stopped continues bit for bit.

Layout (HDF5): the chain's arrays by name, `trace` (n, 3) of sweep, train and held-out log-likelihood (NaN where none),
attributes `sweep`, `fingerprint` (JSON: what the run is) and `sha256` of everything. Statistics are not stored: they
follow from the labels.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from offline.arhmm.data import Sessions
from offline.arhmm.emission import Emission
from offline.arhmm.gibbs import Chain, Settings, collect, pooled_prior
from offline.arhmm.prior import Prior
from offline.arhmm.statistics import Statistics
from offline.arhmm.summary import Accumulator
from offline.arhmm.transitions import Transitions
from online.errors import ConfigError, FileFormatError
from online.files.whole_file import whole_file

Arrays = dict[str, NDArray[Any]]


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
    arrays = _arrays(run)
    text = json.dumps(identity, sort_keys=True)
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        for name, value in arrays.items():
            file[name] = value
        file.attrs.update(sweep=run.chain.sweep, fingerprint=text, sha256=_digest(arrays, text))


def load(path: Path, sessions: Sessions, settings: Settings, identity: dict[str, Any]) -> Run:
    """Read a checkpoint of this very run.

    Raises
    ------
    FileFormatError
        if the file is damaged or no checkpoint.
    ConfigError
        if it belongs to a run with other data or options.
    """
    try:
        with h5py.File(path) as file:
            arrays: Arrays = {name: data[()] for name, data in file.items()}
            text, digest, sweep = (file.attrs[name] for name in ("fingerprint", "sha256", "sweep"))
    except (OSError, KeyError, RuntimeError) as error:
        raise FileFormatError(f"{path}: not a readable checkpoint ({error}); train without --resume") from error
    if _digest(arrays, text) != digest:
        raise FileFormatError(f"{path}: the checkpoint is damaged; delete it and train without --resume")
    theirs, ours = json.loads(text), json.loads(json.dumps(identity))
    differing = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    if differing:
        raise ConfigError(
            f"{path} is a checkpoint of another run: {', '.join(differing)} differ; give the same data and options, "
            "or train without --resume"
        )
    return _restore(arrays, int(sweep), sessions, settings)


def _arrays(run: Run) -> Arrays:
    chain, sums = run.chain, run.accumulator
    assert chain.emission is not None
    arrays: Arrays = {
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
        "trace": np.array([_row(point) for point in run.trace]).reshape(-1, 3),
    }
    if chain.emission.degrees_of_freedom is not None:
        arrays["degrees_of_freedom"] = chain.emission.degrees_of_freedom
    return arrays


def _row(point: TracePoint) -> tuple[float, float, float]:
    return point.sweep, point.train, np.nan if point.held_out is None else point.held_out


def _restore(arrays: Arrays, sweep: int, sessions: Sessions, settings: Settings) -> Run:
    chain = Chain(
        sweep=sweep,
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
    trace = [TracePoint(int(s), float(t), None if np.isnan(h) else float(h)) for s, t, h in arrays["trace"]]
    return Run(chain, accumulator, trace)


def _digest(arrays: Arrays, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        value = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {value.dtype.str} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
