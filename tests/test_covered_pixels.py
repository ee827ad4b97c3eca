"""Hidden pixels are missing data: against dense Gaussian conditioning, least squares, and the whole mouse."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from scipy import ndimage

from offline.pca import covariance
from offline.pca.components import principal_components, projection_of
from online import extraction, pipeline, projection
from online.arena_calibration import calibrate
from online.covered_pixels import MOST_HIDDEN, NOISE_MM2
from online.errors import ConfigError
from online.model import CropStatistics, ExtractionSettings, PixelFilter, Projection
from online.simulation import mouse
from online.simulation.settings import SimulationSettings
from tests.bodies import arena_of, draw
from tests.online.test_pipeline import calibrated, filling
from tests.rigs import body_frames, tiny_model

SIZE = 16
PLAIN = PixelFilter(opening_diameter_px=1, opening_threshold_mm=0.0, blur_taps=1)
BLURRED = PixelFilter(opening_diameter_px=1, opening_threshold_mm=0.0, blur_taps=5)


def small_model(pixel_filter: PixelFilter, variance: float | None = None) -> Projection:
    rng = np.random.default_rng(0)
    components = np.linalg.qr(rng.normal(size=(SIZE**2, 5)))[0].T.astype(np.float32)
    spread = np.array([9000, 4000, 900, 500, 200], np.float32) if variance is None else np.full(5, variance, np.float32)
    return Projection(components, None, pixel_filter, CropStatistics(crops(1)[0].ravel() * 0.8, components, spread))


def crops(count: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    smooth = ndimage.gaussian_filter(rng.normal(size=(count, SIZE, SIZE)), (0, 2, 2))
    return np.clip(30 + smooth / smooth.std() * 15, 10, 90).astype(np.uint8)


def hidden_conditioned(crop: np.ndarray, covered: np.ndarray, known: CropStatistics) -> np.ndarray:
    """The crop (pixels,) with its hidden pixels at their mean given the others, by dense linear algebra."""
    loading = known.components.astype(np.float64)
    full = loading.T @ np.diag(known.score_variance.astype(np.float64)) @ loading + NOISE_MM2 * np.eye(SIZE**2)
    hidden, seen = covered.ravel() > 0, covered.ravel() == 0
    mean, values = known.mean_crop.astype(np.float64), crop.ravel().astype(np.float64)
    gain = np.linalg.solve(full[np.ix_(seen, seen)], full[np.ix_(seen, hidden)]).T
    values[hidden] = mean[hidden] + gain @ (values[seen] - mean[seen])
    return values


@pytest.mark.parametrize("pixel_filter", [PLAIN, BLURRED])
@pytest.mark.parametrize("share", [0.02, 0.2, 0.4])
def test_scores_are_those_of_the_crop_with_hidden_pixels_at_their_conditional_mean(
    pixel_filter: PixelFilter, share: float
) -> None:
    model = small_model(pixel_filter)
    assert model.statistics is not None
    state, rng = projection.init(model, SIZE), np.random.default_rng(5)
    for crop in crops(5):
        covered = (rng.random(crop.shape) < share).astype(np.uint8)
        spoiled = np.where(covered, rng.integers(0, 256, crop.shape), crop).astype(np.uint8)
        expected = state.weights.T @ hidden_conditioned(crop, covered, model.statistics)
        np.testing.assert_allclose(projection.step_any(state, spoiled, covered), expected, rtol=1e-9, atol=1e-7)


def test_under_a_flat_prior_it_is_the_least_squares_fit_to_the_seen_pixels() -> None:
    model = small_model(PLAIN, variance=1e12)
    assert model.statistics is not None
    model = replace(model, statistics=replace(model.statistics, mean_crop=np.zeros(SIZE**2, np.float32)))
    state, crop = projection.init(model, SIZE), crops(1)[0]
    covered = np.zeros((SIZE, SIZE), np.uint8)
    covered[4:11, 5:9] = 1
    seen = covered.ravel() == 0
    fit = np.linalg.lstsq(model.components.T.astype(np.float64)[seen], crop.ravel()[seen].astype(np.float64))[0]
    np.testing.assert_allclose(projection.step_any(state, crop, covered), fit, rtol=1e-5)


def test_nothing_hidden_changes_nothing_and_too_much_hidden_is_not_scored() -> None:
    model, crop = small_model(BLURRED), crops(1)[0]
    state, covered = projection.init(model, SIZE), np.zeros((SIZE, SIZE), np.uint8)
    plain = projection.step(state, crop).copy()
    np.testing.assert_allclose(projection.step_any(state, crop, covered), plain, rtol=1e-12)
    np.testing.assert_array_equal(projection.step_any(state, crop, None), plain)
    covered[: round(SIZE * MOST_HIDDEN) + 1] = 1
    assert projection.step_any(state, crop, covered) is None
    projection.fill_in(state, crop, covered)
    assert not crop.any()
    with pytest.raises(ValueError, match="covered must be uint8"):
        projection.step_any(state, crop, covered[1:])


def test_hidden_pixels_decide_nothing_over_their_neighbours() -> None:
    """A strip that is too thin for the opening is kept where what hides its neighbours may be as high as it is."""
    model = replace(small_model(PLAIN), pixel_filter=PixelFilter(opening_diameter_px=5, blur_taps=1))
    state, crop, covered = (
        projection.init(model, SIZE),
        np.zeros((SIZE, SIZE), np.uint8),
        np.zeros((SIZE, SIZE), np.uint8),
    )
    crop[6:8, 2:14] = 40
    projection.step_any(state, crop, covered)
    assert not state.kept.any()
    covered[8:12, 2:14] = 1
    projection.step_any(state, crop, covered)
    assert state.kept[6:8, 5:11].all()
    assert not state.kept[covered > 0].any()


@pytest.fixture(scope="module")
def learned() -> Projection:
    """Components of a simulated mouse that nothing hides."""
    settings = SimulationSettings(width=480, height=400, focal_px=300, seed=1, rate_hz=10)
    state = mouse.init(settings)
    arena = calibrate(np.rint(state.scene).astype(np.uint16)[None], settings.intrinsics, 1.0)
    extracting = extraction.init(ExtractionSettings(arena.mm_per_px[0]), arena, 1.0, 10)
    frame, found = np.empty((400, 480), np.uint16), []
    for _ in range(900):
        mouse.step(state, frame)
        found.append(extraction.step(extracting, frame, 1, 0).crop.copy())
    moments, pixel_filter = covariance.init(6400), PixelFilter()
    covariance.step(moments, covariance.keep_mouse(np.array(found), pixel_filter, (10, 100)))
    return projection_of(principal_components(moments, pixel_filter, 10), pixel_filter)


@pytest.mark.parametrize("masked", [True, False])
def test_a_bar_over_the_arena_harms_scores_far_less_when_it_is_missing_data(learned: Projection, masked: bool) -> None:
    """Bars of 13 mm, masked by hand or recognised by their height; the error is in SD of the scores."""
    settings = SimulationSettings(width=480, height=400, focal_px=300, seed=2, rate_hz=30)
    session = mouse.init(settings)
    arena = calibrate(np.rint(session.scene).astype(np.uint16)[None], settings.intrinsics, 1.0)
    bars = np.zeros(arena.region.shape, bool)
    bars[:, 15::40] = bars[:, 16::40] = bars[:, 17::40] = bars[:, 18::40] = bars[:, 19::40] = bars[:, 20::40] = True
    size = ExtractionSettings(arena.mm_per_px[0])
    cut_out, told = replace(arena, region=arena.region & ~bars), replace(arena, masked=bars) if masked else arena
    states = [extraction.init(size, each, 1.0, 30) for each in (arena, cut_out, told)]
    state, frame = projection.init(learned, 80), np.empty((400, 480), np.uint16)
    assert learned.statistics is not None
    spread = np.sqrt(learned.statistics.score_variance)
    zeros, filled = [], []
    for _ in range(300):
        mouse.step(session, frame)
        barred = np.where(bars, 420, frame).astype(np.uint16)
        truth, cut, found = (extraction.step(s, f, 1, 0) for s, f in zip(states, (frame, barred, barred), strict=True))
        if truth.missing or cut.missing or not found.covered[25:55, 15:65].any():
            continue
        right = projection.step(state, truth.crop).copy()
        for each, errors in ((cut, zeros), (found, filled)):
            same_way = np.cos(each.heading_rad - truth.heading_rad) > 0
            crop, covered = (i if same_way else np.rot90(i, 2).copy() for i in (each.crop, each.covered))
            scores = projection.step(state, crop) if each is cut else projection.step_any(state, crop, covered)
            assert scores is not None
            errors.append((scores - right) / spread)
    assert len(filled) > 60
    zeros_rms, filled_rms = (float(np.sqrt(np.mean(np.square(errors)))) for errors in (zeros, filled))
    assert filled_rms < 0.6
    assert filled_rms < 0.45 * zeros_rms


def test_a_masked_arena_is_decoded_and_a_mouse_behind_it_is_no_evidence() -> None:
    """Through the whole loop: a mask over the mouse's place takes the evidence away, and never the session."""
    model, arena = tiny_model(), calibrated()
    everywhere = np.zeros(arena.region.shape, bool)
    everywhere[arena.region] = np.arange(arena.region.sum()) % 97 > 0
    with pytest.raises(ConfigError, match="the arena has a mask"):
        pipeline.init(model, replace(arena, masked=everywhere), 1.0, 60.0)
    band = np.zeros_like(everywhere)
    band[:, 44:53] = True
    for mask, hides in ((everywhere, False), (band, True), (np.zeros_like(everywhere), False)):
        state = pipeline.init(filling(model), replace(arena, masked=mask), 1.0, 60.0)
        alone, partly = projection.init(model.projection, 80), 0
        for index, frame in enumerate(body_frames(60)):
            found = pipeline.extract(state, frame, index, index)
            decoded, scores = pipeline.decode(state, found, index)
            if found.num_covered and np.isfinite(scores).all():
                partly += not np.allclose(scores, projection.step(alone, found.crop))
        assert decoded.has_evidence == (mask is not everywhere)
        assert decoded.posterior.sum() == pytest.approx(1)
        assert (partly > 10) == hides


@pytest.mark.parametrize("convention", ["etholoop", "moseq2"])
def test_a_crop_is_covered_where_the_mask_lies_beside_the_mouse(convention: Literal["etholoop", "moseq2"]) -> None:
    arena = arena_of()
    rows, columns = np.indices(arena.region.shape)
    masked = np.hypot(columns - 180, rows - 100) < 8
    state = extraction.init(ExtractionSettings(1.6, convention=convention), replace(arena, masked=masked), 1.0, 30)
    found = extraction.step(state, draw(arena, [(0, 0, 0.6)]), 1, 0)
    assert found.num_covered == found.covered.sum() == pytest.approx(masked.sum(), rel=0.25)
    i, j = np.nonzero(found.covered)
    right, down = 180 - found.x_px, 100 - found.y_px
    along = right * np.cos(found.heading_rad) - down * np.sin(found.heading_rad)
    across = right * np.sin(found.heading_rad) + down * np.cos(found.heading_rad)
    assert (j.mean() - 40, i.mean() - 40) == pytest.approx((along, across), abs=1.1)
