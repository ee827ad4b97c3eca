"""Recordings as calibration needs them: scores on the camera's grid, with times; what trained a model is refused."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offline.dataset import scores_for
from offline.replay.decoded import Model, frame_times_ms, projected_scores
from offline.replay.kinds import kind_of
from offline.replay.recorded import read_session
from offline.results import open_results
from offline.scores import session_key, session_sha256, sha256
from online.errors import ConfigError, FileFormatError
from online.model import ModelBundle

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ScoreTrack:
    """One recording: slots (n,) on the camera's grid, times_ns (n,), scores (n, D), NaN where no mouse was seen.

    `truth`: the file of what a simulated animal did, where there is one. `published_slots` (n,): where moseq2 puts
    these frames, which rounds each gap down; label files of moseq2 count so.
    """

    path: Path
    name: str
    rate_hz: float
    slots: Ints
    times_ns: Ints
    scores: Array
    truth: Path | None = None
    published_slots: Ints | None = None

    @property
    def minutes(self) -> float:
        """From the first frame to the last."""
        return float(self.times_ns[-1] - self.times_ns[0]) / 60e9

    def on_grid(self, phase: int, phases: int) -> tuple[Array, Ints]:
        """Scores (S, D) of one phase on its own regular grid, NaN where dropped; the row here of each slot, or -1."""
        mine = np.flatnonzero(self.slots % phases == phase)
        places = self.slots[mine] // phases
        grid = np.full((int(places[-1]) + 1 if len(mine) else 0, self.scores.shape[1]), np.nan)
        rows = np.full(len(grid), -1, np.int64)
        grid[places], rows[places] = self.scores[mine], mine
        return grid, rows


def load_tracks(path: Path, model: Model) -> tuple[list[ScoreTrack], list[str]]:
    """The recordings in a session folder, `results_00.h5` or `pca_scores.h5` that did not train the model, and the
    names of those that did.

    Raises
    ------
    ConfigError
        if all of them did.
    """
    kind, bundle = kind_of(path), model.bundle
    if kind == "session":
        tracks = [_of_session(path)]
    elif kind == "results":
        tracks = [_of_results(path, model)]
    else:
        tracks = _of_scores(path, model)
    for track in tracks:
        if track.scores.shape[1] != bundle.arhmm.num_dims:
            raise ConfigError(f"{path}: has {track.scores.shape[1]} components, {model.path} {bundle.arhmm.num_dims}")
        if not np.isfinite(track.scores).any():
            raise FileFormatError(f"{path}: {track.name} holds no frame with a mouse")
    trained = [track.name for track in tracks if trained_model(track, model.bundle)]
    if len(trained) == len(tracks):
        raise ConfigError(
            f"{path}: trained {model.path}, so thresholds found here would promise too much: calibrate on recordings "
            "that the model has never seen (`etholoop train --hold-out` keeps some apart)"
        )
    return [track for track in tracks if track.name not in trained], trained


def trained_model(track: ScoreTrack, bundle: ModelBundle) -> bool:
    """Whether a recording is among those that trained a model: by name, by its scores, or by its file."""
    known = bundle.provenance.data_sha256
    by_session = any(name.startswith(session_key("")) for name in known)
    if by_session:
        return session_key(track.name) in known or session_sha256(track.scores) in known.values()
    return track.path.is_file() and sha256(track.path) in known.values()


def _of_session(path: Path) -> ScoreTrack:
    session = read_session(path)
    rows, name = session.engine, str(session.attributes["session"])
    return ScoreTrack(path, name, session.rate_hz, rows["frame_index"], rows["capture_time_ns"], session.scores)


def _of_results(path: Path, model: Model) -> ScoreTrack:
    results = open_results(path)
    scores = np.array([row.copy() for row in projected_scores(path, model)])
    times_ns = np.rint(frame_times_ms(results) * 1e6).astype(np.int64)
    truth = path.parent.parent / "truth.h5"
    found = truth if truth.exists() else None
    published = open_results(path, "floor").slots
    return ScoreTrack(path, results.uuid, results.frame_rate_hz, results.slots, times_ns, scores, found, published)


def _of_scores(path: Path, model: Model) -> list[ScoreTrack]:
    tracks, rate_hz = [], model.bundle.frame_rate_hz
    for scored in scores_for(path, model.bundle, model.path):
        there = np.flatnonzero(np.isfinite(scored.scores).all(1))
        times_ns = np.rint(there * 1e9 / rate_hz).astype(np.int64)
        tracks.append(ScoreTrack(path, scored.uuid, rate_hz, there, times_ns, scored.scores[there]))
    return tracks
