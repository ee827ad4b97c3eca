"""The pipeline is warm before the loop begins, and refuses cameras that the model cannot follow."""

import dataclasses
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.dispatcher import Dispatcher

from online import pipeline
from online.arena import Arena, Intrinsics
from online.arena_calibration import calibrate
from online.errors import ConfigError
from online.model import CropStatistics, ModelBundle, NoveltyCalibration
from tests.rigs import FLOOR_MM, FOCAL_PX, HEIGHT, WIDTH, body_frames, tiny_model


@cache
def calibrated(times: int = 1) -> Arena:
    """Arena of `body_frames`, seen by a camera of so many times their pixels along each axis."""
    lens = Intrinsics(times * FOCAL_PX, times * FOCAL_PX, times * WIDTH / 2, times * HEIGHT / 2)
    return calibrate(finer(body_frames(20), times), lens, 1.0)


def finer(frames: np.ndarray, times: int) -> np.ndarray:
    return frames.repeat(times, axis=-1).repeat(times, axis=-2)


def filling(model: ModelBundle) -> ModelBundle:
    """The model, able to fill hidden pixels in."""
    assert model.projection is not None
    components = model.projection.components
    known = CropStatistics(np.full(6400, 20, np.float32), components, np.ones(len(components), np.float32))
    return dataclasses.replace(model, projection=dataclasses.replace(model.projection, statistics=known))


def compiled() -> dict[str, int]:
    """Number of compiled signatures of each kernel that this program has imported."""
    return {
        f"{name}.{attribute}": len(value.signatures)
        for name, module in tuple(sys.modules.items())
        if name.startswith("online.")
        for attribute, value in vars(module).items()
        if isinstance(value, Dispatcher)
    }


def run_after_warm_up(times: int) -> dict[str, int]:
    """Kernels that a hard recording compiles after the warm-up: holes, a hand, an empty and a saturated image."""
    arena = calibrated(times)
    model = filling(tiny_model())
    pipeline.warm_up(model, arena, 1.0, 60.0)
    before = compiled()
    state = pipeline.init(model, arena, 1.0, 60.0)
    rng = np.random.default_rng(0)
    frame_index = 0
    for number, frame in enumerate(body_frames(120)):
        frame[rng.random(frame.shape) < 0.1] = 0
        if number % 10 == 3:
            frame[:, WIDTH // 2 :] = 300
        if number % 10 == 7:
            frame[...] = 0 if number % 20 == 7 else 65535
        frame_index += 1 + (number % 25 == 0) + 300 * (number == 60)
        seen = pipeline.extract(state, finer(frame, times), frame_index, frame_index)
        pipeline.decode(state, seen, frame_index)
    return {name: count for name, count in compiled().items() if count != before[name]}


@pytest.mark.parametrize("times", [1, 4])
def test_nothing_is_compiled_after_the_warm_up(times: int) -> None:
    """In a process of its own: elsewhere, other tests may have compiled what the warm-up forgets."""
    script = f"from tests.online.test_pipeline import run_after_warm_up; print(run_after_warm_up({times}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{}"


def test_novelty_is_told_where_the_model_was_calibrated() -> None:
    levels = np.linspace(0.01, 0.99, 99)
    calibration = NoveltyCalibration(levels, np.linspace(-1e4, 0, 99), np.linspace(0, 5, 99), 1000.0)
    arena, model = calibrated(), tiny_model()
    for bundle, told in ((model, False), (dataclasses.replace(model, novelty=calibration), True)):
        state = pipeline.init(bundle, arena, 1.0, 60.0)
        for index, frame in enumerate(body_frames(10)):
            decoded, _ = pipeline.decode(state, pipeline.extract(state, frame, index, index), index)
            assert (decoded.novelty is not None) == (told and decoded.has_evidence)
        assert decoded.has_evidence


def test_a_camera_at_a_multiple_of_the_rate_is_decoded_in_phases() -> None:
    assert [pipeline.phases_of(30.0, rate) for rate in (30.0, 29.97, 60.0, 90.1)] == [1, 1, 2, 3]
    for rate in (15.0, 45.0, 20.0, 75.0):
        with pytest.raises(ConfigError, match=f"cannot follow a camera at {rate:g} Hz"):
            pipeline.phases_of(30.0, rate)


def strange(kind: str, seed: int) -> np.ndarray:
    """A frame (H, W) that no arena gives, or one with a body."""
    frame = body_frames(1, seed)[0]
    match kind:
        case "zero":
            frame[...] = 0
        case "saturated":
            frame[...] = 65535
        case "noise":
            frame[...] = np.random.default_rng(seed).integers(0, 65536, frame.shape)
        case "one pixel":
            frame[...] = FLOOR_MM
            frame[HEIGHT // 2, WIDTH // 2] -= 40
        case "holes":
            frame[np.random.default_rng(seed).random(frame.shape) < 0.5] = 0
        case "hand":
            frame[: HEIGHT // 2] = FLOOR_MM - 300
    return frame


KINDS = ["mouse", "zero", "saturated", "noise", "one pixel", "holes", "hand"]


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 99), st.integers(1, 40)), min_size=1, max_size=12),
    st.booleans(),
)
def test_whatever_the_camera_sends_the_posterior_is_one(sent: list[tuple[str, int, int]], masked: bool) -> None:
    """Every posterior sums to one and repeats bit for bit; without a mouse there is neither evidence nor a score."""
    arena = calibrated()
    mask = np.zeros_like(arena.region)
    mask[:, WIDTH // 2 : WIDTH // 2 + 9] = masked
    arena = dataclasses.replace(arena, masked=mask)
    states = [pipeline.init(filling(tiny_model()), arena, 1.0, 60.0) for _ in range(2)]
    index, answers = 0, []
    for kind, seed, slots in sent:
        index += slots
        for state in states:
            found = pipeline.extract(state, strange(kind, seed), index, index)
            decoded, scores = pipeline.decode(state, found, index)
            assert decoded.posterior.sum() == pytest.approx(1)
            assert decoded.posterior.min() >= 0
            assert not (found.missing and decoded.has_evidence)
            assert np.isfinite(scores).all() or (np.isnan(scores).all() and not decoded.has_evidence)
            assert not (kind in ("zero", "saturated", "one pixel") and not found.missing)
            answers.append(decoded.posterior.copy())
    np.testing.assert_array_equal(answers[::2], answers[1::2])


def test_a_frame_of_another_shape_is_refused_and_leaves_no_trace() -> None:
    arena, frames = calibrated(), body_frames(12)
    spoilt, plain = (pipeline.init(tiny_model(), arena, 1.0, 60.0) for _ in range(2))
    for index, frame in enumerate(frames):
        for wrong in (frame[1:], frame.astype(np.float32), frame[None]):
            with pytest.raises(ValueError, match="frame must be uint16"):
                pipeline.extract(spoilt, wrong, index, index)
        posteriors = [
            pipeline.decode(state, pipeline.extract(state, frame, index, index), index)[0].posterior
            for state in (spoilt, plain)
        ]
        np.testing.assert_array_equal(*posteriors)
