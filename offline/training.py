"""From sessions of scores to a model bundle: what `etholoop train` and its scan have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from offline.arhmm.data import Sessions, assemble, fit_whitening
from offline.arhmm.diagnosis import Diagnosis
from offline.arhmm.fit import Fit, log_likelihood_per_frame
from offline.durations import durations_frames
from offline.pca.components import read_components
from offline.scores import ScoredSession, refuse_outliers, session_key, session_sha256, sha256
from online.emission import whiten
from online.errors import ConfigError
from online.model import Array, ModelBundle, Provenance, Whitening
from online.novelty import calibrate, session_log_evidence

REPORTED_VERSIONS = ("etholoop", "numpy", "numba", "scipy")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Whitened sessions for training and for judging (None when nothing is held out).

    `calibration`: scores (T, D) of the sessions that novelty is measured on, the held-out ones where there are any.
    `session_sha256`: hashes of the training sessions by `session_key`; `held_out_sha256` of the others by uuid.
    """

    whitening: Whitening
    train: Sessions
    held_out: Sessions | None
    frame_rate_hz: float
    calibration: list[Array]
    session_sha256: dict[str, str]
    held_out_sha256: dict[str, str]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model was trained, for its provenance. `files` are hashed; `groups` names those of separate transitions."""

    made_by: str
    seed: int
    pca: Path | None
    files: tuple[Path, ...]
    notes: str = ""


def prepare(
    sessions: Sequence[ScoredSession],
    held: Sequence[str],
    num_lags: int,
    frame_rate_hz: float,
    groups: Sequence[str] = (),
) -> Prepared:
    """Whiten by the training sessions alone; sessions whose uuid is in `held` judge, and calibrate novelty.

    `groups`: names of the groups that are to have transitions of their own.
    """
    train = [s for s in sessions if s.uuid not in held]
    judged = [s for s in sessions if s.uuid in held]
    absent = [name for name in groups if name not in {s.group for s in train}]
    if absent:
        raise ConfigError(
            f"group {absent[0]!r} has no session to learn transitions from, only held-out ones: another --seed, or a "
            "smaller --hold-out"
        )
    refuse_outliers(sessions)
    for session in train:
        empty = np.isnan(session.scores).all(axis=0)
        if empty.any() and not empty.all():
            raise ConfigError(
                f"session {session.uuid}: score {int(empty.argmax()) + 1} is missing in every frame: leave the session "
                "out, or use fewer components (--pcs)"
            )
    whitening = fit_whitening([s.scores for s in train])

    def ready(chosen: list[ScoredSession]) -> Sessions:
        numbers = [groups.index(s.group) for s in chosen] if groups else None
        return assemble([s.uuid for s in chosen], [whiten(whitening, s.scores) for s in chosen], num_lags, numbers)

    return Prepared(
        whitening=whitening,
        train=ready(train),
        held_out=ready(judged) if judged else None,
        frame_rate_hz=frame_rate_hz,
        calibration=[s.scores for s in judged or train],
        session_sha256={session_key(s.uuid): session_sha256(s.scores) for s in train},
        held_out_sha256={s.uuid: session_sha256(s.scores) for s in judged},
    )


def make_bundle(prepared: Prepared, result: Fit, recipe: Recipe) -> ModelBundle:
    """Everything that the rig needs, or that labelling scores needs where no components are given."""
    num_dims = result.model.num_dims
    whitening = leading(prepared.whitening, num_dims)
    extraction, projection = None, None
    if recipe.pca is not None:
        extraction, projection = read_components(recipe.pca, num_dims)
    hashed = [path for path in (*recipe.files, recipe.pca) if path is not None and path.is_file()]
    evidence = [session_log_evidence(result.model, whitening, s[:, :num_dims]) for s in prepared.calibration]
    return ModelBundle(
        frame_rate_hz=prepared.frame_rate_hz,
        extraction=extraction,
        projection=projection,
        whitening=whitening,
        arhmm=result.model,
        usage=result.usage,
        provenance=Provenance(
            made_by=recipe.made_by,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            transition_source="learned",
            seed=recipe.seed,
            data_sha256={path.name: sha256(path) for path in hashed} | prepared.session_sha256,
            versions={name: version(name) for name in REPORTED_VERSIONS},
            notes=recipe.notes,
            held_out_sha256=prepared.held_out_sha256,
        ),
        novelty=calibrate(evidence, prepared.frame_rate_hz),
    )


def leading(whitening: Whitening, num_dims: int) -> Whitening:
    """Whitening of the first components alone: what the lower Cholesky factor does to them needs no others."""
    return Whitening(whitening.mean[:num_dims], np.ascontiguousarray(whitening.cholesky[:num_dims, :num_dims]))


def summarise_fit(prepared: Prepared, result: Fit, bundle: ModelBundle, diagnosis: Diagnosis) -> dict[str, Any]:
    """Facts for the person and for programs."""
    frame_ms = 1000 / bundle.frame_rate_hz
    train, held = prepared.train, prepared.held_out
    lengths = durations_frames([result.gibbs_labels[train.rows(i)] for i in range(len(train.names))])
    return {
        "train_sessions": list(train.names),
        "held_out_sessions": list(held.names) if held is not None else [],
        "train_frames": train.num_frames,
        "syllables": bundle.arhmm.num_syllables,
        "syllables_for_95_percent": int((np.cumsum(result.usage) < 0.95).sum() + 1),
        "median_duration_ms": float(np.median(lengths)) * frame_ms if len(lengths) else None,
        "train_log_likelihood_per_frame": log_likelihood_per_frame(result.model, train),
        "held_out_log_likelihood_per_frame": None if held is None else log_likelihood_per_frame(result.model, held),
        "settled": diagnosis.settled,
        "convergence": diagnosis.sentence,
        "runs_at_rig": bundle.runs_at_rig,
    }
