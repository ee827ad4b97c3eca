"""Find the arena in depth frames: background, floor plane, region of interest. Deterministic for a given seed.

A mouse may be in the frames: the background is made of each pixel's farthest readings, and a mouse is nearer.
The region of interest is chosen by the published ranking (area, extent, distance to the centre of the image), with
the plane refitted on its inliers, and readings of zero never taken for depths.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online.arena import Arena, Intrinsics
from online.errors import ConfigError
from online.morphology import complement, ellipse, erode, label, scratch_for

OVERHEAD_MM = 120.0
"""What is higher than this above the floor, inside the arena, hangs there or stands there; no mouse is so high."""
RIM_PX = 7

Depth = NDArray[np.float32]
Plane = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """How the arena is found.

    `depth_range_mm` bounds the search for the floor; None looks around the depth at the image's centre.
    `floor_tolerance_mm`: what counts as floor for the region. `mouse_height_mm`: readings this much nearer than a
    pixel's farthest ones are not background. Weights are those of the published ranking.
    """

    depth_range_mm: tuple[float, float] | None = None
    search_half_range_mm: float = 50.0
    floor_tolerance_mm: float = 30.0
    plane_tolerance_mm: float = 8.0
    ransac_iterations: int = 500
    area_weight: float = 1.0
    extent_weight: float = 0.1
    centre_weight: float = 1.0
    region_index: int = 0
    dilation_px: int = 9
    mouse_height_mm: float = 8.0


def calibrate(
    frames: NDArray[np.uint16],
    intrinsics: Intrinsics,
    depth_unit_mm: float,
    settings: CalibrationSettings | None = None,
    seed: int = 0,
) -> Arena:
    """Calibrate from frames (T, H, W) of counts, 0 = no reading; ten or more, spread over time, are best.

    Raises
    ------
    ConfigError
        if the frames hold no floor: too few readings, or no plane.
    """
    if frames.ndim != 3 or frames.dtype != np.uint16 or frames.shape[0] == 0:
        raise ConfigError(f"arena: frames must be uint16 (T, H, W), T > 0, not {frames.dtype} {frames.shape}")
    settings = settings or CalibrationSettings()
    background = background_of(frames, depth_unit_mm, settings.mouse_height_mm)
    plane = floor_plane_of(background, settings, seed)
    region = region_of(background, plane, settings)
    return Arena(
        background_mm=background,
        region=region,
        floor_distance_mm=float(np.median(background[region & (background > 0)])),
        floor_plane=plane,
        intrinsics=intrinsics,
    )


@njit(cache=True, nogil=True)
def _farthest(frames: NDArray[np.uint16], depth_unit_mm: float, mouse_height_mm: float, out: Depth) -> None:
    num_frames, height, width = frames.shape
    values = np.empty(num_frames, np.float32)
    for row in range(height):
        for column in range(width):
            count = 0
            for frame in range(num_frames):
                if frames[frame, row, column] > 0:
                    values[count] = frames[frame, row, column] * depth_unit_mm
                    count += 1
            if count * 10 < num_frames:  # a reading once in a while is a reflection, not a surface
                continue
            ordered = np.sort(values[:count])
            far = ordered[(9 * (count - 1)) // 10]
            low, high = 0, count
            while ordered[low] < far - mouse_height_mm:
                low += 1
            while ordered[high - 1] > far + mouse_height_mm:
                high -= 1
            middle = (low + high - 1) // 2
            out[row, column] = (ordered[middle] + ordered[(low + high) // 2]) / 2


def background_of(frames: NDArray[np.uint16], depth_unit_mm: float, mouse_height_mm: float) -> Depth:
    """Median of each pixel's farthest readings (H, W) in mm, 0 where a pixel hardly ever reads."""
    background = np.zeros(frames.shape[1:], np.float32)
    _farthest(np.ascontiguousarray(frames), depth_unit_mm, mouse_height_mm, background)
    return background


@njit(cache=True, nogil=True)
def _best_plane(points: NDArray[np.float64], draws: NDArray[np.int64], tolerance_mm: float) -> NDArray[np.float64]:
    best, best_count = np.zeros(3), 0
    for index in range(draws.shape[0]):
        p, q, r = points[draws[index, 0]], points[draws[index, 1]], points[draws[index, 2]]
        determinant = (q[0] - p[0]) * (r[1] - p[1]) - (r[0] - p[0]) * (q[1] - p[1])
        if abs(determinant) < 100:
            continue
        a = ((q[2] - p[2]) * (r[1] - p[1]) - (r[2] - p[2]) * (q[1] - p[1])) / determinant
        b = ((q[0] - p[0]) * (r[2] - p[2]) - (r[0] - p[0]) * (q[2] - p[2])) / determinant
        c = p[2] - a * p[0] - b * p[1]
        count = 0
        for k in range(points.shape[0]):
            count += abs(a * points[k, 0] + b * points[k, 1] + c - points[k, 2]) < tolerance_mm
        if count > best_count:
            best_count = count
            best[0], best[1], best[2] = a, b, c
    return best


def _search_range(background: Depth, settings: CalibrationSettings) -> tuple[float, float]:
    if settings.depth_range_mm is not None:
        return settings.depth_range_mm
    height, width = background.shape
    centre = background[height * 2 // 5 : height * 3 // 5 + 1, width * 2 // 5 : width * 3 // 5 + 1]
    if not (centre > 0).any():
        raise ConfigError("arena: no readings at the centre of the image; state depth_range_mm or aim the camera")
    middle = float(np.median(centre[centre > 0]))
    return middle - settings.search_half_range_mm, middle + settings.search_half_range_mm


def floor_plane_of(background: Depth, settings: CalibrationSettings, seed: int) -> Plane:
    """RANSAC over seeded draws, then least squares on the inliers until they settle: (a, b, c) of `Arena`."""
    nearest, farthest = _search_range(background, settings)
    rows, columns = np.nonzero((background > nearest) & (background < farthest))
    if rows.size < 100:
        raise ConfigError(
            f"arena: only {rows.size} pixels lie between {nearest:.0f} and {farthest:.0f} mm; "
            "state depth_range_mm around the floor's distance"
        )
    points = np.stack([columns, rows, background[rows, columns]], axis=1).astype(np.float64)
    rng = np.random.default_rng(seed)
    few = points[rng.choice(len(points), min(len(points), 4000), replace=False)]
    draws = rng.integers(0, len(few), (settings.ransac_iterations, 3))
    plane = _best_plane(few, draws, settings.plane_tolerance_mm)
    design = np.column_stack([points[:, :2], np.ones(len(points))])
    for _ in range(5):
        inliers = np.abs(design @ plane - points[:, 2]) < settings.plane_tolerance_mm
        if inliers.sum() < max(100, len(points) // 10):
            raise ConfigError("arena: no flat floor found; state depth_range_mm around the floor's distance")
        plane = np.linalg.lstsq(design[inliers], points[inliers, 2], rcond=None)[0]
    return float(plane[0]), float(plane[1]), float(plane[2])


def floor_distance_at(plane: Plane, shape: tuple[int, int]) -> Depth:
    """Distance of the floor plane at every pixel (H, W)."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (plane[0] * columns + plane[1] * rows + plane[2]).astype(np.float32)


def _labels(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    height, width = mask.shape
    labels = np.zeros(mask.shape, np.int32)
    count = label(mask.astype(np.uint8), height, width, 0, np.zeros(mask.size // 2 + 2, np.int32), labels)
    return labels, count


def _rank_largest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank 1 for the smallest value; ties take their highest rank, as published."""
    return np.searchsorted(np.sort(values), values, side="right").astype(np.float64)


def region_of(background: Depth, plane: Plane, settings: CalibrationSettings) -> NDArray[np.bool_]:
    """The floor's component that ranks first by area, extent and distance to the centre, dilated, holes filled."""
    distance = np.abs(background - floor_distance_at(plane, (background.shape[0], background.shape[1])))
    labels, count = _labels((background > 0) & (distance < settings.floor_tolerance_mm))
    if count == 0:
        raise ConfigError("arena: nothing lies near the floor plane; calibrate again with the floor in view")
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:].astype(np.float64)
    numbers = np.flatnonzero(areas >= areas.max() / 100) + 1
    centre_row, centre_column = (background.shape[0] - 1) / 2, (background.shape[1] - 1) / 2
    extents, farthest = np.empty(len(numbers)), np.empty(len(numbers))
    for index, number in enumerate(numbers):
        rows, columns = np.nonzero(labels == number)
        extents[index] = rows.size / (np.ptp(rows) + 1) / (np.ptp(columns) + 1)
        farthest[index] = np.hypot(rows - centre_row, columns - centre_column).max()
    score = (
        _rank_largest(-areas[numbers - 1]) * settings.area_weight
        + _rank_largest(-extents) * settings.extent_weight
        + _rank_largest(farthest) * settings.centre_weight
    )
    order = np.argsort(score, kind="stable")
    if settings.region_index >= len(order):
        raise ConfigError(f"arena: region_index {settings.region_index} asked, {len(order)} regions found")
    return _filled(_dilated(labels == numbers[order[settings.region_index]], settings.dilation_px))


def _dilated(region: NDArray[np.bool_], diameter_px: int) -> NDArray[np.bool_]:
    if diameter_px < 2:
        return region
    element = ellipse(diameter_px)
    height, width = region.shape
    image = np.where(region, 255, 0).astype(np.uint8)
    complement(image, height, width)
    parts = (element.chord_left, element.chord_right, element.chord_of_row, element.row_offset)
    erode(image, height, width, parts, scratch_for(element, height, width), image)
    dilated: NDArray[np.bool_] = image == 0
    return dilated


def _filled(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    outside, _ = _labels(np.pad(~region, 1, constant_values=True))
    return np.asarray((outside != outside[0, 0])[1:-1, 1:-1])


def _enclosed(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels with pixels of the region on both sides of them in their row, far from the region's rim."""
    inner = ~_dilated(~region, 2 * RIM_PX + 1)
    return np.logical_or.accumulate(inner, 1) & np.logical_or.accumulate(inner[:, ::-1], 1)[:, ::-1]


def tilt_rad(arena: Arena) -> float:
    """Angle between the camera's axis and the floor's normal.

    With z = a * column + b * row + c and x = z * (column - cx) / fx, dz/dx = a * fx / z at the image's centre.
    """
    a, b, c = arena.floor_plane
    camera = arena.intrinsics
    depth = a * camera.cx_px + b * camera.cy_px + c
    return math.atan(math.hypot(a * camera.fx_px, b * camera.fy_px) / depth)


def warnings(arena: Arena) -> list[str]:
    """What a user should mend before recording; empty when all is well."""
    found = []
    height, width = arena.region.shape
    tilt = math.degrees(tilt_rad(arena))
    if tilt > 3:
        found.append(f"the camera is tilted {tilt:.1f} degrees against the floor; below 3 is best")
    background = arena.background_mm[arena.region]
    coverage = float((background > 0).mean())
    if coverage < 0.97:
        found.append(f"{100 * (1 - coverage):.0f} % of the region gives no depth; mend lighting, surface or exposure")
    below = background - floor_distance_at(arena.floor_plane, (height, width))[arena.region]
    reflecting = float(((below > 25) & (background > 0)).mean())
    if reflecting > 0.01:
        found.append(f"{100 * reflecting:.0f} % of the region lies below the floor: glass or a glossy wall reflects")
    above = floor_distance_at(arena.floor_plane, (height, width)) - arena.background_mm
    hidden = _enclosed(arena.region) & (arena.background_mm > 0) & (above > OVERHEAD_MM)
    if arena.masked is not None:
        hidden &= ~arena.masked
    share = float(hidden.sum() / arena.region.sum())
    if share > 0.005:
        found.append(
            f"something {float(np.median(above[hidden])):.0f} mm above the floor hides {100 * share:.1f} % of it; "
            "if the mouse can go below it, draw a mask (--mask)"
        )
    edges = (arena.region[0], arena.region[-1], arena.region[:, 0], arena.region[:, -1])
    names = [name for name, edge in zip(("top", "bottom", "left", "right"), edges, strict=True) if edge.any()]
    if names:
        found.append(f"the arena is cut off at the image's {' and '.join(names)}; move or raise the camera")
    if arena.region.mean() < 0.05:
        found.append(f"the region covers {100 * arena.region.mean():.1f} % of the image; move the camera nearer")
    return found
