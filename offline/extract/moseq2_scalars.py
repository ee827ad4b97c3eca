"""The scalars of moseq2-extract from its pixel measures, with its arithmetic, defects included.

Focal lengths take an angle where its tangent belongs, and are those of a Kinect v2 whatever the camera; the sensor's
centre is subtracted from coordinates of the region's bounding box; areas are scaled by a length; frames that were
dropped are not accounted for. Where there is no mouse everything is NaN, `area_px` 0.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_WIDTH, _HEIGHT = 512, 424
_FOCAL_X = _WIDTH / (2 * math.radians(70.6 / 2))
_FOCAL_Y = _HEIGHT / (2 * math.radians(60 / 2))


def _change(values: Array) -> Array:
    return np.concatenate((np.zeros(1), np.diff(values)))


def moseq2_scalars(measures: Mapping[str, Array], true_depth_mm: float) -> dict[str, Array]:
    """The 17 published scalars, each (n,).

    `measures`: centroid_x_px, centroid_y_px (from the corner of the region's bounding box), length_px, width_px,
    area_px, height_ave_mm, angle.
    """
    column, row, height = measures["centroid_x_px"], measures["centroid_y_px"], measures["height_ave_mm"]
    mm_x, mm_y = true_depth_mm / _FOCAL_X, true_depth_mm / _FOCAL_Y
    x, y = mm_x * (column - _WIDTH / 2), mm_y * (row - _HEIGHT / 2)
    step_px = np.hypot(_change(column), _change(row))
    step_mm = np.hypot(_change(x), _change(y))
    return {
        "centroid_x_px": column,
        "centroid_y_px": row,
        "centroid_x_mm": x,
        "centroid_y_mm": y,
        "width_px": measures["width_px"],
        "length_px": measures["length_px"],
        "width_mm": measures["width_px"] * mm_y,
        "length_mm": measures["length_px"] * mm_x,
        "area_px": np.nan_to_num(measures["area_px"]),
        "area_mm": measures["area_px"] * (mm_x + mm_y) / 2,
        "height_ave_mm": height,
        "angle": measures["angle"],
        "velocity_2d_px": step_px,
        "velocity_2d_mm": step_mm,
        "velocity_3d_px": np.hypot(step_px, _change(height)),
        "velocity_3d_mm": np.hypot(step_mm, _change(height)),
        "velocity_theta": np.arctan2(_change(y), _change(x)),
    }
