"""Heights above the floor from a depth frame, and what to do where there are none.

A pixel without reading, or with something in it that is higher than a mouse can be (a tether, a hand), or that the
arena's mask takes out, does not say what is below: it is a gap, bridged where both of its sides are near, and floor
otherwise.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online.morphology import Image

KNOWN, NO_READING, TOO_HIGH, OUTSIDE, MASKED = range(5)
_REACH = (0, 4, 9, 0, 20)  # how far a gap's sides are looked for, by kind
NARROW = 6.0
"""From side to side; wider gaps are better left to the projection (measured on simulated mice behind bars)."""
MASKED_MM = -1.0
"""In place of the background's distance: this pixel is masked."""
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


@njit(cache=True, nogil=True)
def read_heights(
    frame: NDArray[np.uint16],
    background_mm: NDArray[np.float32],
    axes: tuple[NDArray[np.int64], NDArray[np.int64], int],
    window: tuple[int, int, int, int],
    scale: tuple[float, float, float, float],
    heights: Image,
    gaps: Image,
) -> tuple[int, int, int]:
    """Fill the top-left of `heights` with mm above the floor in a window (row, column, height, width) of the grid.

    `axes` are the grid's sample rows, sample columns and samples. `scale` is (depth unit in mm, lowest height,
    greatest height, rounding: 0.5 to nearest, 0 truncates). Heights outside the limits become 0, before they are
    narrowed. `gaps` gets the kind of each pixel; returns how many are NO_READING, TOO_HIGH and MASKED.
    """
    rows, columns, samples = axes
    num_silent = num_high = num_masked = 0
    if samples == 1:
        first = columns[window[1]]
        for row in range(window[2]):
            y = rows[window[0] + row]
            seen, floor = frame[y, first : first + window[3]], background_mm[y, first : first + window[3]]
            _read_row(seen, floor, scale, heights[row], gaps[row])
    else:
        _read_averaged(frame, background_mm, axes, window, scale, heights, gaps)
    for row in range(window[2]):
        kinds = gaps[row]
        for column in range(window[3]):
            num_silent += kinds[column] == NO_READING
            num_high += kinds[column] == TOO_HIGH
            num_masked += kinds[column] == MASKED
    return num_silent, num_high, num_masked


@njit(cache=True, nogil=True)
def _read_row(
    counts: NDArray[np.uint16],
    floor_mm: NDArray[np.float32],
    scale: tuple[float, float, float, float],
    heights: Image,
    gaps: Image,
) -> None:
    unit, low, high = np.float32(scale[0]), np.float32(scale[1]), np.float32(scale[2])
    rounding = np.float32(scale[3])
    for column in range(counts.shape[0]):
        count, floor = counts[column], floor_mm[column]
        above = floor - np.float32(count) * unit
        known, read = floor > 0, count > 0
        good = known & read & (above >= low) & (above <= high)
        heights[column] = np.uint8(above + rounding if good else np.float32(0))
        kind = TOO_HIGH if above > high else KNOWN
        kind = kind if read else NO_READING
        kind = kind if known else OUTSIDE
        gaps[column] = MASKED if floor < 0 else kind


@njit(cache=True, nogil=True)
def _read_averaged(
    frame: NDArray[np.uint16],
    background_mm: NDArray[np.float32],
    axes: tuple[NDArray[np.int64], NDArray[np.int64], int],
    window: tuple[int, int, int, int],
    scale: tuple[float, float, float, float],
    heights: Image,
    gaps: Image,
) -> None:
    rows, columns, samples = axes
    first_row, first_column, height, width = window
    unit, low, high, rounding = scale
    half = samples * samples / 2
    for row in range(height):
        for column in range(width):
            total, readings, known, too_high, masked = 0.0, 0, 0, 0, 0
            for i in range(samples):
                y = rows[(first_row + row) * samples + i]
                for j in range(samples):
                    x = columns[(first_column + column) * samples + j]
                    floor, count = background_mm[y, x], frame[y, x]
                    masked += floor < 0
                    if floor > 0:
                        known += 1
                        above = floor - count * unit
                        if count > 0 and above > high:
                            too_high += 1
                        elif count > 0:
                            readings += 1
                            total += above if above >= low else 0.0
            heights[row, column] = 0
            gaps[row, column] = KNOWN
            if masked >= half:
                gaps[row, column] = MASKED
            elif known < half:
                gaps[row, column] = OUTSIDE
            elif too_high >= half:
                gaps[row, column] = TOO_HIGH
            elif readings < half:
                gaps[row, column] = NO_READING
            elif total >= low * readings:
                heights[row, column] = np.uint8(total / readings + rounding)


@njit(cache=True, nogil=True)
def mark_flanks(heights: Image, gaps: Image, height: int, width: int) -> None:
    """Doubt the heights beside what is too high: they are seen half and half."""
    for row in range(height):
        for column in range(width):
            if gaps[row, column] != KNOWN or heights[row, column] == 0:
                continue
            for y in range(max(row - 1, 0), min(row + 2, height)):
                for x in range(max(column - 1, 0), min(column + 2, width)):
                    if gaps[y, x] == TOO_HIGH:
                        gaps[row, column] = NO_READING
    for row in range(height):
        for column in range(width):
            if gaps[row, column] == NO_READING and heights[row, column] > 0:
                gaps[row, column] = TOO_HIGH
                heights[row, column] = 0


@njit(cache=True, nogil=True)
def _distance_to_known(
    gaps: Image, shape: tuple[int, int], place: tuple[int, int], step: tuple[int, int], reach: int
) -> int:
    """Steps to the next known pixel, 0 when there is none within reach."""
    for distance in range(1, reach + 1):
        row, column = place[0] + distance * step[0], place[1] + distance * step[1]
        if row < 0 or column < 0 or row >= shape[0] or column >= shape[1]:
            return 0
        if gaps[row, column] == KNOWN:
            return distance
    return 0


@njit(cache=True, nogil=True)
def bridge_gaps(heights: Image, gaps: Image, height: int, width: int) -> None:
    """Interpolate each gap from side to side along the shortest of four directions (the mean of equally short ones).

    Narrow gaps become NO_READING, whatever their kind: what is below them is as good as known.
    """
    for row in range(height):
        for column in range(width):
            reach = _REACH[gaps[row, column]]
            if reach == 0:
                continue
            shortest, total, count = 1000.0, 0.0, 0
            for down, right in _DIRECTIONS:
                ahead = _distance_to_known(gaps, (height, width), (row, column), (down, right), reach)
                back = _distance_to_known(gaps, (height, width), (row, column), (-down, -right), reach)
                length = (ahead + back) * np.hypot(down, right)
                if ahead == 0 or back == 0 or length > shortest:
                    continue
                if length < shortest:
                    shortest, total, count = length, 0.0, 0
                beyond = float(heights[row + ahead * down, column + ahead * right])
                before = float(heights[row - back * down, column - back * right])
                total += (beyond * back + before * ahead) / (ahead + back)
                count += 1
            if count > 0:
                heights[row, column] = np.uint8(total / count + 0.5)
                if shortest <= NARROW:
                    gaps[row, column] = NO_READING
