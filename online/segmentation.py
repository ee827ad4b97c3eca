"""Which pixels are the mouse: cleaning, components, and the choice among them.

The choice follows the animal; see `choose`. Droppings, hands and reflections are components too, and lose by being
elsewhere, too small, or too large. A mouse that a hand covers is part of something too large, and so is missing.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online.morphology import Image

# Columns of a component table.
AREA, OVERLAP, SUM_HEIGHT, SUM_X, SUM_Y, SUM_XX, SUM_XY, SUM_YY, SUM_XXX, SUM_XXY, SUM_XYY, SUM_YYY = range(12)
NUM_SUMS = 12
MAX_COMPONENTS = 1024
"""In the order of their first rows; what else there is goes unseen."""


@njit(cache=True, nogil=True)
def tabulate(
    cleaned: Image,
    labels: NDArray[np.int32],
    window: tuple[int, int, int, int],
    previous: Image,
    table: NDArray[np.float64],
) -> None:
    """Sums over each component's pixels in grid coordinates; `previous` is the last mask, on the whole grid."""
    first_row, first_column, height, width = window
    table[:] = 0
    for row in range(height):
        for column in range(width):
            number = labels[row, column]
            if number == 0 or number > table.shape[0]:
                continue
            x, y = float(first_column + column), float(first_row + row)
            line = table[number - 1]
            line[AREA] += 1
            line[OVERLAP] += previous[first_row + row, first_column + column]
            line[SUM_X] += x
            line[SUM_Y] += y
            line[SUM_XX] += x * x
            line[SUM_XY] += x * y
            line[SUM_YY] += y * y
            line[SUM_XXX] += x * x * x
            line[SUM_XXY] += x * x * y
            line[SUM_XYY] += x * y * y
            line[SUM_YYY] += y * y * y
            line[SUM_HEIGHT] += cleaned[row, column]


@njit(cache=True, nogil=True)
def choose(
    table: NDArray[np.float64],
    count: int,
    tracked: bool,
    expected: tuple[float, float],
    limits: tuple[float, float, float, float],
) -> int:
    """Row of the mouse's component, or -1.

    `limits` is (smallest area, largest area, the animal's usual area or 0, reach). A mouse that is tracked is the
    component that overlaps most with the last mask, else the nearest in reach; one that is not is the component
    most like it in area, or the largest when its area is not known.
    """
    smallest, largest, usual, reach = limits
    best, best_overlap = -1, 0.0
    nearest, nearest_distance = -1, reach
    likeliest, likeliest_score = -1, 0.0
    for index in range(min(count, table.shape[0])):
        area = table[index, AREA]
        if area < smallest or area > largest:
            continue
        if table[index, OVERLAP] > best_overlap:
            best, best_overlap = index, table[index, OVERLAP]
        distance = np.hypot(table[index, SUM_X] / area - expected[0], table[index, SUM_Y] / area - expected[1])
        if distance < nearest_distance:
            nearest, nearest_distance = index, distance
        score = min(area / usual, usual / area) if usual > 0 else area
        if score > likeliest_score:
            likeliest, likeliest_score = index, score
    if not tracked:
        return likeliest
    return best if best >= 0 else nearest


@njit(cache=True, nogil=True)
def largest_other(table: NDArray[np.float64], count: int, mine: int, limits: tuple[float, float, float, float]) -> int:
    """Row of the largest component of plausible area except `mine`, or -1."""
    found, found_area = -1, 0.0
    for index in range(min(count, table.shape[0])):
        area = table[index, AREA]
        if index != mine and limits[0] <= area <= limits[1] and area > found_area:
            found, found_area = index, area
    return found


@njit(cache=True, nogil=True)
def remember(
    labels: NDArray[np.int32],
    number: int,
    window: tuple[int, int, int, int],
    old_window: tuple[int, int, int, int],
    previous: Image,
) -> None:
    """Make `previous` the mask of component `number`; `old_window` bounds what it held before."""
    first_row, first_column, height, width = old_window
    for row in range(first_row, first_row + height):
        for column in range(first_column, first_column + width):
            previous[row, column] = 0
    first_row, first_column, height, width = window
    for row in range(height):
        for column in range(width):
            previous[first_row + row, first_column + column] = labels[row, column] == number
