"""The empty arena as the camera sees it: background, floor, region of interest, millimetres per pixel.

Depths are millimetres from the camera; 0 means no reading. Image rows are y (down), columns x (right).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from online.errors import ConfigError

Outline = tuple[tuple[float, float], ...]
"""Corners of a polygon, in order."""

SAME_FOCAL_LENGTH = 0.002
SAME_CENTRE_PX = 1.0


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """Pinhole camera: x_mm = depth_mm * (column - cx_px) / fx_px, y_mm = depth_mm * (row - cy_px) / fy_px."""

    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float


@dataclass(frozen=True, slots=True)
class Arena:
    """A calibrated arena.

    background_mm (H, W) float32, distance of the empty arena, 0 where unknown; region (H, W) bool, where a mouse can
    be; floor_distance_mm, median distance of the floor in the region; floor_plane (a, b, c): the floor at (column,
    row) is a * column + b * row + c mm away; masked (H, W) bool, or None: pixels that say nothing about the mouse,
    because something hangs above it there, and whose readings count as missing; implants, polygons of what the animal
    wears, corners (mm ahead of the body's centre, mm to its right), hidden as well.
    """

    background_mm: NDArray[np.float32]
    region: NDArray[np.bool_]
    floor_distance_mm: float
    floor_plane: tuple[float, float, float]
    intrinsics: Intrinsics
    masked: NDArray[np.bool_] | None = None
    implants: tuple[Outline, ...] = ()

    def __post_init__(self) -> None:
        if self.background_mm.shape != self.region.shape or self.background_mm.ndim != 2:
            raise ConfigError("arena: background and region must be two images of the same size")
        if not self.region.any():
            raise ConfigError("arena: the region of interest is empty; calibrate again with the floor in view")
        if self.masked is not None and self.masked.shape != self.region.shape:
            raise ConfigError(
                f"arena: the mask has {self.masked.shape[1]} x {self.masked.shape[0]} pixels and the camera "
                f"{self.region.shape[1]} x {self.region.shape[0]}: draw it on the arena's picture"
            )
        if self.masked is not None and not (self.region & ~self.masked).any():
            raise ConfigError("arena: the mask leaves nothing of the region of interest; draw it smaller")

    @property
    def has_mask(self) -> bool:
        """Whether anything hides the mouse, above it or on it."""
        return self.masked is not None or bool(self.implants)

    @property
    def mm_per_px(self) -> tuple[float, float]:
        """True millimetres per pixel at the floor, along x and along y."""
        return self.floor_distance_mm / self.intrinsics.fx_px, self.floor_distance_mm / self.intrinsics.fy_px

    @property
    def centre_mm(self) -> tuple[float, float]:
        """Where positions have their origin: the centroid of the region's floor (x, y), mm from the camera's axis."""
        rows, columns = np.nonzero(self.region)
        a, b, c = self.floor_plane
        distance = a * columns + b * rows + c
        footprint = distance**3  # of a pixel on the floor, up to a constant: z = z0 + slope * x widens it once more
        x = distance * (columns - self.intrinsics.cx_px) / self.intrinsics.fx_px
        y = distance * (rows - self.intrinsics.cy_px) / self.intrinsics.fy_px
        return float(np.average(x, weights=footprint)), float(np.average(y, weights=footprint))

    @property
    def centre_px(self) -> tuple[float, float]:
        """The pixel (column, row) of `centre_mm` on the floor."""
        x, y = self.centre_mm
        a, b, c = self.floor_plane
        camera = self.intrinsics
        # On the floor z = c + a * column + b * row, with column = cx + fx * x / z: a quadratic in z.
        level = c + a * camera.cx_px + b * camera.cy_px
        distance = (level + math.sqrt(level**2 + 4 * (a * camera.fx_px * x + b * camera.fy_px * y))) / 2
        return camera.cx_px + camera.fx_px * x / distance, camera.cy_px + camera.fy_px * y / distance


def foreign_camera(arena: Arena, height: int, width: int, intrinsics: Intrinsics) -> str | None:
    """Why images of this size and lens are not of the camera that the arena was calibrated with; None if they may be.

    A camera that reports its lens reports the same numbers every time; two of one make differ by about a percent.
    """
    rows, columns = arena.region.shape
    if (rows, columns) != (height, width):
        return f"it was calibrated for {columns} x {rows} pixels, and the images have {width} x {height}"
    ours, theirs = arena.intrinsics, intrinsics
    same_scale = math.isclose(ours.fx_px, theirs.fx_px, rel_tol=SAME_FOCAL_LENGTH) and math.isclose(
        ours.fy_px, theirs.fy_px, rel_tol=SAME_FOCAL_LENGTH
    )
    if same_scale and max(abs(ours.cx_px - theirs.cx_px), abs(ours.cy_px - theirs.cy_px)) <= SAME_CENTRE_PX:
        return None
    return f"it was calibrated through another lens ({_lens(ours)}) than this camera's ({_lens(theirs)})"


def _lens(intrinsics: Intrinsics) -> str:
    numbers = (intrinsics.fx_px, intrinsics.fy_px, intrinsics.cx_px, intrinsics.cy_px)
    return "focal lengths {:.1f} and {:.1f} px, centre {:.1f}, {:.1f}".format(*numbers)
