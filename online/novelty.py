"""How strange the last second was to the model, measured against the sessions that it was trained on.

The surprise of a frame is -log p, p being the fraction of training frames with less log evidence: on training sessions
it is 1 on average, whatever the model. Averaged over about a second (an animal or a scene that the model does not know
is strange for longer than a frame), it is placed among the averages of the training sessions: a novelty of 0.99 says
that they were less strange 99 % of the time.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from online import decoder
from online.decoder import Decoded
from online.model import ARHMM, Array, NoveltyCalibration, Whitening

TIME_CONSTANT_MS = 1000.0
_MEAN_SURPRISE = 1.0
_TAIL = np.array([1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3])
LEVELS = np.concatenate([_TAIL, np.linspace(0.01, 0.99, 99), 1 - _TAIL[::-1]])


@dataclass(slots=True)
class NoveltyState:
    """Calibration, and the running average of the surprise; `step_share` is a frame's weight in it."""

    calibration: NoveltyCalibration
    step_share: float
    mean_surprise: float = _MEAN_SURPRISE


def init(calibration: NoveltyCalibration, camera_rate_hz: float) -> NoveltyState:
    """Novelty before the first frame of a session: as strange as a training session on average."""
    return NoveltyState(calibration, _share(calibration.time_constant_ms, camera_rate_hz))


def step(state: NoveltyState, decoded: Decoded) -> float | None:
    """Novelty, 0 to 1, after a frame; None when the frame brought no evidence, which leaves the average as it was."""
    if decoded.log_evidence is None:
        return None
    c = state.calibration
    p = _level_of(decoded.log_evidence, c.log_evidence, c.levels)
    state.mean_surprise += state.step_share * (-math.log(p) - state.mean_surprise)
    return _level_of(state.mean_surprise, c.mean_surprise, c.levels)


def session_log_evidence(arhmm: ARHMM, whitening: Whitening, scores: Array) -> Array:
    """Log evidence (T,) of every frame of a session's scores (T, D) under the filter; NaN where there is none."""
    state = decoder.init(arhmm, whitening)
    rows = np.ascontiguousarray(scores, np.float64)
    evidence = (decoder.step(state, row, 1).log_evidence for row in rows)
    return np.array([math.nan if e is None else e for e in evidence])


def calibrate(sessions: Iterable[Array], frame_rate_hz: float) -> NoveltyCalibration | None:
    """Calibration from the log evidence (T,) of sessions of the model's own rate; NaN marks frames without evidence.

    Sessions that were held out of training serve better than those in it, which look less strange than life.
    None when there are fewer than a hundred frames with evidence.
    """
    sessions = [np.asarray(s, np.float64) for s in sessions]
    evidence = np.concatenate([s[np.isfinite(s)] for s in sessions])
    if evidence.size < 100:
        return None
    quantiles = np.quantile(evidence, LEVELS)
    share = _share(TIME_CONSTANT_MS, frame_rate_hz)
    means: list[float] = []
    for session in sessions:
        mean = _MEAN_SURPRISE
        for value in session[np.isfinite(session)]:
            mean += share * (-math.log(_level_of(value, quantiles, LEVELS)) - mean)
            means.append(mean)
    return NoveltyCalibration(LEVELS.copy(), quantiles, np.quantile(means, LEVELS), TIME_CONSTANT_MS)


def _share(time_constant_ms: float, rate_hz: float) -> float:
    return 1 - math.exp(-1000 / rate_hz / time_constant_ms)


def _level_of(value: float, quantiles: Array, levels: Array) -> float:
    """Level of a value by linear interpolation between quantiles; the outermost levels beyond them."""
    right = int(np.searchsorted(quantiles, value, side="right"))
    if right == 0:
        return float(levels[0])
    if right == len(quantiles):
        return float(levels[-1])
    low, high = float(quantiles[right - 1]), float(quantiles[right])
    share = (value - low) / (high - low)
    return float(levels[right - 1]) + share * float(levels[right] - levels[right - 1])
