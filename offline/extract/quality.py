"""The published checks of an extracted session, and of a session among others.

Shares of frames that fail (moseq2-app's definitions): a session does not pass a check with 5 % or more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LIMIT = 0.05
STILL_MM_PER_FRAME = 0.1
COMPARED = ("area_mm", "length_mm", "width_mm", "height_ave_mm", "velocity_2d_mm", "velocity_3d_mm")
MIN_SESSIONS = 2 * len(COMPARED)
"""Fewer sessions do not show what is usual."""


@dataclass(frozen=True, slots=True)
class Checks:
    """`shares` by check, `failed`: those at LIMIT or above, `means` of the scalars COMPARED."""

    shares: dict[str, float]
    failed: list[str]
    means: dict[str, float]


def checks_of(scalars: Mapping[str, NDArray[np.float64]], timestamps_ms: NDArray[np.float64], rate_hz: float) -> Checks:
    """Dropped frames, a mouse that never moves, is missing, too small, or without numbers."""
    area = scalars["area_px"]
    mean_step_s = float(np.diff(timestamps_ms).mean()) / 1000 if len(timestamps_ms) > 1 else 1 / rate_hz
    shares = {
        "dropped_frames": abs(rate_hz - 1 / mean_step_s) / rate_hz,
        "stationary": float((scalars["velocity_2d_mm"] < STILL_MM_PER_FRAME).mean()),
        "missing": float((area == 0).mean()),
        "size_anomaly": float((area < 2 * area.std()).mean()),
        "corrupted": float(np.isnan(scalars["centroid_x_px"]).mean()),
    }
    with np.errstate(invalid="ignore"):
        means = {name: float(np.nansum(scalars[name]) / max(np.isfinite(scalars[name]).sum(), 1)) for name in COMPARED}
    return Checks(shares, [name for name, share in shares.items() if share >= LIMIT], means)


def unusual_sessions(means: list[dict[str, float]]) -> list[bool]:
    """Which sessions lie outside the robust ellipse of all (published: 10 % of them do by construction)."""
    if len(means) < MIN_SESSIONS:
        return [False] * len(means)
    from sklearn.covariance import EllipticEnvelope

    table = np.array([[session[name] for name in COMPARED] for session in means])
    return [bool(flag) for flag in EllipticEnvelope(random_state=0).fit_predict(table) < 0]
