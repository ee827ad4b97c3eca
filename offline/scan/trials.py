"""One trial of a scan: a chain with given settings, judged on the frames that every candidate can be judged on.

The whitening is a Cholesky factor, so the first D whitened components are those of a whitening of D components: all
candidates work in one space. A candidate with fewer components than the most leaves the rest to one linear process,
fitted to the training sessions, of the rest given the first ones and the past of all: so every candidate states a
density of the same numbers, and its log-likelihood can be compared. Frames count when they and the most lags of any
candidate are present.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from offline.arhmm.data import Sessions, evidence_mask
from offline.arhmm.fit import Fit, Schedule, fit
from offline.arhmm.gibbs import Settings
from offline.arhmm.labelling import filtered_posterior
from offline.arhmm.transitions import StickyHDP
from offline.durations import durations_frames, resolved_durations_frames
from online.model import ARHMM, Array


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """What is tried."""

    kappa: float
    num_lags: int
    num_components: int
    student_t: bool
    seed: int

    @property
    def kind(self) -> "Candidate":
        """The candidate without its seed: restarts share it."""
        return replace(self, seed=0)


@dataclass(frozen=True, slots=True)
class ScanData:
    """What all trials share. `train` and `held_out` have all components; `settings` and `schedule` lack what a
    candidate says; `rest` (D,) holds, for each number of components in use, the held-out log-likelihood of the others,
    summed for each session. `resolution_frames`: how near to each other two changepoints can be."""

    train: Sessions
    held_out: Sessions
    settings: Settings
    schedule: Schedule
    most_lags: int
    rest: dict[int, Array]
    resolution_frames: int = 1


@dataclass(frozen=True, slots=True)
class Trial:
    """A finished chain. held_out (S,): log-likelihood of each held-out session; frames (S,) that it sums;
    durations_frames: complete bouts of the last Gibbs sample; resolved_frames: those that changepoints
    would see."""

    candidate: Candidate
    fit: Fit
    held_out: Array
    frames: NDArray[np.int64]
    durations_frames: NDArray[np.int64]
    resolved_frames: NDArray[np.int64]

    @property
    def held_out_per_frame(self) -> float:
        """Nats a frame."""
        return float(self.held_out.sum() / max(1, self.frames.sum()))


def scan_data(
    train: Sessions,
    held_out: Sessions,
    settings: Settings,
    schedule: Schedule,
    candidates: list[Candidate],
    resolution_frames: int = 1,
) -> ScanData:
    """Prepare what the trials share."""
    most_lags = max(c.num_lags for c in candidates)
    rest = {count: _rest(train, held_out, count, most_lags) for count in {c.num_components for c in candidates}}
    return ScanData(train, held_out, settings, schedule, most_lags, rest, resolution_frames)


def run_trial(data: ScanData, candidate: Candidate) -> Trial:
    """Fit and judge one candidate."""
    train = narrowed(data.train, candidate.num_components, candidate.num_lags)
    return judged(data, candidate, fit(train, None, settings_of(data, candidate), data.schedule))


def settings_of(data: ScanData, candidate: Candidate) -> Settings:
    """The settings of a candidate's chain."""
    return replace(
        data.settings,
        hdp=StickyHDP(candidate.kappa, data.settings.hdp.alpha, data.settings.hdp.gamma),
        student_t=candidate.student_t,
        seed=candidate.seed,
    )


def judged(data: ScanData, candidate: Candidate, found: Fit) -> Trial:
    """A candidate's finished chain, judged on the held-out sessions."""
    train, held = (narrowed(s, candidate.num_components, candidate.num_lags) for s in (data.train, data.held_out))
    sums, frames = judge(found.model, held, common_frames(data.held_out, data.most_lags))
    labels = [found.gibbs_labels[train.rows(i)] for i in range(len(train.names))]
    return Trial(
        candidate=candidate,
        fit=found,
        held_out=sums + data.rest[candidate.num_components],
        frames=frames,
        durations_frames=durations_frames(labels),
        resolved_frames=resolved_durations_frames(labels, data.resolution_frames),
    )


def judge(model: ARHMM, sessions: Sessions, counted: NDArray[np.bool_]) -> tuple[Array, NDArray[np.int64]]:
    """Log-likelihood (S,) of each session over the frames `counted` (N,), and how many these are."""
    sums, frames = [], []
    for index in range(len(sessions.names)):
        rows = sessions.rows(index)
        x = np.where(known_rows(sessions, rows), sessions.x[rows], np.nan)
        evidence = filtered_posterior(model, x)[1]
        sums.append(float(evidence[counted[rows]].sum()))
        frames.append(int(counted[rows].sum()))
    return np.array(sums), np.array(frames, np.int64)


def narrowed(sessions: Sessions, num_components: int, num_lags: int) -> Sessions:
    """The same sessions with fewer components, and the evidence of fewer or more lags."""
    gaps = np.where(sessions.present[:, None], 0.0, np.nan)
    mask = np.concatenate([evidence_mask(gaps[sessions.rows(i)], num_lags) for i in range(len(sessions.names))])
    x = np.ascontiguousarray(sessions.x[:, :num_components])
    return replace(sessions, x=x, has_evidence=mask, num_lags=num_lags)


def common_frames(sessions: Sessions, most_lags: int) -> NDArray[np.bool_]:
    """Frames (N,) that every candidate can be judged on."""
    return narrowed(sessions, 1, most_lags).has_evidence


def known_rows(sessions: Sessions, rows: slice) -> NDArray[np.bool_]:
    """Rows (T, 1) of one session that are present."""
    return sessions.present[rows, None]


def _rest(train: Sessions, held_out: Sessions, num_components: int, most_lags: int) -> Array:
    """Held-out log-likelihood (S,) of the components beyond `num_components`, given the others and the past."""
    num_dims = train.x.shape[1]
    if num_components == num_dims:
        return np.zeros(len(held_out.names))

    def design(sessions: Sessions, rows: NDArray[np.int64]) -> Array:
        past = [sessions.x[rows - lag] for lag in range(1, most_lags + 1)]
        return np.concatenate([*past, sessions.x[rows][:, :num_components], np.ones((len(rows), 1))], axis=1)

    rows = np.flatnonzero(common_frames(train, most_lags))
    regressors, target = design(train, rows), train.x[rows][:, num_components:]
    gram = regressors.T @ regressors
    weights = np.linalg.solve(gram + 1e-8 * np.trace(gram) / len(gram) * np.eye(len(gram)), regressors.T @ target)
    covariance = np.atleast_2d(np.cov((target - regressors @ weights).T, bias=True))
    root = np.linalg.cholesky(covariance)
    constant = -np.log(np.diag(root)).sum() - 0.5 * len(root) * np.log(2 * np.pi)
    counted = common_frames(held_out, most_lags)
    sums = []
    for index in range(len(held_out.names)):
        own = held_out.starts[index] + np.flatnonzero(counted[held_out.rows(index)])
        residual = held_out.x[own][:, num_components:] - design(held_out, own) @ weights
        sums.append(len(own) * constant - 0.5 * (np.linalg.solve(root, residual.T) ** 2).sum())
    return np.array(sums)
