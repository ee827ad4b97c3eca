"""A model bundle from jax-moseq's parameters or a keypoint-moseq checkpoint.

Layout of both: `Ab` (K, D, L*D + 1) with lags oldest first and the affine term last, `Q` (K, D, D), `pi` (K, K) rows =
from; in a checkpoint below `model_snapshots/<iteration>/params`, in a file of parameters at the root or below `params`
(HDF5 or .npz). States z of a checkpoint (N, T - L), with the data's mask, give the usage. The chain's space is the
latent one: keypoint-moseq's `x`, or the scores that jax-moseq was given; so there is no whitening here, and no way
to run from depth frames.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from offline.arhmm.regression import ar_parameters
from offline.moseq_arhmm import covariance_from
from offline.scores import sha256
from online.errors import ConfigError, FileFormatError
from online.model import ARHMM, Array, ModelBundle, Provenance, Whitening


@dataclass(frozen=True, slots=True)
class JaxModel:
    """Parameters as the file has them; labels (M,) of all unmasked states, None without states."""

    ab: Array
    q: Array
    pi: Array
    nu: Array | None
    labels: NDArray[np.int64] | None
    iteration: int | None


def read_jax_model(path: Path, iteration: int | None = None) -> JaxModel:
    """Read parameters, of the given or the last iteration of a checkpoint.

    Raises
    ------
    FileFormatError
        if the file holds no such parameters, or their shapes contradict each other.
    ConfigError
        if the iteration is not in the file.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as stored:
                return _model(path, dict(stored), None, None)
        with h5py.File(path) as file:
            if "model_snapshots" not in file:
                parent = file.get("params", file)
                return _model(path, {n: d[()] for n, d in parent.items() if isinstance(d, h5py.Dataset)}, None, None)
            chosen = _choose(path, [int(name) for name in file["model_snapshots"]], iteration)
            snapshot = file[f"model_snapshots/{chosen}"]
            parameters = {n: d[()] for n, d in snapshot["params"].items() if isinstance(d, h5py.Dataset)}
            return _model(path, parameters, _states(snapshot, file), chosen)
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise FileFormatError(f"{path}: no readable parameters of jax-moseq or keypoint-moseq: {error}") from error


def _choose(path: Path, present: list[int], iteration: int | None) -> int:
    if not present:
        raise FileFormatError(f"{path}: the checkpoint holds no snapshot of the model")
    if iteration is None:
        return max(present)
    if iteration not in present:
        raise ConfigError(f"{path}: no iteration {iteration}; there are {sorted(present)}")
    return iteration


def _states(snapshot: h5py.Group, file: h5py.File) -> NDArray[np.int64] | None:
    """Labels of all frames that are data: the mask's first L columns have no state."""
    if "states/z" not in snapshot:
        return None
    z = np.asarray(snapshot["states/z"], np.int64)
    if "data/mask" not in file:
        return z.reshape(-1)
    mask = np.asarray(file["data/mask"], np.float64) > 0
    return z[mask[:, mask.shape[1] - z.shape[1] :]]


def _model(path: Path, raw: Mapping[str, Any], labels: NDArray[np.int64] | None, iteration: int | None) -> JaxModel:
    missing = [name for name in ("Ab", "Q", "pi") if name not in raw]
    if missing:
        raise FileFormatError(f"{path}: it lacks {', '.join(missing)} of jax-moseq's parameters Ab, Q and pi")
    ab, q, pi = (np.asarray(raw[name], np.float64) for name in ("Ab", "Q", "pi"))
    k, d = ab.shape[:2] if ab.ndim == 3 else (0, 0)
    if k == 0 or q.shape != (k, d, d) or pi.shape != (k, k) or (ab.shape[2] - 1) % d or ab.shape[2] <= d:
        raise FileFormatError(f"{path}: Ab {ab.shape}, Q {q.shape} and pi {pi.shape} do not fit together")
    nu = np.broadcast_to(np.asarray(raw["nu"], np.float64), (k,)).copy() if "nu" in raw else None
    return JaxModel(ab, q, pi, nu, labels, iteration)


def import_jax_model(path: Path, frame_rate_hz: float, iteration: int | None = None) -> ModelBundle:
    """A bundle that labels latent trajectories; syllables keep their numbers."""
    model = read_jax_model(path, iteration)
    k, d = model.ab.shape[:2]
    coefficients, bias = ar_parameters(model.ab)
    notes = [
        f"{coefficients.shape[1]} lags and {d} dimensions in the latent space of the model: no whitening, no components"
    ]
    if model.iteration is not None:
        notes.append(f"iteration {model.iteration} of the checkpoint: one Gibbs sample, not a mean")
    usage = np.zeros(k)
    if model.labels is not None and len(model.labels):
        usage = np.bincount(model.labels, minlength=k)[:k] / len(model.labels)
        notes.append(f"usage counted on {len(model.labels)} frames")
    return ModelBundle(
        frame_rate_hz=frame_rate_hz,
        extraction=None,
        projection=None,
        whitening=Whitening(np.zeros(d), np.eye(d)),
        arhmm=ARHMM(
            ar_coefficients=coefficients,
            ar_bias=bias,
            ar_covariance=covariance_from(model.q, None),
            degrees_of_freedom=model.nu,
            transition_matrix=model.pi / model.pi.sum(1, keepdims=True),
            initial_probability=np.full(k, 1 / k),
        ),
        usage=usage,
        provenance=Provenance(
            made_by=f"etholoop model import {version('etholoop')} (jax-moseq parameters)",
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            transition_source="learned",
            data_sha256={path.name: sha256(path)},
            versions={"numpy": np.__version__},
            notes="\n".join(notes),
        ),
    )
