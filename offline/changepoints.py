"""Model-free changepoints of behaviour, from random projections of the crops (Wiltschko et al. 2015; moseq2-pca).

Crops are projected on random directions, standardised over time, then at each frame across projections, and smoothed
over time; the trace is the mean over projections of the squared change over six frames, less its minimum, and its
local maxima above a threshold are changepoints. T slots, P projections.

The compatible form repeats moseq2-pca: a smoothing kernel that lags by half a sample, 21 blind frames at either end,
and changes that span dropped frames. The corrected form centres the kernel, is blind only where its windows do not fit,
and lets neither smoothing nor change cross a dropped frame or one without a mouse.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from online.errors import FileFormatError
from online.files.whole_hdf5 import whole_hdf5

Array = NDArray[np.float64]

LONGEST_BLIND_S = 1.0
PUBLISHED_BLIND_FRAMES = 21
PUBLISHED_TAPS = np.arange(-3.5, 3.5)


@dataclass(frozen=True, slots=True)
class ChangepointSettings:
    """smoothing_sd_frames: in effect, also in the published tools, which ask for 3.5 and get 1.5."""

    num_projections: int = 300
    smoothing_sd_frames: float = 1.5
    change_frames: int = 6
    threshold: float = 0.5
    compatible: bool = False
    seed: int = 0


def project(crops: Iterable[NDArray[np.uint8]], settings: ChangepointSettings) -> Array:
    """Random projections (frames, P) of crops given in pieces (n, H, W); frames without a mouse become NaN."""
    directions = None
    parts = []
    for piece in crops:
        flat = piece.reshape(len(piece), piece.shape[1] * piece.shape[2]).astype(np.float32)
        if directions is None:
            rng = np.random.default_rng(settings.seed)
            directions = rng.standard_normal((flat.shape[1], settings.num_projections)).astype(np.float32)
        projected = (flat @ directions).astype(np.float64)
        if not settings.compatible:
            projected[~piece.any(axis=(1, 2))] = np.nan
        parts.append(projected)
    return np.concatenate(parts) if parts else np.empty((0, settings.num_projections))


def change_trace(projections: Array, slots: NDArray[np.int64], settings: ChangepointSettings) -> Array:
    """Strength of change (T,) at every slot of the camera's grid, NaN where it is not known.

    projections (frames, P) and the slot (frames,) of each frame.
    """
    if not np.isfinite(projections).any():
        return np.full(int(slots[-1]) + 1 if len(slots) else 0, np.nan)
    if settings.compatible:
        trace = np.full(int(slots[-1]) + 1, np.nan)
        trace[slots] = _published_trace(_standardise(projections), settings)
        return trace
    on_grid = np.full((int(slots[-1]) + 1, projections.shape[1]), np.nan)
    on_grid[slots] = _standardise(projections)
    half = int(np.ceil(3 * settings.smoothing_sd_frames))
    kernel = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * settings.smoothing_sd_frames**2))
    change = _squared_change(_centred_smoothing(on_grid, kernel / kernel.sum()), settings.change_frames)
    return _above_minimum(change.mean(1))


def changepoints(trace: Array, threshold: float) -> NDArray[np.int64]:
    """Slots that are strict local maxima of the trace, above the threshold; next to NaN there is none."""
    if len(trace) < 3:
        return np.empty(0, np.int64)
    inner = trace[1:-1]
    with np.errstate(invalid="ignore"):
        peaks = (inner > trace[:-2]) & (inner > trace[2:]) & (inner > threshold)
    return np.flatnonzero(peaks) + 1


def block_durations_s(times_s: Array, trace: Array, rate_hz: float) -> Array:
    """Time from each changepoint to the next, where the trace (T,) of slots was blind for `LONGEST_BLIND_S` at most:
    in a longer gap a changepoint could have been missed."""
    edges = np.rint(times_s * rate_hz).astype(np.int64)
    blind = np.flatnonzero(~np.isfinite(trace))
    runs = np.split(blind, np.flatnonzero(np.diff(blind) > 1) + 1) if blind.size else []
    too_long = np.array([run[0] for run in runs if len(run) > LONGEST_BLIND_S * rate_hz], np.int64)
    gaps_before = np.searchsorted(too_long, edges)
    durations: Array = np.diff(times_s)[np.diff(gaps_before) == 0]
    return durations


def _standardise(projections: Array) -> Array:
    deviation = np.nanstd(projections, axis=0)
    over_time: Array = (projections - np.nanmean(projections, axis=0)) / np.where(deviation > 0, deviation, 1.0)
    across = over_time.std(1, keepdims=True)
    standardised: Array = (over_time - over_time.mean(1, keepdims=True)) / np.where(across > 0, across, 1.0)
    return standardised


def _published_trace(standardised: Array, settings: ChangepointSettings) -> Array:
    kernel = np.exp(-(PUBLISHED_TAPS**2) / (2 * settings.smoothing_sd_frames**2))
    smooth = convolve1d(standardised, kernel / kernel.sum(), axis=0, mode="constant")
    change = _squared_change(smooth, settings.change_frames).mean(1)
    change[:PUBLISHED_BLIND_FRAMES] = np.nan
    change[-PUBLISHED_BLIND_FRAMES:] = np.nan
    return _above_minimum(change)


def _centred_smoothing(values: Array, kernel: Array) -> Array:
    """Weighted means over windows that hold no NaN and fit into the session, NaN elsewhere."""
    half = len(kernel) // 2
    out = np.full(values.shape, np.nan)
    if len(values) > 2 * half:
        out[half:-half] = sliding_window_view(values, len(kernel), axis=0) @ kernel
    return out


def _squared_change(values: Array, over_frames: int) -> Array:
    half = over_frames // 2
    change = np.full(values.shape, np.nan)
    if len(values) > 2 * half:
        change[half:-half] = (values[2 * half :] - values[: -2 * half]) ** 2
    return change


def _above_minimum(trace: Array) -> Array:
    known = trace[np.isfinite(trace)]
    lifted: Array = trace - (known.min() if known.size else 0.0)
    return lifted


@dataclass(frozen=True, slots=True)
class SessionChanges:
    """Changepoints of one session: their times (n,) in seconds from its first slot, and the trace (T,)."""

    uuid: str
    times_s: Array
    trace: Array


def write_changepoints(path: Path, sessions: Iterable[SessionChanges], frame_rate_hz: float) -> None:
    """Write `changepoints.h5` in moseq2-pca's layout: /cps/<uuid> (n, 1) seconds, /cps_score/<uuid>, /metadata/fps."""
    with whole_hdf5(path) as file:
        file["metadata/fps"] = np.float32(frame_rate_hz)
        for session in sessions:
            file[f"cps/{session.uuid}"] = session.times_s[:, None].astype(np.float32)
            file[f"cps_score/{session.uuid}"] = session.trace.astype(np.float32)


def read_changepoints(path: Path) -> tuple[dict[str, SessionChanges], float]:
    """What `write_changepoints` wrote: sessions by uuid, and their frame rate in Hz.

    Raises
    ------
    FileFormatError
        if the file is no `changepoints.h5`.
    """
    try:
        with h5py.File(path) as file:
            found = {
                uuid: SessionChanges(
                    uuid, np.asarray(times, np.float64).ravel(), np.asarray(file["cps_score"][uuid], np.float64)
                )
                for uuid, times in file["cps"].items()
            }
            rate_hz = float(file["metadata/fps"][()])
    except (OSError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{path}: not a file of changepoints ({error}); make it with 'etholoop changepoints'"
        ) from error
    if not 0 < rate_hz < np.inf:
        raise FileFormatError(f"{path}: its frame rate is {rate_hz:g} Hz; make it anew with 'etholoop changepoints'")
    for uuid, session in found.items():
        if not (np.isfinite(session.times_s).all() and (np.diff(session.times_s) > 0).all()):
            raise FileFormatError(f"{path}: the changepoints of session {uuid} are not times in rising order")
    return found, rate_hz
