"""moseq2-model's files read into one plain form, whatever their container (.p, .z, .h5) and vintage.

Layouts that this file knows and nothing else needs to:

- `ar_mat[k]` (D, L*D + 1): lags **oldest first**, the affine term **last**; `sig[k]` (D, D).
- labels: -5 on the first L rows of a session; later files hold one array per training session, earlier ones wrap the
  arrays, the parameters and the log-likelihoods in a list with one entry per restart.
- the transition matrix lives only inside the pickled pyhsmm model, row by row: `trans_distn._row_distns[i].weights`,
  or `trans_distns[group]` for a model with separate transitions.
- whitening: x = L^-1 (scores - mu) + offset, mu and L over the rows without NaN of all sessions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from offline.inert import Inert
from offline.moseq_pickle import load_inert
from online.errors import ConfigError, FileFormatError
from online.model import Array, Whitening


@dataclass(frozen=True, slots=True)
class MoseqModel:
    """A trained moseq2 model as its file states it.

    ar_mat (K, D, L*D+1), sig (K, D, D), degrees_of_freedom (K,) or None; labels by session uuid, each (T,), negative
    where there is none; transition_matrices by group, "" when all sessions share one, empty when the file holds none.
    """

    ar_mat: Array
    sig: Array
    degrees_of_freedom: Array | None
    num_lags: int
    labels: dict[str, NDArray[np.int64]]
    transition_matrices: dict[str, Array]
    whitening: Whitening | None
    whiten: str
    num_iterations: int | None

    @property
    def num_syllables(self) -> int:
        """K."""
        return int(self.ar_mat.shape[0])

    @property
    def num_dims(self) -> int:
        """D."""
        return int(self.ar_mat.shape[1])


def read_moseq_model(path: Path) -> MoseqModel:
    """Read a model file without running anything in it.

    Raises
    ------
    FileFormatError
        if it is damaged or holds no AR-HMM.
    """
    raw = _read_hdf5(path) if path.suffix == ".h5" else load_inert(path)
    if isinstance(raw, Mapping):
        raw = {key: value for key, value in raw.items() if value is not None}
    if not isinstance(raw, Mapping) or "model_parameters" not in raw:
        raise FileFormatError(f"{path}: no moseq2 model: it has no 'model_parameters'; give learn-model's output file")
    parameters = _single(raw["model_parameters"], path, "model_parameters")
    options = raw.get("run_parameters", {})
    try:
        ar_mat = np.stack([np.asarray(a, np.float64) for a in parameters["ar_mat"]])
        sig = np.stack([np.asarray(s, np.float64) for s in parameters["sig"]])
        num_lags = int(parameters["nlags"])
        labels = _labels(raw)
        matrices = _transition_matrices(raw.get("model")) or _stated_transitions(raw)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise FileFormatError(f"{path}: the model's parameters cannot be read: {error!r}") from error
    k, d = ar_mat.shape[:2]
    if ar_mat.shape != (k, d, num_lags * d + 1) or sig.shape != (k, d, d):
        raise FileFormatError(
            f"{path}: ar_mat {ar_mat.shape} and sig {sig.shape} do not fit {num_lags} lags with an affine term; "
            "a model trained without affine term, or with other lags, is not supported"
        )
    return MoseqModel(
        ar_mat=ar_mat,
        sig=sig,
        degrees_of_freedom=_degrees_of_freedom(parameters.get("nu"), k, path),
        num_lags=num_lags,
        labels=labels,
        transition_matrices=matrices,
        whitening=_stored_whitening(raw.get("whitening_parameters"), d),
        whiten=_text(options.get("whiten", "unknown")),
        num_iterations=int(options["num_iter"]) if "num_iter" in options else None,
    )


def _single(value: Any, path: Path, what: str) -> Any:
    """The only entry of a list of restarts, or the value itself."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != 1:
            raise FileFormatError(f"{path}: {what} holds {len(value)} restarts; save one of them as its own model")
        return value[0]
    return value


def _labels(raw: Mapping[str, Any]) -> dict[str, NDArray[np.int64]]:
    labels = raw.get("labels", [])
    if isinstance(labels, Mapping):
        labels = [labels[key] for key in sorted(labels, key=lambda key: int(key) if str(key).isdecimal() else 0)]
    while len(labels) == 1 and isinstance(labels[0], list):
        labels = labels[0]
    arrays = [np.asarray(a).reshape(-1).astype(np.int64) for a in labels]
    for name in ("train_list", "keys"):
        keys = [_text(key) for key in raw.get(name, [])]
        if len(keys) == len(arrays):
            return dict(zip(keys, arrays, strict=True))
    raise ValueError(f"{len(arrays)} label arrays but no list of as many sessions")


def _degrees_of_freedom(nu: Any, num_syllables: int, path: Path) -> Array | None:
    if nu is None or not np.isfinite(np.asarray(nu, np.float64)).any():
        return None
    values = np.broadcast_to(np.asarray(nu, np.float64).reshape(-1), (num_syllables,)).copy()
    if not (values > 0).all():
        raise FileFormatError(f"{path}: the degrees of freedom 'nu' are not all positive")
    return values


def _stored_whitening(stored: Any, num_dims: int) -> Whitening | None:
    """Whitening that the file states for all sessions; None when it states none, or one per session."""
    if not isinstance(stored, Mapping):
        return None
    stored = stored.get("all", stored)
    if "mu" not in stored or "L" not in stored:
        return None
    factor = np.asarray(stored["L"], np.float64)
    offset = np.asarray(stored.get("offset", 0.0), np.float64)
    mean = np.asarray(stored["mu"], np.float64)[:num_dims] - factor @ np.broadcast_to(offset, (num_dims,))
    return Whitening(mean, np.tril(factor))


def _transition_matrices(model: Any) -> dict[str, Array]:
    """Row-stochastic matrices found in a pickled pyhsmm model."""
    attributes = model.attributes() if isinstance(model, Inert) else {}
    shared, by_group = attributes.get("trans_distn"), attributes.get("trans_distns")
    if isinstance(shared, Inert):
        return {"": _rows(shared)}
    if isinstance(by_group, Inert):
        by_group = dict(by_group.items)
    if isinstance(by_group, Mapping):
        return {_text(group): _rows(distribution) for group, distribution in by_group.items()}
    if isinstance(by_group, list) and by_group:
        return {str(i): _rows(distribution) for i, distribution in enumerate(by_group)}
    return {}


def _stated_transitions(raw: Mapping[str, Any]) -> dict[str, Array]:
    """The matrix that `etholoop model export` adds beside moseq2's own entries."""
    return {"": np.asarray(raw["transition_matrix"], np.float64)} if "transition_matrix" in raw else {}


def _rows(distribution: Inert) -> Array:
    rows = distribution.attributes()["_row_distns"]
    matrix = np.stack([np.asarray(row.attributes()["weights"], np.float64).reshape(-1) for row in rows])
    if matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all() or (matrix < 0).any():
        raise ValueError(f"the model object's transition rows {matrix.shape} are no transition matrix")
    return np.asarray(matrix / matrix.sum(1, keepdims=True))


def choose_transition_matrix(model: MoseqModel, group: str | None) -> Array | None:
    """The file's transition matrix, that of `group` where there are several; None when the file holds none.

    Raises
    ------
    ConfigError
        if the group has to be named, or is not in the file.
    """
    matrices = model.transition_matrices
    if len(matrices) == 1 and group is None:
        return next(iter(matrices.values()))
    if not matrices and group is None:
        return None
    if group not in matrices:
        known = ", ".join(sorted(matrices)) or "none"
        raise ConfigError(f"the model has separate transitions; choose one with --group; groups in the file: {known}")
    return matrices[group]


def _read_hdf5(path: Path) -> dict[str, Any]:
    try:
        with h5py.File(path, "r") as file:
            return _tree(file)
    except OSError as error:
        raise FileFormatError(f"{path}: not a readable HDF5 file: {error}") from error


def _tree(group: h5py.Group) -> dict[str, Any]:
    return {name: _tree(item) if isinstance(item, h5py.Group) else item[()] for name, item in group.items()}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
