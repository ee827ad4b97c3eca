"""The simulated mouse against its own truth; nothing here needs recorded data."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from online.errors import ConfigError
from online.simulation.families import POSTURE
from online.simulation.mouse import init, step
from online.simulation.settings import SimulationSettings
from tests.simulation.mice import find, simulate

SMALL = SimulationSettings(width=320, height=240)


def test_same_seeds_give_the_same_frames_bit_for_bit() -> None:
    one, again = simulate(SMALL, 20), simulate(SMALL, 20)
    assert one.truths == again.truths
    np.testing.assert_array_equal(one.depth, again.depth)


def test_another_session_of_the_same_animal_differs_in_events_not_in_repertoire() -> None:
    one, other = simulate(SMALL, 90), simulate(replace(SMALL, seed=1), 90)
    assert [t.syllable for t in one.truths] != [t.syllable for t in other.truths]
    np.testing.assert_array_equal(one.state.behaviour.target, other.state.behaviour.target)
    stranger = init(replace(SMALL, behaviour_seed=1)).behaviour
    assert not np.array_equal(one.state.behaviour.target, stranger.target)


@pytest.mark.parametrize("rate_hz", [60, 90, 180])
def test_every_rate_sees_the_same_trajectory(rate_hz: int) -> None:
    ratio = rate_hz // 30
    slow, fast = simulate(SMALL, 60), simulate(replace(SMALL, rate_hz=rate_hz), 60 * ratio)
    for coarse, fine in zip(slow.truths, fast.truths[::ratio], strict=True):
        assert coarse.replace(onset_frame_index=0) == fine.replace(onset_frame_index=0)
        assert coarse.onset_frame_index == -(-fine.onset_frame_index // ratio)


def test_onset_is_the_first_slot_of_the_syllable() -> None:
    truths = simulate(SMALL, 300).truths
    for slot in range(1, len(truths)):
        if truths[slot].syllable != truths[slot - 1].syllable:
            assert truths[slot].onset_frame_index == slot
    assert all(truth.onset_frame_index <= slot for slot, truth in enumerate(truths))


def test_dropped_slots_are_lost_and_nothing_else_changes() -> None:
    whole, lossy = simulate(SMALL, 400), simulate(replace(SMALL, drop_probability=0.2), 400)
    assert whole.truths == lossy.truths
    assert 0.14 < 1 - lossy.recorded.mean() < 0.26
    np.testing.assert_array_equal(whole.depth[lossy.recorded], lossy.depth[lossy.recorded])
    assert not lossy.depth[~lossy.recorded].any()


@pytest.mark.parametrize(("scale", "opening_px"), [(0.7, 5), (1.0, 9), (1.3, 9)])
def test_truth_is_what_a_plain_measurement_finds(scale: float, opening_px: int) -> None:
    session = simulate(SimulationSettings(seed=3, body_scale=scale), 300)
    position, length, heading = [], [], []
    for truth, frame in zip(session.truths[::15], session.depth[::15], strict=True):
        found = find(session.state, frame, truth, opening_px)
        distance = frame[found.mask][frame[found.mask] > 0].mean()
        x_mm, y_mm = ((found.x_px - 319.5) * distance / 385, (found.y_px - 239.5) * distance / 385)
        position.append(np.hypot(x_mm - truth.x_mm, y_mm - truth.y_mm))
        length.append(found.length_px * distance / 385 / truth.length_mm)
        heading.append(abs(np.sin(found.orientation_rad - truth.heading_rad)))
    assert np.median(position) < 1.5
    assert np.percentile(position, 90) < 4
    assert 0.9 < np.median(length) < 1.05
    assert np.median(heading) < np.sin(np.radians(6))


def test_nose_is_the_thin_end() -> None:
    session = simulate(SMALL, 300)
    thin_end = []
    for truth, frame in zip(session.truths[::15], session.depth[::15], strict=True):
        y, x = np.nonzero(find(session.state, frame, truth).mask)
        along = (x - x.mean()) * np.cos(truth.heading_rad) - (y - y.mean()) * np.sin(truth.heading_rad)
        thin_end.append(np.mean(along**3) > 0)
    assert np.mean(thin_end) >= 0.9


def test_animal_stays_on_the_floor_and_walks_where_it_looks() -> None:
    for shape in ("circle", "square"):
        session = simulate(replace(SMALL, arena_shape=shape, seed=5), 600)
        x, y = np.array([(t.x_mm, t.y_mm) for t in session.truths]).T
        outermost = np.hypot(x, y) if shape == "circle" else np.maximum(abs(x), abs(y))
        assert outermost.max() < session.state.settings.floor_size_mm - 10
        speed = session.postures[:, POSTURE.index("speed_mm_s")]
        heading = np.array([t.heading_rad for t in session.truths])
        forwards = np.diff(x) * np.cos(heading[:-1]) - np.diff(y) * np.sin(heading[:-1])
        assert np.corrcoef(forwards, speed[:-1])[0, 1] > 0.8


def test_noise_and_holes_are_as_asked() -> None:
    session = simulate(SimulationSettings(hole_rate=0.02, speck_rate=0.0), 40)
    rows, columns = np.mgrid[:480, :640]
    quiet = np.hypot(rows - 239.5, columns - 319.5) < 110
    for truth in session.truths:
        column, row = 319.5 + truth.x_mm * 385 / 640, 239.5 + truth.y_mm * 385 / 640
        quiet &= np.hypot(rows - row, columns - column) > 75
    assert quiet.sum() > 3000, "the seed must leave some of the middle empty"
    pixels = np.where(quiet, session.depth.astype(float), np.nan)
    assert 0.017 < np.mean(pixels[:, quiet] == 0) < 0.023
    noise = np.where(pixels > 0, pixels - session.state.scene, np.nan)
    assert 0.9 < np.sqrt(np.nanmean(noise**2)) < 1.4
    assert abs(np.nanmean(noise)) < 0.1
    assert 0.4 < np.nanmean(noise[:, :, 1:] * noise[:, :, :-1]) / np.nanmean(noise**2) < 0.75
    assert abs(np.nanmean(noise[1:] * noise[:-1]) / np.nanmean(noise**2)) < 0.1


def test_without_noise_the_empty_floor_is_the_scene() -> None:
    slopes = (0.02, -0.03)
    quiet = replace(SMALL, noise_scale=0.0, hole_rate=0.0, edge_hole_rate=0.0, speck_rate=0.0, floor_slope=slopes)
    session = simulate(quiet, 1)
    truth, frame = session.truths[0], session.depth[0].astype(float)
    rows, columns = np.mgrid[:240, :320]
    from_mouse = np.hypot(columns - 159.5 - truth.x_mm * 385 / 673, rows - 119.5 - truth.y_mm * 385 / 673)
    floor = (np.hypot(columns - 159.5, rows - 119.5) < 0.9 * quiet.floor_size_mm / 673 * 385) & (from_mouse > 90)
    assert np.abs(frame - session.state.scene)[floor].max() < 1.0  # half a count of 0.7 mm, and rounding to mm
    x_mm, y_mm = (columns - 159.5) * frame / 385, (rows - 119.5) * frame / 385
    plane = np.linalg.lstsq(np.stack([x_mm[floor], y_mm[floor], np.ones(floor.sum())], 1), frame[floor], rcond=None)[0]
    np.testing.assert_allclose(plane, [0.02, -0.03, 673], rtol=0.002, atol=0.004)


def test_tether_rises_from_the_animal_and_leaves_the_truth_alone() -> None:
    bare, tethered = simulate(SMALL, 30), simulate(replace(SMALL, tether=True), 30)
    assert bare.truths == tethered.truths
    nearest = [np.min(frame[frame > 0]) for frame in tethered.depth]
    assert max(nearest) < 673 - 300
    assert min(np.min(frame[frame > 0]) for frame in bare.depth) > 673 - 220


def test_reflection_appears_on_the_wall_when_the_animal_is_near() -> None:
    plain, mirrored = simulate(SMALL, 400), simulate(replace(SMALL, reflection=True), 400)
    radius = np.array([np.hypot(t.x_mm, t.y_mm) for t in plain.truths])
    changed = np.array([np.sum(a != b) for a, b in zip(plain.depth, mirrored.depth, strict=True)])
    size = plain.state.settings.floor_size_mm
    assert (changed[radius < size - 90] == 0).all()
    assert (changed[radius > size - 45] > 60).mean() > 0.9
    wall = plain.state.scene < 660
    bulge = plain.state.scene - mirrored.depth[radius.argmax()]
    assert (wall & (bulge > 8) & (mirrored.depth[radius.argmax()] > 0)).sum() > 20


def test_no_array_is_allocated_in_a_step() -> None:
    state = init(SMALL)
    frame = np.zeros((240, 320), np.uint16)
    for _ in range(20):
        step(state, frame)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(200):
        step(state, frame)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - before < 16384


@pytest.mark.parametrize(
    "impossible",
    [
        {"rate_hz": 50},
        {"width": 80, "height": 80},
        {"hole_rate": 1.0},
        {"num_syllables": 2},
        {"arena_shape": "triangle"},
        {"floor_slope": (0.5, 0.0)},
    ],
)
def test_impossible_settings_are_refused(impossible: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="simulated mouse"):
        replace(SMALL, **impossible)  # type: ignore[arg-type]
