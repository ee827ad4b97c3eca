"""The empty arena: floor, walls, and what lies around, as the camera sees it without noise."""

import numpy as np
from numpy.typing import NDArray

from online.simulation.settings import SimulationSettings

Image = NDArray[np.float32]

WALL_FLARE = 0.05
"""How much the walls lean outwards, mm per mm of height."""


def view_rays(settings: SimulationSettings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slopes (H, 1) and (1, W) of each pixel's ray: mm down and to the right per mm of distance."""
    pinhole = settings.intrinsics
    down = (np.arange(settings.height, dtype=np.float64) - pinhole.cy_px) / pinhole.fy_px
    right = (np.arange(settings.width, dtype=np.float64) - pinhole.cx_px) / pinhole.fx_px
    return down[:, None], right[None, :]


def floor_distance(settings: SimulationSettings, x_mm: float, y_mm: float) -> float:
    """Distance of the floor below (x, y), measured along the camera's axis."""
    return settings.floor_distance_mm + settings.floor_slope[0] * x_mm + settings.floor_slope[1] * y_mm


def empty_scene(settings: SimulationSettings) -> Image:
    """Distance of the empty arena in mm (H, W); 0 where the camera sees nothing (far outside the walls)."""
    down, right = view_rays(settings)
    slope_x, slope_y = settings.floor_slope
    floor = settings.floor_distance_mm / (1 - slope_x * right - slope_y * down)
    outward = np.maximum(np.abs(right), np.abs(down)) if settings.arena_shape == "square" else np.hypot(right, down)
    size, rim = settings.floor_size_mm, settings.floor_distance_mm - settings.wall_height_mm
    wall = (size + WALL_FLARE * settings.floor_distance_mm) / (outward + WALL_FLARE)
    distance = np.where(outward * floor <= size, floor, np.clip(wall, rim, None))
    beyond_rim = outward * rim > size + WALL_FLARE * settings.wall_height_mm
    distance = np.where(beyond_rim, rim + 35.0, distance)
    around = np.arctan2(down, right)
    visible = (size + 100 + 18 * np.sin(2 * around + 1) + 8 * np.sin(5 * around)) / rim
    distance = distance + _unevenness(settings)
    return np.ascontiguousarray(np.where(np.hypot(right, down) > visible, 0.0, distance), np.float32)


def _unevenness(settings: SimulationSettings) -> NDArray[np.float64]:
    """A floor is never quite flat: gentle waves of 0.8 mm, the same in every session."""
    down, right = view_rays(settings)
    x, y = right * settings.floor_distance_mm, down * settings.floor_distance_mm
    return np.asarray(0.5 * np.sin(x / 47 + 1.3) * np.cos(y / 61) + 0.3 * np.sin(x / 23 - y / 31))
