"""Scores are those of the published chain: against a plain reference, and against published scores."""

import h5py
import numpy as np
import pytest
from scipy import ndimage

from online import projection
from online.errors import ConfigError
from online.model import PixelFilter, Projection
from tests.real_data import MOSEQ, needs_moseq

UUID = "5c72bf30-9596-4d4d-ae38-db9a7a28e912"
DISC = np.hypot(*np.mgrid[-4:5, -4:5]) < 4.3


def reference_scores(crop: np.ndarray, model: Projection) -> np.ndarray:
    """The chain as published, step by step, in float64."""
    disc = DISC.copy()
    disc[[0, -1]] = np.arange(9) == 4
    opened = ndimage.grey_dilation(
        ndimage.grey_erosion(crop, footprint=disc, mode="constant", cval=255), footprint=disc, mode="constant", cval=0
    )
    image = np.where(opened > model.pixel_filter.opening_threshold_mm, crop, 0).astype(np.float64)
    for axis, sigma in ((0, model.pixel_filter.blur_sigma_y_px), (1, model.pixel_filter.blur_sigma_x_px)):
        taps = np.exp(-(np.arange(-10, 11) ** 2) / (2 * sigma**2))
        image = ndimage.correlate1d(image, taps / taps.sum(), axis=axis, mode="mirror")
    flat = image.ravel() - (0 if model.mean is None else model.mean)
    return model.components.astype(np.float64) @ flat


def crops(size: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.normal(size=(count, size, size)), (0, 6, 6))
    return np.clip(smooth / smooth.std() * 40, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("with_mean", [False, True])
def test_scores_are_those_of_the_plain_chain(with_mean: bool) -> None:
    rng = np.random.default_rng(1)
    components = rng.normal(size=(7, 6400)).astype(np.float32)
    model = Projection(components, rng.random(6400).astype(np.float32) if with_mean else None, PixelFilter())
    state = projection.init(model, 80)
    for crop in crops(80, 5):  # bodies cut by the border included: that is where mirroring shows
        assert crop.any()
        np.testing.assert_allclose(projection.step(state, crop), reference_scores(crop, model), rtol=1e-10, atol=1e-6)


def test_an_empty_crop_scores_zero_and_a_wrong_one_is_refused() -> None:
    state = projection.init(Projection(np.ones((2, 6400), np.float32), None, PixelFilter()), 80)
    assert (projection.step(state, np.zeros((80, 80), np.uint8)) == 0).all()
    with pytest.raises(ValueError, match="crop must be uint8 80 x 80"):
        projection.step(state, np.zeros((80, 79), np.uint8))
    with pytest.raises(ValueError, match="crop must be uint8 80 x 80"):
        projection.step(state, np.zeros((80, 80), np.float32))


def test_components_of_another_size_are_refused() -> None:
    with pytest.raises(ConfigError, match="100 pixels"):
        projection.init(Projection(np.ones((2, 100), np.float32), None, PixelFilter()), 80)


@needs_moseq
def test_published_scores_are_reproduced() -> None:
    with h5py.File(MOSEQ / "pca.h5") as file:
        components = file["components"][:]
    with h5py.File(MOSEQ / "results_00.h5") as file:
        frames = file["frames"][:]
    with h5py.File(MOSEQ / "pca_scores.h5") as file:
        rows, numbers = file[f"scores/{UUID}"][:], file[f"scores_idx/{UUID}"][:]
    # The published yaml says 1.0 for y, but its filter blurred by 1.5 in both.
    state = projection.init(Projection(components, None, PixelFilter(blur_sigma_x_px=1.5, blur_sigma_y_px=1.5)), 80)
    seen = np.isfinite(numbers)
    ours = np.stack([projection.step(state, frames[int(number)]).copy() for number in numbers[seen]])
    published = rows[seen]
    assert seen.sum() == 900
    assert (np.abs(ours - published) / published.std(0)).max() < 1e-4
