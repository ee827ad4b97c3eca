"""The outline of a component as a polygon through the centres of its border pixels, and that polygon's moments.

moseq2-extract measures this polygon rather than the pixels; its area is smaller by half a pixel all around.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online.segmentation import AREA, SUM_X, SUM_XX, SUM_XY, SUM_Y, SUM_YY

# Eight neighbours (down, right), clockwise on screen from the left one.
_CLOCKWISE = ((0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1))


@njit(cache=True, nogil=True)
def _is(labels: NDArray[np.int32], shape: tuple[int, int], number: int, row: int, column: int) -> bool:
    return 0 <= row < shape[0] and 0 <= column < shape[1] and labels[row, column] == number


@njit(cache=True, nogil=True)
def _next_border(
    labels: NDArray[np.int32], shape: tuple[int, int], number: int, place: tuple[int, int], came_from: int
) -> int:
    """Direction of the next border pixel, searching clockwise from just after `came_from`; -1 without neighbour."""
    for turn in range(1, 9):
        direction = (came_from + turn) % 8
        down, right = _CLOCKWISE[direction]
        if _is(labels, shape, number, place[0] + down, place[1] + right):
            return direction
    return -1


@njit(cache=True, nogil=True)
def polygon_sums(
    labels: NDArray[np.int32], number: int, window: tuple[int, int, int, int], line: NDArray[np.float64]
) -> None:
    """Write the moments of a component's outer outline over its sums in `line` (Green's theorem; third ones stay).

    The outline is followed clockwise from the first pixel in reading order (Moore's neighbourhood), until that pixel
    is left in the first direction again. A component without area (a line, a point) keeps its pixels' sums.
    """
    first_row, first_column, height, width = window
    shape = height, width
    row, column = 0, 0
    while labels[row, column] != number:
        column += 1
        if column == width:
            row, column = row + 1, 0
    start, place = (row, column), (row, column)
    first = _next_border(labels, shape, number, place, 0)
    if first < 0:
        return
    direction = first
    area = x1 = y1 = xx = xy = yy = 0.0
    for _ in range(4 * height * width):
        down, right = _CLOCKWISE[direction]
        target = place[0] + down, place[1] + right
        xa, ya = float(first_column + place[1]), float(first_row + place[0])
        xb, yb = float(first_column + target[1]), float(first_row + target[0])
        cross = xa * yb - xb * ya
        area += cross / 2
        x1 += cross * (xa + xb) / 6
        y1 += cross * (ya + yb) / 6
        xx += cross * (xa * xa + xa * xb + xb * xb) / 12
        yy += cross * (ya * ya + ya * yb + yb * yb) / 12
        xy += cross * (2 * xa * ya + xa * yb + xb * ya + 2 * xb * yb) / 24
        place = target
        direction = _next_border(labels, shape, number, place, (direction + 4) % 8)
        if place == start and direction == first:
            break
    if area > 0.25:
        line[AREA], line[SUM_X], line[SUM_Y] = area, x1, y1
        line[SUM_XX], line[SUM_XY], line[SUM_YY] = xx, xy, yy
