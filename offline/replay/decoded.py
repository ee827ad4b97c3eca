"""Recordings decoded here and now: from stored scores, crops or raw depth, by the same functions as at the rig."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from offline.dataset import scores_for
from offline.replay.inputs import EngineFrame, RecordedPose, Recording, poses_of
from offline.replay.recorded import RecordedSession, bare_frames
from offline.results import Results, open_results, read_covered, read_crops
from online import decoder, further_evidence, novelty, projection
from online.errors import ConfigError, FileFormatError
from online.files.bundle import load_bundle
from online.files.names import by_name, load_names
from online.model import ModelBundle
from online.pipeline import phases_of
from protocols.trial import Evidence, EvidenceRequest

DECISION_AGE_MS = 20.0
"""Age of a frame at its decision, where a recording does not say: what a rig typically needs."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model with the names of its syllables."""

    path: Path
    bundle: ModelBundle
    names: dict[str, tuple[int, ...]]


def load_model(path: Path) -> Model:
    """Read a bundle and the names beside it."""
    bundle = load_bundle(path)
    return Model(path, bundle, by_name(load_names(path, bundle.arhmm.num_syllables)))


class ScoreDecoder:
    """From scores to evidence, as `online.pipeline` and the frame loop do it."""

    def __init__(self, bundle: ModelBundle, rate_hz: float, requests: Sequence[EvidenceRequest]) -> None:
        self._decoder = decoder.init(bundle.arhmm, bundle.whitening, phases_of(bundle.frame_rate_hz, rate_hz))
        self._novelty = None if bundle.novelty is None else novelty.init(bundle.novelty, rate_hz)
        self._further = further_evidence.init(self._decoder, requests, bundle.frame_rate_hz)

    def step(self, scores: NDArray[np.float64] | None, slots_elapsed: int) -> Evidence | None:
        """Evidence after a frame, valid until the next; scores (D,) float64, None without a mouse."""
        decoded = decoder.step(self._decoder, scores, slots_elapsed)
        strange = None if self._novelty is None else novelty.step(self._novelty, decoded)
        further = further_evidence.step(self._further, decoded)
        if not decoded.has_evidence:
            return None
        return Evidence(decoded.posterior, further, nan if strange is None else strange)


def decode_session(session: RecordedSession, model: Model, as_recorded: bool) -> Recording:
    """An Etholoop session, decoded again from the scores that it recorded."""
    scores = session.scores
    if scores.shape[1] != model.bundle.arhmm.num_dims:
        raise ConfigError(
            f"{session.path} recorded {scores.shape[1]} components, {model.path} needs "
            f"{model.bundle.arhmm.num_dims}: replay it with the model that ran, or extract it again"
        )
    seen = (np.isfinite(scores).sum(1) == scores.shape[1]).tolist()
    steps = np.diff(session.engine["frame_index"], prepend=-1).tolist()

    def frames(requests: Sequence[EvidenceRequest]) -> Iterator[EngineFrame]:
        decoding = ScoreDecoder(model.bundle, session.rate_hz, requests)
        for i, frame in enumerate(bare_frames(session, as_recorded)):
            frame.evidence = decoding.step(scores[i] if seen[i] else None, steps[i])
            yield frame

    return Recording(
        path=session.path,
        subject=str(session.attributes["subject"]),
        session=str(session.attributes["session"]),
        rate_hz=session.rate_hz,
        num_frames=len(session.engine),
        num_syllables=model.bundle.arhmm.num_syllables,
        names=model.names,
        frames=frames,
    )


@dataclass(frozen=True, slots=True)
class Track:
    """Scores of a recording that has no decisions of its own: slots (n,), times_ms (n,), and a pose for each frame."""

    path: Path
    name: str
    subject: str
    rate_hz: float
    slots: NDArray[np.int64]
    times_ms: NDArray[np.float64]
    poses: Sequence[RecordedPose | None]


def recording_of_track(track: Track, scores: Iterable[NDArray[np.float64]], model: Model) -> Recording:
    """A recording whose scores (D,) come one by one; rows of NaN are frames without a mouse."""

    def frames(requests: Sequence[EvidenceRequest]) -> Iterator[EngineFrame]:
        decoding = ScoreDecoder(model.bundle, track.rate_hz, requests)
        steps = np.diff(track.slots, prepend=track.slots[0] - 1).tolist()
        captures_ns = np.rint(track.times_ms * 1e6).astype(np.int64).tolist()
        age_ns = round(DECISION_AGE_MS * 1e6)
        for i, row in enumerate(scores):
            evidence = decoding.step(row if row[0] == row[0] else None, steps[i])
            capture_ns = captures_ns[i]
            yield EngineFrame(int(track.slots[i]), capture_ns, capture_ns + age_ns, evidence, track.poses[i])

    return Recording(
        path=track.path,
        subject=track.subject,
        session=track.name,
        rate_hz=track.rate_hz,
        num_frames=len(track.slots),
        num_syllables=model.bundle.arhmm.num_syllables,
        names=model.names,
        frames=frames,
    )


def open_scores(path: Path, model: Model) -> list[Recording]:
    """All sessions of a `pca_scores.h5`; they have no poses, and frames stand on a regular grid."""
    recordings = []
    rate_hz = model.bundle.frame_rate_hz
    for scored in scores_for(path, model.bundle, model.path):
        there = np.flatnonzero(np.isfinite(scored.scores).all(1))
        if not len(there):
            raise FileFormatError(f"{path}: scores of {scored.uuid} hold no frame")
        track = Track(path, scored.uuid, scored.uuid, rate_hz, there, there * 1000 / rate_hz, [None] * len(there))
        recordings.append(recording_of_track(track, np.ascontiguousarray(scored.scores[there]), model))
    return recordings


def open_results_file(path: Path, model: Model) -> Recording:
    """An extracted session, `results_00.h5`: crops are projected here, poses are its scalars."""
    results = open_results(path)
    bundle = model.bundle
    if bundle.projection is None or bundle.extraction is None:
        raise ConfigError(f"{model.path}: trained from scores alone, cannot decode crops: replay pca_scores.h5 instead")
    columns, times_ms = _scalars(path, results), frame_times_ms(results)
    seen = np.isfinite(columns["x_mm"])
    track = Track(
        path, results.uuid, results.uuid, results.frame_rate_hz, results.slots, times_ms, poses_of(columns, seen)
    )
    return recording_of_track(track, _Projected(results, bundle), model)


def projected_scores(path: Path, model: Model) -> Iterable[NDArray[np.float64]]:
    """Scores (D,) of an extracted session's crops, one by one, each valid until the next; NaN where there is no
    mouse."""
    if model.bundle.projection is None:
        raise ConfigError(f"{model.path}: trained from scores alone, cannot decode crops: give pca_scores.h5 instead")
    return _Projected(open_results(path), model.bundle)


def frame_times_ms(results: Results) -> NDArray[np.float64]:
    """Time stamps (n,) of an extracted session; from the slots where it has none."""
    with h5py.File(results.path) as file:
        stamps = file.get("timestamps", file.get("metadata/timestamps"))
        if stamps is None:
            return results.slots * 1000 / results.frame_rate_hz
        return np.asarray(stamps, np.float64)


@dataclass(frozen=True, slots=True)
class _Projected:
    """Scores of a session's crops, computed as they are asked for, each time anew."""

    results: Results
    bundle: ModelBundle

    def __iter__(self) -> Iterator[NDArray[np.float64]]:
        if self.bundle.projection is None:
            raise AssertionError("a model without a projection was not refused")
        state = projection.init(self.bundle.projection, self.results.crop_size_px)
        nothing = np.full(self.bundle.arhmm.num_dims, np.nan)
        for crops, covered in zip(read_crops(self.results), read_covered(self.results), strict=True):
            for index, crop in enumerate(crops):
                hidden = None if covered is None else covered[index]
                scores = projection.step_any(state, crop, hidden) if crop.any() else None
                yield nothing if scores is None else scores


def _scalars(path: Path, results: Results) -> dict[str, NDArray[np.float64]]:
    """Pose columns under the engine's names; published results know speeds a frame only."""
    with h5py.File(path) as file:
        given = {name: np.asarray(data, np.float64) for name, data in file["scalars"].items()}
    names = {
        "x_mm": "centroid_x_mm",
        "y_mm": "centroid_y_mm",
        "heading_rad": "angle",
        "heading_probability": "heading_probability",
        "length_mm": "length_mm",
        "height_mm": "height_ave_mm",
        "speed_mm_s": "speed_mm_s",
        "turning_rad_s": "turning_rad_s",
    }
    columns = {ours: given[theirs] for ours, theirs in names.items() if theirs in given}
    if "speed_mm_s" not in columns and "velocity_2d_mm" in given:
        columns["speed_mm_s"] = given["velocity_2d_mm"] * results.frame_rate_hz
    if "x_mm" not in columns:
        raise FileFormatError(f"{path}: has no scalars of the mouse's position; extract the session again")
    return columns
