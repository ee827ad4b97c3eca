"""The egocentric crop: the mouse at the centre, its nose to the right."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online.arena import Outline
from online.heights import MASKED, TOO_HIGH
from online.morphology import Image

SMALLEST_SHARE = 0.1
"""A pixel of the crop is covered when more than this share of what it is made of is."""


@njit(cache=True, nogil=True)
def rotate_crop(
    images: tuple[Image, Image],
    labels: NDArray[np.int32],
    number: int,
    shape: tuple[int, int],
    pose: tuple[float, float, float, float],
    crops: tuple[Image, Image],
) -> None:
    """Sample two images (heights and cleaned heights) bilinearly into two crops, turned by minus the heading.

    `shape` is the part of the images in use. Crop pixel (size / 2, size / 2) is at `pose` = (column, row, heading,
    zoom); an animal `zoom` times as long, wide and high gives the same crop. Pixels of components other than `number`
    count as floor.
    """
    height, width = shape
    raw, clean = images
    raw_crop, clean_crop = crops
    centre_x, centre_y, heading, zoom = pose
    along, across = math.cos(heading) * zoom, math.sin(heading) * zoom
    size = raw_crop.shape[0]
    half = size // 2
    for i in range(size):
        for j in range(size):
            x = centre_x + (j - half) * along + (i - half) * across
            y = centre_y - (j - half) * across + (i - half) * along
            x0, y0 = math.floor(x), math.floor(y)
            raw_value = clean_value = 0.0
            if -1 <= x0 < width and -1 <= y0 < height:
                right, below = x - x0, y - y0
                for dy in range(2):
                    for dx in range(2):
                        row, column = y0 + dy, x0 + dx
                        if row < 0 or column < 0 or row >= height or column >= width:
                            continue
                        other = labels[row, column]
                        if raw[row, column] > 0 and (other == 0 or other == number):
                            weight = (right if dx else 1 - right) * (below if dy else 1 - below)
                            raw_value += weight * raw[row, column]
                            clean_value += weight * clean[row, column]
            raw_crop[i, j] = np.uint8(min(raw_value / zoom, 254.5) + 0.5)
            clean_crop[i, j] = np.uint8(min(clean_value / zoom, 254.5) + 0.5)


@njit(cache=True, nogil=True)
def published_crop(
    images: tuple[Image, Image],
    shape: tuple[int, int],
    pose: tuple[float, float, float],
    turned: bool,
    crops: tuple[Image, Image],
) -> None:
    """Crop as moseq2-extract does: a square upright window about the centre's whole pixel, then turned about it.

    What the upright window does not hold is empty. Positions are rounded to 1/32 pixel, as OpenCV's warp did.
    `pose` = (column, row, axis); `turned`: the nose lies opposite to the axis, the finished crop is turned by 180
    degrees (about its geometrical centre, half a pixel from the mouse's).
    """
    height, width = shape
    size = crops[0].shape[0]
    half = size // 2
    first_column, first_row = int(pose[0]) - half, int(pose[1]) - half
    along, across = math.cos(pose[2]), math.sin(pose[2])
    start_x, start_y = half - half * along - half * across, half + half * across - half * along
    for which in range(2):
        image, crop = images[which], crops[which]
        for i in range(size):
            for j in range(size):
                x = (round(j * along * 1024) + round((i * across + start_x) * 1024) + 16) // 32
                y = (round(-j * across * 1024) + round((i * along + start_y) * 1024) + 16) // 32
                x0, y0, right, below = x // 32, y // 32, (x % 32) / 32, (y % 32) / 32
                value = 0.0
                for dy in range(2):
                    for dx in range(2):
                        row, column = y0 + dy, x0 + dx
                        inside = 0 <= row < size and 0 <= column < size
                        row, column = row + first_row, column + first_column
                        if inside and 0 <= row < height and 0 <= column < width:
                            weight = (right if dx else 1 - right) * (below if dy else 1 - below)
                            value += weight * image[row, column]
                if turned:
                    crop[size - 1 - i, size - 1 - j] = np.uint8(value + 0.5)
                else:
                    crop[i, j] = np.uint8(value + 0.5)


@njit(cache=True, nogil=True)
def covered_crop(
    gaps: Image,
    shape: tuple[int, int],
    pose: tuple[float, float, float, float],
    masked_only: bool,
    covered: Image,
) -> int:
    """Mark with 1 the pixels of a crop, made as by `rotate_crop`, that are made of covered ones; return how many."""
    height, width = shape
    centre_x, centre_y, heading, zoom = pose
    along, across = math.cos(heading) * zoom, math.sin(heading) * zoom
    size, total = covered.shape[0], 0
    half = size // 2
    for i in range(size):
        for j in range(size):
            x = centre_x + (j - half) * along + (i - half) * across
            y = centre_y - (j - half) * across + (i - half) * along
            x0, y0 = math.floor(x), math.floor(y)
            share = 0.0
            for dy in range(2):
                for dx in range(2):
                    row, column = y0 + dy, x0 + dx
                    if 0 <= row < height and 0 <= column < width:
                        kind = gaps[row, column]
                        if kind == MASKED or (kind == TOO_HIGH and not masked_only):
                            share += (x - x0 if dx else 1 - x + x0) * (y - y0 if dy else 1 - y + y0)
            covered[i, j] = share > SMALLEST_SHARE
            total += covered[i, j]
    return total


def implant_crop(implants: tuple[Outline, ...], size_px: int, mm_per_pixel: float) -> Image | None:
    """Pixels (size, size) of every crop that implants hide, 1; None without any. Even-odd rule at pixel centres."""
    if not implants:
        return None
    right, ahead = (np.indices((size_px, size_px)) - size_px // 2) * mm_per_pixel
    hidden = np.zeros((size_px, size_px), np.uint8)
    for corners in implants:
        inside = np.zeros(hidden.shape, bool)
        for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
            if y1 != y2:
                inside ^= ((y1 > right) != (y2 > right)) & (ahead < x1 + (right - y1) * (x2 - x1) / (y2 - y1))
        hidden[inside] = 1
    return hidden


@njit(cache=True, nogil=True)
def area_and_height(clean_crop: Image, low_mm: float, high_mm: float) -> tuple[int, float]:
    """Pixels strictly between two heights, and their mean height (0 without any), as published."""
    count, total = 0, 0.0
    for value in clean_crop.flat:
        if low_mm < value < high_mm:
            count += 1
            total += value
    return count, total / count if count else 0.0
