"""Labels and a model as moseq2-viz and the app read them: the layout of `moseq2-model apply-model`, a joblib file.

Every session of the scores gets labels; -5 where there is none. `ar_mat` and `whitening_parameters` are in moseq2's
layout, so that the file can be imported again; `transition_matrix`, which moseq2 keeps in its pickled model object, is
added beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from offline.apply_command import label_scores
from offline.arhmm.labelling import Method
from offline.arhmm.regression import regression_weights
from offline.scores import ScoredSession, ScoresWriter, session_key
from online.errors import FileFormatError
from online.files.whole_file import whole_file
from online.files.whole_hdf5 import whole_hdf5
from online.model import ARHMM, ModelBundle, Whitening

UNKNOWN = float("nan")


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """`scores_name` is the path of the scores as moseq2 is to find it."""

    method: Method
    scores_name: str


def whitening_parameters_of(whitening: Whitening) -> dict[str, dict[str, Any]]:
    """moseq2's `whiten all`: scores = mu + L x, L the lower Cholesky factor; no offset."""
    return {"all": {"mu": whitening.mean.copy(), "L": whitening.cholesky.copy(), "offset": 0.0}}


def moseq_labels(labels: NDArray[np.int16], num_lags: int) -> NDArray[np.int16]:
    """Labels (T,) as moseq2 keeps them: -5 on the first L rows, a label on every other.

    Rows without evidence before the first label get the first label: moseq2's chain predicts through them, too.

    Raises
    ------
    FileFormatError
        if no row has a label.
    """
    known = np.flatnonzero(labels >= 0)
    if known.size == 0:
        raise FileFormatError("a session without a single label cannot be exported: leave it out")
    filled = labels.copy()
    filled[num_lags : known[0]] = labels[known[0]]
    filled[:num_lags] = -5
    return filled.astype(np.int16)


def export_model(bundle: ModelBundle, sessions: Sequence[ScoredSession], options: ExportOptions) -> dict[str, Any]:
    """The contents of a moseq2 model file."""
    arhmm = bundle.arhmm
    labels: list[NDArray[np.int16]] = []
    likelihood: list[float] = []
    jacobian = float(np.log(np.diag(bundle.whitening.cholesky)).sum())
    for session in sessions:
        found, evidence = label_scores(bundle, session, options.method)
        labels.append(moseq_labels(found, arhmm.num_lags))
        likelihood.append(float(np.nansum(evidence + jacobian)))
    frames = [len(found) for found in labels]
    uuids = [session.uuid for session in sessions]
    trained = [session_key(uuid) in bundle.provenance.data_sha256 for uuid in uuids]
    per_frame = [value / count for value, count in zip(likelihood, frames, strict=True)]
    return {
        "labels": labels,
        "keys": uuids,
        "loglikes": float(sum(value for value, known in zip(likelihood, trained, strict=True) if known)),
        "heldout_ll": [value for value, known in zip(per_frame, trained, strict=True) if not known],
        "hold_out_list": [uuid for uuid, known in zip(uuids, trained, strict=True) if not known],
        "model_parameters": _parameters(arhmm),
        "run_parameters": {"whiten": "all", "npcs": arhmm.num_dims, "nlags": arhmm.num_lags},
        "metadata": {"uuids": uuids, "groups": {session.uuid: session.group for session in sessions}},
        "whitening_parameters": whitening_parameters_of(bundle.whitening),
        "pc_score_path": options.scores_name,
        "model": None,
        "transition_matrix": arhmm.transition_matrix.copy(),
        "made_by": f"{bundle.provenance.made_by}; labels by {options.method}",
    }


def _parameters(arhmm: ARHMM) -> dict[str, Any]:
    nu = arhmm.degrees_of_freedom
    return {
        "ar_mat": list(regression_weights(arhmm.ar_coefficients, arhmm.ar_bias)),
        "sig": list(arhmm.ar_covariance.copy()),
        "nu": UNKNOWN if nu is None else nu.tolist(),
        "nlags": arhmm.num_lags,
        "max_states": arhmm.num_syllables,
        "kappa": UNKNOWN,
        "gamma": UNKNOWN,
        "alpha": UNKNOWN,
        "model_class": "AutoregressiveHMM" if nu is None else "RobustAutoregressiveHMM",
    }


def write_model(path: Path, contents: dict[str, Any]) -> None:
    """Write the joblib file; it holds nothing but numbers, texts, lists and arrays."""
    with whole_file(path) as temporary:
        joblib.dump(contents, temporary)


def write_scores(path: Path, sessions: Sequence[ScoredSession], frame_rate_hz: float) -> None:
    """Write the labelled scores as `pca_scores.h5`."""
    with whole_hdf5(path) as file:
        known = {s.component_keys for s in sessions}
        writer = ScoresWriter(file, frame_rate_hz, (known.pop() or ()) if len(known) == 1 else ())
        for session in sessions:
            writer.add(session.uuid, session.scores.astype(np.float32), frame_numbers_of(session))
            if session.subject:
                file[f"metadata/{session.uuid}/SubjectName"] = session.subject


def frame_numbers_of(session: ScoredSession) -> NDArray[np.float32]:
    """Frame number (T,) of each row, NaN at dropped frames; where unknown, counted over the rows that have scores."""
    if session.frame_numbers is not None:
        return session.frame_numbers
    present = np.isfinite(session.scores).all(1)
    return np.where(present, np.cumsum(present) - 1, np.nan).astype(np.float32)
