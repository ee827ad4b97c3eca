"""From an egocentric crop to principal-component scores, with the published pixel filter.

The published chain keeps the pixels where a grey opening exceeds a height, blurs, and multiplies with the components.
Blurring is linear, so its transpose is applied once to the components instead of to every crop: scores =
kept_crop @ (components @ blur).T, the same number to rounding, and only pixels of the mouse are touched.

Pixels that something covers are missing data: the opening goes by the others, and each has the height that the others
let expect (`online/covered_pixels.py`).
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online.covered_pixels import MOST_HIDDEN, Filler, expect, hidden_share, make_filler
from online.errors import ConfigError
from online.model import Projection
from online.morphology import Image, ellipse, open_grey, scratch_for

Parts = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class ProjectionState:
    """Owned memory of the projection. weights (pixels, D): components with the blur folded in, one pixel a row."""

    crop_size_px: int
    opening_threshold_mm: float
    element: Parts
    scratch: tuple[Image, Image]
    opened: Image
    kept: NDArray[np.bool_]
    weights: NDArray[np.float64]
    offset: NDArray[np.float64]
    scores: NDArray[np.float64]
    filler: Filler | None


def gaussian_taps(taps: int, sigma_px: float) -> NDArray[np.float64]:
    """Normalised Gaussian weights at -(taps - 1) / 2 ... (taps - 1) / 2."""
    offsets = np.arange(taps) - (taps - 1) / 2
    weights = np.exp(-(offsets**2) / (2 * sigma_px**2))
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised


def blur_matrix(size_px: int, taps: int, sigma_px: float) -> NDArray[np.float64]:
    """Matrix (size, size) that blurs a line of pixels, mirrored at its ends without repeating them."""
    matrix = np.zeros((size_px, size_px))
    if sigma_px == 0 or taps < 2:
        return np.eye(size_px)
    half, period = (taps - 1) // 2, max(2 * size_px - 2, 1)
    weights = gaussian_taps(taps, sigma_px)
    for index in range(size_px):
        for offset in range(-half, half + 1):
            source = (index + offset) % period
            matrix[index, min(source, period - source)] += weights[offset + half]
    return matrix


def init(projection: Projection, crop_size_px: int) -> ProjectionState:
    """Fold the blur into the components and allocate.

    Raises
    ------
    ConfigError
        if the components are not made for crops of this size.
    """
    pixels = projection.components.shape[1]
    if pixels != crop_size_px**2:
        raise ConfigError(
            f"model: components have {pixels} pixels and cannot project crops of {crop_size_px} x {crop_size_px}"
        )
    taps = projection.pixel_filter
    if taps.blur_taps % 2 == 0:
        raise ConfigError(f"model: blur_taps must be odd, not {taps.blur_taps}")
    along_x = blur_matrix(crop_size_px, taps.blur_taps, taps.blur_sigma_x_px)
    along_y = blur_matrix(crop_size_px, taps.blur_taps, taps.blur_sigma_y_px)
    images = projection.components.astype(np.float64).reshape(-1, crop_size_px, crop_size_px)
    folded = np.einsum("ya,dyx,xb->dab", along_y, images, along_x, optimize=True)
    element = ellipse(taps.opening_diameter_px)
    offset = np.zeros(projection.num_dims)
    if projection.mean is not None:
        offset = projection.components.astype(np.float64) @ projection.mean.astype(np.float64)
    return ProjectionState(
        crop_size_px=crop_size_px,
        opening_threshold_mm=taps.opening_threshold_mm,
        element=(element.chord_left, element.chord_right, element.chord_of_row, element.row_offset),
        scratch=scratch_for(element, crop_size_px, crop_size_px),
        opened=np.zeros((crop_size_px, crop_size_px), np.uint8),
        kept=np.zeros((crop_size_px, crop_size_px), np.bool_),
        weights=np.ascontiguousarray(folded.reshape(projection.num_dims, -1).T),
        offset=offset,
        scores=np.zeros(projection.num_dims),
        filler=make_filler(projection),
    )


@njit(cache=True, nogil=True)
def _project(
    crop: Image,
    element: Parts,
    scratch: tuple[Image, Image],
    opened: Image,
    threshold_mm: float,
    linear: tuple[NDArray[np.float64], NDArray[np.float64]],
    scores: NDArray[np.float64],
) -> None:
    """scores = crop, where it is kept, times weights, minus offset; `linear` holds these two."""
    weights, offset = linear
    height, width = crop.shape
    open_grey(crop, height, width, element, scratch, opened)
    for dim in range(scores.shape[0]):
        scores[dim] = -offset[dim]
    for row in range(height):
        for column in range(width):
            if opened[row, column] > threshold_mm:
                value = float(crop[row, column])
                line = weights[row * width + column]
                for dim in range(scores.shape[0]):
                    scores[dim] += value * line[dim]


@njit(cache=True, nogil=True)
def _keep(
    crop: Image,
    covered: Image,
    element: Parts,
    scratch: tuple[Image, Image],
    opened: Image,
    threshold_mm: float,
    kept: NDArray[np.bool_],
) -> None:
    """Mark the pixels that the filter keeps; covered ones never decide over their neighbours, and are not kept."""
    height, width = crop.shape
    for row in range(height):
        for column in range(width):
            opened[row, column] = 255 if covered[row, column] else crop[row, column]
    open_grey(opened, height, width, element, scratch, opened)
    for row in range(height):
        for column in range(width):
            kept[row, column] = opened[row, column] > threshold_mm and not covered[row, column]


@njit(cache=True, nogil=True)
def _project_partly(
    crop: Image,
    kept: NDArray[np.bool_],
    covered: Image,
    filler: Filler,
    weights: NDArray[np.float64],
    offset: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    width = crop.shape[1]
    for dim in range(scores.shape[0]):
        scores[dim] = -offset[dim]
    for row in range(crop.shape[0]):
        for column in range(width):
            pixel = row * width + column
            value = 0.0
            if covered[row, column]:
                value = filler.mean[pixel]
                for i in range(filler.z.shape[0]):
                    value += filler.z[i] * filler.components[pixel, i]
            elif kept[row, column]:
                value = float(crop[row, column])
            if value != 0.0:
                for dim in range(scores.shape[0]):
                    scores[dim] += value * weights[pixel, dim]


def step(state: ProjectionState, crop: Image) -> NDArray[np.float64]:
    """Scores (D,) of a crop (size, size) uint8 mm, nose to the right; the array is reused by the next step."""
    _require_image(crop, state.crop_size_px, "crop")
    _project(
        crop,
        state.element,
        state.scratch,
        state.opened,
        state.opening_threshold_mm,
        (state.weights, state.offset),
        state.scores,
    )
    return state.scores


def step_any(state: ProjectionState, crop: Image, covered: Image | None) -> NDArray[np.float64] | None:
    """Scores of a crop of which something may hide pixels: those where `covered` (size, size) uint8 is not zero.

    None when it hides too much of where the mouse is. A model without statistics of its crops takes them as they are.
    """
    if covered is None or state.filler is None:
        return step(state, crop)
    if not _look_at(state, crop, covered, state.filler):
        return None
    _project_partly(crop, state.kept, covered, state.filler, state.weights, state.offset, state.scores)
    return state.scores


def fill_in(state: ProjectionState, crop: Image, covered: Image) -> None:
    """Replace the hidden pixels of a crop, in place, by the heights that the others let expect, in whole mm.

    A crop of which too much is hidden is emptied.
    """
    filler = state.filler
    if filler is None:
        raise AssertionError("a model without statistics of its crops cannot fill them in")
    if not _look_at(state, crop, covered, filler):
        crop.fill(0)
        return
    hidden = covered > 0
    heights = filler.mean + filler.components @ filler.z
    crop[hidden] = np.clip(np.rint(heights), 0, 255).reshape(crop.shape)[hidden]


def _look_at(state: ProjectionState, crop: Image, covered: Image, filler: Filler) -> bool:
    """What the seen pixels say, into `state.kept` and `filler.z`; False where they are too few."""
    _require_image(crop, state.crop_size_px, "crop")
    _require_image(covered, state.crop_size_px, "covered")
    if hidden_share(covered, filler.usual) > MOST_HIDDEN:
        return False
    _keep(crop, covered, state.element, state.scratch, state.opened, state.opening_threshold_mm, state.kept)
    expect(crop, state.kept, covered, filler)
    return True


def _require_image(image: Image, size_px: int, name: str) -> None:
    if image.shape != (size_px, size_px) or image.dtype != np.uint8:
        raise ValueError(f"{name} must be uint8 {size_px} x {size_px}, not {image.dtype} {image.shape}")
