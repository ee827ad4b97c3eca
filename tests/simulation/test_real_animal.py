"""The simulated animal and sensor beside a real recording (Kinect v2, 900 frames), measured without the renderer."""

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from online.simulation.mouse import init, step
from online.simulation.settings import SimulationSettings
from tests.real_data import RESULTS, needs_moseq
from tests.simulation.mice import find

pytestmark = needs_moseq

KINECT = SimulationSettings(width=512, height=424, focal_px=365.5, floor_distance_mm=673.5, seed=1)
FIRST_GOOD_FRAME = 10
EVERY_SLOTS, NUM_MEASURED = 30, 300
FLOOR_CENTRE = (224, 242)


@pytest.fixture(scope="module")
def simulated() -> dict[str, NDArray[np.float64]]:
    """area_px, length_px, width_px, height_ave_mm of a session of five minutes."""
    state = init(KINECT)
    frame = np.zeros((KINECT.height, KINECT.width), np.uint16)
    rows = []
    for slot in range(NUM_MEASURED * EVERY_SLOTS):
        step(state, frame)
        if slot % EVERY_SLOTS == 0:
            truth = state.last_truth
            assert truth is not None
            found = find(state, frame, truth)
            rows.append((found.area_px, found.length_px, found.width_px, found.height_mm))
    return dict(zip(("area_px", "length_px", "width_px", "height_ave_mm"), np.array(rows).T, strict=True))


@pytest.mark.parametrize("scalar", ["area_px", "length_px", "width_px", "height_ave_mm"])
def test_body_is_within_15_percent_of_the_real_one(simulated: dict[str, NDArray[np.float64]], scalar: str) -> None:
    with h5py.File(RESULTS) as file:
        real = file["scalars"][scalar][FIRST_GOOD_FRAME:]
    assert np.median(simulated[scalar]) == pytest.approx(np.median(real), rel=0.15)
    assert simulated[scalar].std() == pytest.approx(real.std(), rel=0.15)


def test_body_scalars_go_together_as_in_the_real_animal(simulated: dict[str, NDArray[np.float64]]) -> None:
    """Long is large, and plump is tall: the two strongest correlations of the real animal."""
    for one, other in (("area_px", "length_px"), ("width_px", "height_ave_mm")):
        with h5py.File(RESULTS) as file:
            real = np.corrcoef(*(file["scalars"][name][FIRST_GOOD_FRAME:] for name in (one, other)))[0, 1]
        assert np.corrcoef(simulated[one], simulated[other])[0, 1] == pytest.approx(real, abs=0.25)


def floor_noise(
    image: NDArray[np.float64], centre: tuple[float, float], animal: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Of the floor's middle: sd of pixel-to-pixel differences / sqrt 2, share of holes; share of holes in the image."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    floor = (np.hypot(rows - centre[0], columns - centre[1]) < 100) & ~animal
    values = np.where(floor & (image > 0), image, np.nan)
    differences = np.concatenate([np.diff(values, axis=0).ravel(), np.diff(values, axis=1).ravel()])
    differences = differences[np.abs(differences) < 12]
    return float(np.nanstd(differences) / np.sqrt(2)), float(np.mean(image[floor] == 0)), float(np.mean(image == 0))


def test_noise_and_holes_are_those_of_the_real_first_frame() -> None:
    with h5py.File(RESULTS) as file:
        real = file["metadata/extraction/first_frame"][:].astype(float)
        background = file["metadata/extraction/background"][:]
    state = init(KINECT)
    frame = np.zeros((KINECT.height, KINECT.width), np.uint16)
    step(state, frame)
    sd, holes, nothing = floor_noise(frame.astype(float), (211.5, 255.5), np.abs(state.scene - frame) > 12)
    real_sd, real_holes, real_nothing = floor_noise(real, FLOOR_CENTRE, np.abs(background - real) > 12)
    assert sd == pytest.approx(real_sd, rel=0.15)
    assert holes < 2e-4
    assert real_holes < 2e-4
    assert nothing == pytest.approx(real_nothing, rel=0.15)
