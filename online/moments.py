"""Shape of a component from its sums: axes, orientation, and which end is the narrow one."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from online.segmentation import AREA, SUM_X, SUM_XX, SUM_XXX, SUM_XXY, SUM_XY, SUM_XYY, SUM_Y, SUM_YY, SUM_YYY


@dataclass(frozen=True, slots=True)
class Shape:
    """Ellipse with the component's second moments, in mm, and its asymmetry.

    `axis_rad` in (-pi/2, pi/2], counter-clockwise on screen. `taper` is positive when the body narrows in the
    direction of `axis_rad`: skewness along the axis minus the width's moment along it, both without unit.
    """

    axis_rad: float
    length_mm: float
    width_mm: float
    taper: float


def shape_of(line: NDArray[np.float64], pixel_mm: tuple[float, float]) -> Shape:
    """Shape from one line of a component table and the size of a pixel along x and y.

    Full axes of a uniform ellipse are four standard deviations long.
    """
    area = float(line[AREA])
    x, y = float(line[SUM_X]) / area, float(line[SUM_Y]) / area
    scale_x, scale_y = pixel_mm
    raw_xx, raw_xy, raw_yy = (float(line[i]) / area for i in (SUM_XX, SUM_XY, SUM_YY))
    xx, xy, yy = (raw_xx - x * x) * scale_x**2, (raw_xy - x * y) * scale_x * scale_y, (raw_yy - y * y) * scale_y**2
    spread = math.hypot(xx - yy, 2 * xy)
    long_variance, short_variance = (xx + yy + spread) / 2, max((xx + yy - spread) / 2, 0.0)
    axis = -0.5 * math.atan2(2 * xy, xx - yy)
    raw_xxx, raw_xxy, raw_xyy, raw_yyy = (float(line[i]) / area for i in (SUM_XXX, SUM_XXY, SUM_XYY, SUM_YYY))
    xxx = (raw_xxx - 3 * x * raw_xx + 2 * x**3) * scale_x**3
    xxy = (raw_xxy - 2 * x * raw_xy - y * raw_xx + 2 * x * x * y) * scale_x**2 * scale_y
    xyy = (raw_xyy - 2 * y * raw_xy - x * raw_yy + 2 * x * y * y) * scale_x * scale_y**2
    yyy = (raw_yyy - 3 * y * raw_yy + 2 * y**3) * scale_y**3
    c, s = math.cos(axis), -math.sin(axis)  # the axis in the image, y down
    along = c**3 * xxx + 3 * c * c * s * xxy + 3 * c * s * s * xyy + s**3 * yyy
    across = c * s * s * xxx + s * (s * s - 2 * c * c) * xxy + c * (c * c - 2 * s * s) * xyy + s * c * c * yyy
    taper = 0.0
    if short_variance > 0:
        taper = along / long_variance**1.5 - across / (long_variance**0.5 * short_variance)
    return Shape(axis, 4 * math.sqrt(long_variance), 4 * math.sqrt(short_variance), taper)
