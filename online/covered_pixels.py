"""Crops of which something hides a part: the hidden pixels as what the rest of the crop lets expect.

A filtered crop is taken for Gaussian, as its principal components describe it: pixels = mean + components.T @ z + e,
with z ~ N(0, diag(score_variance)) and e ~ N(0, NOISE_MM2) in each pixel. A hidden pixel is replaced by its mean given
all pixels that are seen. With G = components of the seen pixels, z has precision G G' + NOISE_MM2 / score_variance,
and G G' is what the hidden pixels leave of the components' Gram matrix: the work grows with the number of hidden
pixels only. With a flat prior this is the least-squares fit of the components to the pixels that are seen.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online.model import Array, CropStatistics, Projection
from online.morphology import Image

Numbers = NDArray[np.float64] | NDArray[np.float32]

NUM_COMPONENTS = 10
"""More of them say nothing reliable of what is hidden (moseq2-pca fills in from ten, too)."""
NOISE_MM2 = 100.0
"""More than a pixel's own noise, as neighbouring pixels err alike; 30 ... 300 do equally well on simulated mice."""

USUAL_MM = 5.0
MOST_HIDDEN = 0.5
"""Of the pixels where the mean crop is higher than USUAL_MM; with more of them hidden nothing is said of a frame."""


class Filler(NamedTuple):
    """What hidden pixels are filled in from, and scratch; F components of P pixels.

    components (P, F), one pixel a row; mean (P,); precision (F, F) and offset (F,): those of z when all is seen, less
    the crop's own part. left (F, F), z (F,): scratch.
    """

    components: Array
    mean: Array
    precision: Array
    offset: Array
    usual: NDArray[np.bool_]
    left: Array
    z: Array


def statistics_of(mean_crop: Numbers, components: Numbers, score_variance: Numbers) -> CropStatistics | None:
    """What is kept of a principal component analysis, (P,), (C, P) and (C,); None where it has no variance."""
    count = min(NUM_COMPONENTS, int((np.asarray(score_variance, np.float32) > 0).sum()))
    if count == 0:
        return None
    return CropStatistics(
        np.ascontiguousarray(mean_crop, np.float32),
        np.ascontiguousarray(components[:count], np.float32),
        np.ascontiguousarray(score_variance[:count], np.float32),
    )


def make_filler(projection: Projection) -> Filler | None:
    """Lay the statistics of the training crops out for the kernel; None where they are not known."""
    known = projection.statistics
    if known is None:
        return None
    components, mean = known.components.astype(np.float64), known.mean_crop.astype(np.float64)
    f = len(components)
    return Filler(
        components=np.ascontiguousarray(components.T),
        mean=mean,
        precision=components @ components.T + np.diag(NOISE_MM2 / known.score_variance.astype(np.float64)),
        offset=-components @ mean,
        usual=mean > USUAL_MM,
        left=np.zeros((f, f)),
        z=np.zeros(f),
    )


@njit(cache=True, nogil=True)
def expect(crop: Image, kept: NDArray[np.bool_], covered: Image, filler: Filler) -> None:
    """Fill `filler.z` with the mean of z given the pixels of `crop` (H, W) that are not covered.

    `kept` (H, W): the pixels that the filter keeps; the others count as zero.
    """
    components, mean, precision, offset, _, left, z = filler
    width, f = crop.shape[1], z.shape[0]
    left[:], z[:] = precision, offset
    for row in range(crop.shape[0]):
        for column in range(width):
            pixel = row * width + column
            if covered[row, column]:
                _subtract(components[pixel], mean[pixel], left, z)
            elif kept[row, column]:
                value = float(crop[row, column])
                for i in range(f):
                    z[i] += value * components[pixel, i]
    _solve_in_place(left, z)


@njit(cache=True, nogil=True)
def _subtract(loading: Array, mean: float, left: Array, z: Array) -> None:
    for i in range(loading.shape[0]):
        z[i] += mean * loading[i]
        for j in range(i + 1):
            left[i, j] -= loading[i] * loading[j]


@njit(cache=True, nogil=True)
def _solve_in_place(left: Array, z: Array) -> None:
    """z = solve(left, z); only the lower triangle of `left` is read, and overwritten by its Cholesky factor."""
    n = z.shape[0]
    for i in range(n):
        for j in range(i + 1):
            total = left[i, j]
            for k in range(j):
                total -= left[i, k] * left[j, k]
            left[i, j] = np.sqrt(max(total, 1e-12)) if i == j else total / left[j, j]
    for i in range(n):
        for k in range(i):
            z[i] -= left[i, k] * z[k]
        z[i] /= left[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            z[i] -= left[k, i] * z[k]
        z[i] /= left[i, i]


@njit(cache=True, nogil=True)
def hidden_share(covered: Image, usual: NDArray[np.bool_]) -> float:
    """Share of the pixels where the mouse usually is that are covered."""
    hidden = total = 0
    for pixel in range(usual.shape[0]):
        if usual[pixel]:
            total += 1
            hidden += covered[pixel // covered.shape[1], pixel % covered.shape[1]] > 0
    return hidden / max(total, 1)
