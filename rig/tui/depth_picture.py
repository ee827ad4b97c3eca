"""Depth images as small pictures of levels: 0 ... DEPTH_LEVELS - 1 are heights, above them the drawn marks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from online.arena import Arena
from online.messages import Pose
from rig.tui.palette import DEPTH_LEVELS

OUTSIDE = DEPTH_LEVELS
TRAIL = DEPTH_LEVELS + 1
OUTLINE = DEPTH_LEVELS + 2
HEADING = DEPTH_LEVELS + 3
NOSE = DEPTH_LEVELS + 4
NUM_CODES = DEPTH_LEVELS + 5
Levels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the image that is shown, and the picture's size; (top, left) to (bottom, right) in image pixels."""

    top: float
    left: float
    bottom: float
    right: float
    rows: int
    columns: int

    def place(self, x_px: float, y_px: float) -> tuple[int, int]:
        """Row and column of the picture under an image pixel; may lie outside."""
        row = (y_px - self.top) / (self.bottom - self.top) * self.rows
        column = (x_px - self.left) / (self.right - self.left) * self.columns
        return math.floor(row), math.floor(column)

    @property
    def image_px_per_picture_px(self) -> float:
        """Size of a picture's pixel in the image."""
        return (self.right - self.left) / self.columns


def fit_window(height: int, width: int, arena: Arena | None, rows: int, columns: int) -> Window:
    """The arena with a margin, or the whole image, as large as fits with square pixels."""
    top, left, bottom, right = 0.0, 0.0, float(height), float(width)
    if arena is not None and arena.region.shape == (height, width):
        ys, xs = np.nonzero(arena.region)
        margin = 0.03 * max(np.ptp(ys), np.ptp(xs))
        top, bottom = max(0.0, ys.min() - margin), min(float(height), ys.max() + 1 + margin)
        left, right = max(0.0, xs.min() - margin), min(float(width), xs.max() + 1 + margin)
    scale = max((bottom - top) / rows, (right - left) / columns)
    fitted_rows = max(2, int((bottom - top) / scale) // 2 * 2)
    return Window(top, left, bottom, right, fitted_rows, max(1, int((right - left) / scale)))


class ArenaPicture:
    """Turns depth frames into heights above the floor, at a fixed window; everything that can is computed once.

    Each picture pixel is the median of up to four image pixels that have a reading; without an arena, height is
    measured from the image's 95th percentile of depth.
    """

    def __init__(self, window: Window, shape: tuple[int, int], arena: Arena | None, unit_mm: float, top_mm: float):
        self.window = window
        self._unit_mm = unit_mm
        self._top_mm = top_mm
        ys = window.top + (np.arange(window.rows * 2) + 0.5) * (window.bottom - window.top) / (window.rows * 2)
        xs = window.left + (np.arange(window.columns * 2) + 0.5) * (window.right - window.left) / (window.columns * 2)
        self._index = np.ix_(
            np.clip(ys.astype(int), 0, shape[0] - 1),
            np.clip(xs.astype(int), 0, shape[1] - 1),
        )
        self._background_mm: NDArray[np.float32] | None = None
        self._inside: NDArray[np.bool_] | None = None
        if arena is not None and arena.region.shape == shape:
            self._background_mm = arena.background_mm[self._index]
            self._inside = arena.region[self._index][::2, ::2]

    def heights_mm(self, depth: NDArray[np.uint16]) -> NDArray[np.float32]:
        """(rows, columns) heights; 0 where nothing was read."""
        sampled = depth[self._index].astype(np.float32) * np.float32(self._unit_mm)
        if self._background_mm is not None:
            background: NDArray[np.float32] | np.float32 = self._background_mm
        else:
            read = sampled[sampled > 0]
            background = np.float32(np.percentile(read, 95)) if read.size else np.float32(0)
        height = np.where((sampled > 0) & (background > 0), background - sampled, 0)
        blocks = height.reshape(self.window.rows, 2, self.window.columns, 2)
        summed: NDArray[np.float32] = blocks.max((1, 3))
        return summed

    def levels_with_region(self, depth: NDArray[np.uint16]) -> Levels:
        """Levels of a frame, also outside the region, whose border is drawn."""
        levels = height_levels(self.heights_mm(depth), self._top_mm)
        if self._inside is not None:
            levels[self._inside & ~eroded(self._inside)] = TRAIL
        return levels

    def levels(self, depth: NDArray[np.uint16]) -> Levels:
        """Levels of a frame, the outside of the region marked."""
        levels = height_levels(self.heights_mm(depth), self._top_mm)
        if self._inside is not None:
            levels[~self._inside] = OUTSIDE
        return levels


def height_levels(height_mm: NDArray[np.float32] | NDArray[np.uint8], top_mm: float) -> Levels:
    """Heights as levels, `top_mm` and more at the top."""
    scaled = np.asarray(height_mm, np.float32) * np.float32((DEPTH_LEVELS - 1) / top_mm)
    levels: Levels = np.clip(scaled, 0, DEPTH_LEVELS - 1).astype(np.uint8)
    return levels


def crop_levels(crop: NDArray[np.uint8], rows: int, columns: int, top_mm: float) -> Levels:
    """The egocentric crop, resampled to a square of at most (rows, columns)."""
    size = max(2, min(rows, columns) // 2 * 2)
    index = ((np.arange(size) + 0.5) * crop.shape[0] / size).astype(int)
    return height_levels(crop[np.ix_(index, index)], top_mm)


def draw_trail(levels: Levels, window: Window, trail: Iterable[tuple[int, float, float]]) -> None:
    """Mark where the mouse was, on the floor only."""
    for _, x_px, y_px in trail:
        row, column = window.place(x_px, y_px)
        if 0 <= row < levels.shape[0] and 0 <= column < levels.shape[1] and levels[row, column] < DEPTH_LEVELS // 4:
            levels[row, column] = TRAIL


def draw_mouse(levels: Levels, window: Window, pose: Pose, min_height_mm: float, top_mm: float) -> None:
    """Outline what stands above the floor around the mouse, and its heading with the nose at the end."""
    if pose.missing or pose.x_px is None or pose.y_px is None:
        return
    row, column = window.place(pose.x_px, pose.y_px)
    reach = max(3, round(60 / window.image_px_per_picture_px))
    _outline(levels, row, column, reach, min_height_mm / top_mm * (DEPTH_LEVELS - 1))
    if pose.heading_rad is None:
        return
    length = max(4.0, reach * 0.8)
    steps = max(3, round(length))
    for step in range(steps // 2, steps + 1):
        y = round(row - math.sin(pose.heading_rad) * length * step / steps)
        x = round(column + math.cos(pose.heading_rad) * length * step / steps)
        if 0 <= y < levels.shape[0] and 0 <= x < levels.shape[1]:
            levels[y, x] = NOSE if step >= steps - 1 else HEADING


def eroded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels whose four neighbours are all set; the image's border counts as unset."""
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return inner


def grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask and its four neighbours."""
    around = mask.copy()
    around[1:] |= mask[:-1]
    around[:-1] |= mask[1:]
    around[:, 1:] |= mask[:, :-1]
    around[:, :-1] |= mask[:, 1:]
    return around


def _outline(levels: Levels, row: int, column: int, reach: int, floor_level: float) -> None:
    """Mark what surrounds the body; specks that do not touch it are not outlined."""
    top, left = max(0, row - reach), max(0, column - reach)
    part = levels[top : row + reach + 1, left : column + reach + 1]
    if part.size == 0:
        return
    high = (part > floor_level) & (part < DEPTH_LEVELS)
    body = np.zeros_like(high)
    y, x = row - top, column - left
    near = slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2)
    body[near] = high[near]
    for _ in range(2 * reach):
        body = grown(body) & high
    part[grown(body) & ~body] = OUTLINE
