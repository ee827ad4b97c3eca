"""Grey-level morphology on small uint8 images, bounded to a window, without allocation.

Every kernel works on the top-left `height` x `width` corner of C-contiguous buffers that may be larger. Structuring
elements and borders follow OpenCV, so that published filters are reproduced: pixels beyond the border never win a
minimum or a maximum, and a median repeats the border.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online.errors import ConfigError

Image = NDArray[np.uint8]
_PAD = 32


@dataclass(frozen=True, slots=True)
class Element:
    """A structuring element as one horizontal chord a row, anchored at its centre pixel.

    chord_left, chord_right (C,): distinct chords, as first and last column offset; chord_of_row (n,): which chord
    each row of the element has; row_offset (n,): that row's offset.
    """

    chord_left: NDArray[np.int64]
    chord_right: NDArray[np.int64]
    chord_of_row: NDArray[np.int64]
    row_offset: NDArray[np.int64]


def ellipse(diameter_px: int) -> Element:
    """Disc of a diameter in pixels, with OpenCV's rounding of each row's half chord."""
    if not 1 <= diameter_px < _PAD:
        raise ConfigError(f"the diameter of a structuring element must lie in 1 ... {_PAD - 1} px, not {diameter_px}")
    radius = diameter_px // 2
    offsets = np.arange(diameter_px) - radius
    squared = np.maximum(radius**2 - offsets.astype(float) ** 2, 0)
    half = np.rint(radius * np.sqrt(squared / max(radius, 1) ** 2)).astype(np.int64)
    last = np.minimum(half, diameter_px - 1 - radius)
    chords, chord_of_row = np.unique(np.stack([-half, last], axis=1), axis=0, return_inverse=True)
    return Element(
        np.ascontiguousarray(chords[:, 0]), np.ascontiguousarray(chords[:, 1]), chord_of_row.ravel(), offsets
    )


def scratch_for(element: Element, height: int, width: int) -> tuple[Image, Image]:
    """Scratch memory of `erode` and `open_grey` for windows up to `height` x `width`."""
    chords = len(element.chord_left)
    return np.zeros((chords, height, width), np.uint8), np.full(width + 2 * _PAD, 255, np.uint8)


@njit(cache=True, nogil=True)
def erode(
    image: Image,
    height: int,
    width: int,
    element: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    scratch: tuple[Image, Image],
    out: Image,
) -> None:
    """Minimum of `image` under the element; `out` may be `image`."""
    left, right, chord_of_row, row_offset = element
    minima, padded = scratch
    for row in range(height):
        padded[:_PAD] = 255
        padded[_PAD + width : 2 * _PAD + width] = 255
        padded[_PAD : _PAD + width] = image[row, :width]
        for chord in range(left.shape[0]):
            target = minima[chord, row]
            source = padded[_PAD + left[chord] :]
            for column in range(width):
                target[column] = source[column]
            for shift in range(left[chord] + 1, right[chord] + 1):
                source = padded[_PAD + shift :]
                for column in range(width):
                    target[column] = min(target[column], source[column])
    for row in range(height):
        target = out[row]
        for column in range(width):
            target[column] = 255
        for index in range(row_offset.shape[0]):
            other = row + row_offset[index]
            if 0 <= other < height:
                source = minima[chord_of_row[index], other]
                for column in range(width):
                    target[column] = min(target[column], source[column])


@njit(cache=True, nogil=True)
def complement(image: Image, height: int, width: int) -> None:
    """Replace each value v by 255 - v."""
    for row in range(height):
        line = image[row]
        for column in range(width):
            line[column] = ~line[column]


@njit(cache=True, nogil=True)
def open_grey(
    image: Image,
    height: int,
    width: int,
    element: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    scratch: tuple[Image, Image],
    out: Image,
) -> None:
    """Opening (erosion, then dilation) by a symmetric element; `out` may be `image`."""
    erode(image, height, width, element, scratch, out)
    complement(out, height, width)
    erode(out, height, width, element, scratch, out)
    complement(out, height, width)


@njit(cache=True, nogil=True)
def label(
    image: Image, height: int, width: int, threshold: int, parents: NDArray[np.int32], labels: NDArray[np.int32]
) -> int:
    """Number the 8-connected components of the pixels above a threshold 1 ... n in reading order; return n.

    `parents` needs height * width // 2 + 2 entries.
    """
    count = 0
    parents[0] = 0
    for row in range(height):
        for column in range(width):
            if image[row, column] <= threshold:
                labels[row, column] = 0
                continue
            best = 0
            for back in range(4):
                other_row = row if back == 0 else row - 1
                other_column = column - 1 if back == 0 else column + back - 2
                if other_row < 0 or other_column < 0 or other_column >= width or labels[other_row, other_column] == 0:
                    continue
                root = labels[other_row, other_column]
                while parents[root] != root:
                    root = parents[root]
                if best == 0:
                    best = root
                elif root != best:
                    low, high = min(root, best), max(root, best)
                    parents[high] = low
                    best = low
            if best == 0:
                count += 1
                best = count
                parents[count] = count
            labels[row, column] = best
    final = 0
    for number in range(1, count + 1):
        if parents[number] == number:
            final += 1
            parents[number] = final
        else:
            parents[number] = parents[parents[number]]
    for row in range(height):
        for column in range(width):
            labels[row, column] = parents[labels[row, column]]
    return final


@njit(cache=True, nogil=True)
def median3(image: Image, height: int, width: int, padded: Image, out: Image) -> None:
    """3 x 3 median; `padded` is scratch of at least (height + 2, width + 2)."""
    for row in range(height):
        padded[row + 1, 1 : width + 1] = image[row, :width]
        padded[row + 1, 0] = image[row, 0]
        padded[row + 1, width + 1] = image[row, width - 1]
    padded[0, : width + 2] = padded[1, : width + 2]
    padded[height + 1, : width + 2] = padded[height, : width + 2]
    for row in range(height):
        above, middle, below, target = padded[row], padded[row + 1], padded[row + 2], out[row]
        for column in range(width):
            a, b, c = above[column], above[column + 1], above[column + 2]
            d, e, f = middle[column], middle[column + 1], middle[column + 2]
            g, h, i = below[column], below[column + 1], below[column + 2]
            low_a, high_a = min(a, b), max(a, b)
            low_a, mid_a, high_a = min(low_a, c), max(low_a, min(high_a, c)), max(high_a, c)
            low_b, high_b = min(d, e), max(d, e)
            low_b, mid_b, high_b = min(low_b, f), max(low_b, min(high_b, f)), max(high_b, f)
            low_c, high_c = min(g, h), max(g, h)
            low_c, mid_c, high_c = min(low_c, i), max(low_c, min(high_c, i)), max(high_c, i)
            low = max(low_a, max(low_b, low_c))
            high = min(high_a, min(high_b, high_c))
            mid = max(min(mid_a, mid_b), min(max(mid_a, mid_b), mid_c))
            target[column] = max(min(low, mid), min(max(low, mid), high))


@njit(cache=True, nogil=True)
def median_any(image: Image, height: int, width: int, diameter: int, values: Image, out: Image) -> None:
    """Median under a square of odd side `diameter`; `values` is scratch of diameter * diameter."""
    half, size = diameter // 2, diameter * diameter
    for row in range(height):
        for column in range(width):
            count = 0
            for dy in range(-half, half + 1):
                y = min(max(row + dy, 0), height - 1)
                for dx in range(-half, half + 1):
                    value = image[y, min(max(column + dx, 0), width - 1)]
                    place = count
                    while place > 0 and values[place - 1] > value:
                        values[place] = values[place - 1]
                        place -= 1
                    values[place] = value
                    count += 1
            out[row, column] = values[size // 2]
