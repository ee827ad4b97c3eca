"""Short simulated sessions, and a plain measurement of a mouse that shares nothing with the renderer."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from online.messages import Truth
from online.simulation.mouse import MouseState, init, step
from online.simulation.settings import SimulationSettings

CROP_PX = 80


@dataclass(frozen=True)
class Session:
    """Slots of a simulated session; depth (slots, H, W), zeros where a frame was dropped."""

    state: MouseState
    truths: list[Truth]
    postures: NDArray[np.float64]
    depth: NDArray[np.uint16]
    recorded: NDArray[np.bool_]


def simulate(settings: SimulationSettings, num_slots: int) -> Session:
    state = init(settings)
    depth = np.zeros((num_slots, settings.height, settings.width), np.uint16)
    truths, postures, recorded = [], [], []
    for frame in depth:
        recorded.append(step(state, frame) is not None)
        assert state.last_truth is not None
        truths.append(state.last_truth)
        postures.append(state.posture.copy())
    return Session(state, truths, np.array(postures), depth, np.array(recorded))


@dataclass(frozen=True)
class Measured:
    """Pixels and mm: centroid, ellipse axes, orientation modulo pi, area and mean height of the cleaned 80x80 crop."""

    x_px: float
    y_px: float
    length_px: float
    width_px: float
    orientation_rad: float
    area_px: float
    height_mm: float
    mask: NDArray[np.bool_]


def find(session: MouseState, frame: NDArray[np.uint16], truth: Truth, opening_px: int = 9) -> Measured:
    """Measure the mouse in a frame; the truth only says in which window of the floor to look."""
    settings = session.settings
    scale = settings.focal_px / (settings.floor_distance_mm - 25)
    rows, columns = np.ogrid[: settings.height, : settings.width]
    centre_row, centre_column = (settings.height - 1) / 2, (settings.width - 1) / 2
    window = np.s_[
        max(int(centre_row + truth.y_mm * scale) - 65, 0) : int(centre_row + truth.y_mm * scale) + 65,
        max(int(centre_column + truth.x_mm * scale) - 65, 0) : int(centre_column + truth.x_mm * scale) + 65,
    ]
    from_centre = np.hypot(rows - centre_row, columns - centre_column)[window]
    floor = from_centre <= settings.floor_size_mm / settings.floor_distance_mm * settings.focal_px
    height_mm = np.where((frame[window] > 0) & floor, session.scene[window] - frame[window].astype(float), 0.0)
    found = measure(height_mm, opening_px)
    mask = np.zeros(frame.shape, np.bool_)
    mask[window] = found.mask
    return replace(found, x_px=found.x_px + window[1].start, y_px=found.y_px + window[0].start, mask=mask)


def measure(height_mm: NDArray[np.float64], opening_px: int = 9) -> Measured:
    """Threshold, median, grey opening with a disc, largest piece, second moments: as the published tools do."""
    reach = opening_px // 2
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    height_mm = np.where((height_mm > 10) & (height_mm < 100), height_mm, 0)
    cleaned = ndimage.grey_opening(
        ndimage.median_filter(height_mm, 3), footprint=np.hypot(rows, columns) <= opening_px / 2
    )
    pieces, _ = ndimage.label(cleaned > 10)
    mask = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
    y, x = np.nonzero(mask)
    spread_x, spread_y, shear = x.var(), y.var(), np.mean((x - x.mean()) * (y - y.mean()))
    root = np.hypot(spread_x - spread_y, 2 * shear)
    near = (np.abs(np.arange(mask.shape[0]) - y.mean()) < CROP_PX / 2)[:, None] & (
        np.abs(np.arange(mask.shape[1]) - x.mean()) < CROP_PX / 2
    )
    crop = cleaned[near & (cleaned > 10)]
    return Measured(
        x_px=float(x.mean()),
        y_px=float(y.mean()),
        length_px=float(2 * np.sqrt(2 * (spread_x + spread_y + root))),
        width_px=float(2 * np.sqrt(2 * (spread_x + spread_y - root))),
        orientation_rad=float(-0.5 * np.arctan2(2 * shear, spread_x - spread_y)),
        area_px=float(crop.size),
        height_mm=float(crop.mean()),
        mask=mask,
    )
