"""A trained classifier of which end is the nose: a weighted sum of the body's asymmetries along its axis.

Every feature changes its sign when the body is turned round, and so needs no intercept and no preferred side. The
weighted sum is the log odds that the nose lies towards the axis.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online.errors import FileFormatError
from online.morphology import Image

FEATURES = ("skewness", "breadth", "height", "height_skewness", "height_breadth", "reach")
"""Along the axis, without unit: skewness of the pixels; their width's moment; mean place weighted by height; skewness
and the width's moment weighted by height; how much farther the body reaches on one side."""


def weights_in_order(weights: dict[str, float]) -> NDArray[np.float64]:
    """Weights (6,) in the order of FEATURES.

    Raises
    ------
    FileFormatError
        if a feature is missing, unknown, or its weight not a finite number.
    """
    if set(weights) != set(FEATURES) or not all(math.isfinite(value) for value in weights.values()):
        raise FileFormatError(f"head and tail: finite weights of {', '.join(FEATURES)} are needed, not {weights}")
    return np.array([weights[name] for name in FEATURES], np.float64)


@njit(cache=True, nogil=True)
def asymmetry(
    heights: Image,
    labels: NDArray[np.int32],
    number: int,
    shape: tuple[int, int],
    pose: tuple[float, float, float],
    features: NDArray[np.float64],
) -> None:
    """Fill `features` (6,) for component `number`; `pose` = its (column, row, axis), `shape` the part in use."""
    along, across = math.cos(pose[2]), math.sin(pose[2])
    count = mass = uu = vv = uuu = uvv = hu = huuu = huvv = 0.0
    least, most = 1e9, -1e9
    for row in range(shape[0]):
        for column in range(shape[1]):
            if labels[row, column] != number:
                continue
            x, y, height = column - pose[0], row - pose[1], float(heights[row, column])
            u, v = x * along - y * across, x * across + y * along
            count += 1
            mass += height
            uu += u * u
            vv += v * v
            uuu += u * u * u
            uvv += u * v * v
            hu += height * u
            huuu += height * u * u * u
            huvv += height * u * v * v
            least, most = min(least, u), max(most, u)
    features[:] = 0
    if count == 0 or mass == 0 or uu == 0 or vv == 0:
        return
    length, width = math.sqrt(uu / count), math.sqrt(vv / count)
    features[0] = uuu / count / length**3
    features[1] = uvv / count / (length * width**2)
    features[2] = hu / mass / length
    features[3] = huuu / mass / length**3
    features[4] = huvv / mass / (length * width**2)
    features[5] = (most + least) / (most - least)
