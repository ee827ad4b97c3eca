"""Ray casting of ellipsoids into a depth image, for a camera that looks straight down."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online.simulation.body import ACROSS, ALONG, CX, CY, CZ, NUM_BODY, PITCH, UP, YAW

Array = NDArray[np.float64]
Image = NDArray[np.float32]
Box = tuple[int, int, int, int]
"""First and end row, first and end column."""

BLEND_MM = 6.0
"""Neighbouring parts of the body flow into one another over this depth."""
NOTHING = np.float32(1e9)
MIN_HEIGHT_MM = 10.0
AREA, CENTROID_X, CENTROID_Y, LENGTH, WIDTH, MEAN_HEIGHT = range(6)


@njit(cache=True, nogil=True)
def part_box(part: Array, floor_mm: float, pinhole: Array, shape: tuple[int, int]) -> Box:
    """Where in an image of `shape` the part can be seen."""
    reach = max(part[ALONG], part[ACROSS], part[UP])
    distance = floor_mm - part[CZ]
    half = pinhole[0] * reach / max(distance - reach, 1.0) * 1.05 + 2
    column = pinhole[1] + pinhole[0] * part[CX] / distance
    row = pinhole[2] + pinhole[0] * part[CY] / distance
    return (
        min(max(int(row - half), 0), shape[0]),
        min(max(int(row + half) + 1, 0), shape[0]),
        min(max(int(column - half), 0), shape[1]),
        min(max(int(column + half) + 1, 0), shape[1]),
    )


@njit(cache=True, nogil=True)
def parts_box(parts: Array, floor_mm: float, pinhole: Array, shape: tuple[int, int], margin: int) -> Box:
    """Where all `parts` and `margin` pixels around them can be seen."""
    top, bottom, left, right = shape[0], 0, shape[1], 0
    for i in range(parts.shape[0]):
        box = part_box(parts[i], floor_mm, pinhole, shape)
        top, bottom = min(top, box[0]), max(bottom, box[1])
        left, right = min(left, box[2]), max(right, box[3])
    return max(top - margin, 0), min(bottom + margin, shape[0]), max(left - margin, 0), min(right + margin, shape[1])


@njit(cache=True, nogil=True)
def _quadric(part: Array) -> tuple[float, float, float, float, float, float]:
    """Entries xx, yy, zz, xy, xz, yz of the ellipsoid's quadratic form in camera axes: right, down, away."""
    cos_yaw, sin_yaw = math.cos(part[YAW]), math.sin(part[YAW])
    cos_pitch, sin_pitch = math.cos(part[PITCH]), math.sin(part[PITCH])
    axes = (
        (cos_pitch * cos_yaw, -cos_pitch * sin_yaw, -sin_pitch, part[ALONG]),
        (-sin_yaw, -cos_yaw, 0.0, part[ACROSS]),
        (-sin_pitch * cos_yaw, sin_pitch * sin_yaw, -cos_pitch, part[UP]),
    )
    xx = yy = zz = xy = xz = yz = 0.0
    for x, y, z, length in axes:
        weight = 1.0 / length**2
        xx, yy, zz = xx + weight * x * x, yy + weight * y * y, zz + weight * z * z
        xy, xz, yz = xy + weight * x * y, xz + weight * x * z, yz + weight * y * z
    return xx, yy, zz, xy, xz, yz


@njit(cache=True, nogil=True, error_model="numpy")
def draw_part(surface: Image, part: Array, floor_mm: float, pinhole: Array) -> None:
    """Lower `surface` (distance of what is nearest, NOTHING where empty) by one ellipsoid, blending within BLEND_MM.

    pinhole: focal length, centre column, centre row (px). A ray (u, v, 1) * Z meets the ellipsoid where
    a * Z**2 - 2 * b * Z + c = 0; the nearer root is seen.
    """
    top, bottom, left, right = part_box(part, floor_mm, pinhole, surface.shape)
    xx, yy, zz, xy, xz, yz = _quadric(part)
    x, y, z = part[CX], part[CY], floor_mm - part[CZ]
    qx, qy, qz = xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z
    c = x * qx + y * qy + z * qz - 1.0
    for row in range(top, bottom):
        v = (row - pinhole[2]) / pinhole[0]
        for column in range(left, right):
            u = (column - pinhole[1]) / pinhole[0]
            a = u * (xx * u + 2 * (xy * v + xz)) + v * (yy * v + 2 * yz) + zz
            b = u * qx + v * qy + qz
            discriminant = b * b - a * c
            if discriminant <= 0.0:
                continue
            distance = (b - math.sqrt(discriminant)) / a
            other = surface[row, column]
            overlap = max(BLEND_MM - abs(distance - other), 0.0)
            surface[row, column] = min(distance, other) - overlap * overlap / (4 * BLEND_MM)


@njit(cache=True, nogil=True, error_model="numpy")
def measure(surface: Image, floor_mm: float, pinhole: Array, box: Box, measured: Array) -> None:
    """Measure what rises more than 10 mm: area (mm2), centroid x, y, length, width, mean height (mm).

    Each pixel counts by the true area that it covers at its own distance. Length and width are the axes of the
    ellipse with the same second moments. With nothing in view the area is 0 and the rest stays as it was.
    """
    total = sum_x = sum_y = sum_xx = sum_yy = sum_xy = sum_height = 0.0
    for row in range(box[0], box[1]):
        for column in range(box[2], box[3]):
            distance = surface[row, column]
            height = floor_mm - distance
            if height <= MIN_HEIGHT_MM:
                continue
            x = (column - pinhole[1]) / pinhole[0] * distance
            y = (row - pinhole[2]) / pinhole[0] * distance
            weight = (distance / pinhole[0]) ** 2
            total, sum_height = total + weight, sum_height + weight * height
            sum_x, sum_y = sum_x + weight * x, sum_y + weight * y
            sum_xx, sum_yy, sum_xy = sum_xx + weight * x * x, sum_yy + weight * y * y, sum_xy + weight * x * y
    measured[AREA] = total
    if total == 0.0:
        return
    x, y = sum_x / total, sum_y / total
    xx, yy, xy = sum_xx / total - x * x, sum_yy / total - y * y, sum_xy / total - x * y
    root = math.sqrt((xx - yy) ** 2 + 4 * xy * xy)
    measured[CENTROID_X], measured[CENTROID_Y], measured[MEAN_HEIGHT] = x, y, sum_height / total
    measured[LENGTH] = 2 * math.sqrt(2 * (xx + yy + root))
    measured[WIDTH] = 2 * math.sqrt(max(2 * (xx + yy - root), 0.0))


@njit(cache=True, nogil=True)
def draw_animal(surface: Image, parts: Array, floor_mm: float, pinhole: Array, measured: Array) -> Box:
    """Clear what `parts` can cover, draw them, and measure the body (the parts before NUM_BODY: no tail, no tether)."""
    box: Box = parts_box(parts, floor_mm, pinhole, surface.shape, 3)
    surface[box[0] : box[1], box[2] : box[3]] = NOTHING
    for i in range(NUM_BODY):
        draw_part(surface, parts[i], floor_mm, pinhole)
    measure(surface, floor_mm, pinhole, box, measured)
    for i in range(NUM_BODY, parts.shape[0]):
        draw_part(surface, parts[i], floor_mm, pinhole)
    return box
