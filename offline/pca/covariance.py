"""Exact streamed second moments of filtered crops.

What the pixel filter keeps of a crop is whole millimetres, so sums of products are whole numbers: they are formed in
float32 over blocks short enough that no sum reaches 2^24, then added in float64. The result is exact, whatever the
order or the number of threads. The blur is linear and is applied to the moments afterwards, in `components`.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online.model import PixelFilter
from online.morphology import Image, ellipse, open_grey, scratch_for

Parts = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

EXACT_IN_FLOAT32 = 2**24 - 1


@dataclass(slots=True)
class Moments:
    """Sums over frames of kept crops k (pixels,): products (pixels, pixels) of k k', total (pixels,) of k."""

    products: NDArray[np.float64]
    total: NDArray[np.float64]
    num_frames: int


def init(num_pixels: int) -> Moments:
    """Moments of no frames."""
    return Moments(np.zeros((num_pixels, num_pixels)), np.zeros(num_pixels), 0)


@njit(cache=True, nogil=True)
def _keep(
    crops: Image, element: Parts, scratch: tuple[Image, Image], opened: Image, threshold_mm: float, kept: Image
) -> None:
    count, height, width = crops.shape
    for n in range(count):
        open_grey(crops[n], height, width, element, scratch, opened)
        for row in range(height):
            for column in range(width):
                above = opened[row, column] > threshold_mm
                kept[n, row * width + column] = crops[n, row, column] if above else 0


def keep_mouse(crops: Image, pixel_filter: PixelFilter, limits_mm: tuple[float, float]) -> Image:
    """Pixels (n, H * W) of crops (n, H, W) where a grey opening exceeds the filter's height, zero elsewhere.

    Heights outside the limits count as zero, as in moseq2-pca when it learns components (not when it scores).
    """
    crops = np.where((crops >= limits_mm[0]) & (crops <= limits_mm[1]), crops, np.uint8(0))
    element = ellipse(pixel_filter.opening_diameter_px)
    count, height, width = crops.shape
    kept = np.empty((count, height * width), np.uint8)
    parts = (element.chord_left, element.chord_right, element.chord_of_row, element.row_offset)
    scratch = scratch_for(element, height, width)
    opened = np.zeros((height, width), np.uint8)
    _keep(np.ascontiguousarray(crops), parts, scratch, opened, pixel_filter.opening_threshold_mm, kept)
    return kept


def step(moments: Moments, kept: Image) -> None:
    """Add frames (n, pixels) in place; frames without a mouse (all zero) do not count."""
    kept = kept[kept.any(axis=1)]
    if len(kept) == 0:
        return
    moments.num_frames += len(kept)
    active = np.flatnonzero(kept.any(axis=0))
    values = kept[:, active].astype(np.float32)
    block = EXACT_IN_FLOAT32 // int(kept.max()) ** 2
    products = np.zeros((len(active), len(active)))
    for first in range(0, len(values), block):
        part = values[first : first + block]
        products += part.T @ part
    moments.products[np.ix_(active, active)] += products
    moments.total[active] += values.sum(axis=0, dtype=np.float64)
