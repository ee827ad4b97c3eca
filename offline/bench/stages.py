"""The stages of the frame loop, timed one after the other on every frame, and what they allocate."""

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.bench.footage import Footage
from online import decoder, history, pipeline, projection
from online.model import ModelBundle
from online.smoothing import smooth

SMOOTHING_STEPS = 15
FLOOR = "floor"

Stage = tuple[str, Callable[[int], object]]


@dataclass(frozen=True, slots=True)
class Timing:
    """One stage over many frames: microseconds, and the largest allocation of any one step in bytes."""

    stage: str
    p50_us: float
    p99_us: float
    max_us: float
    floor_us: float
    peak_bytes: int | None


def loop_stages(footage: Footage, bundle: ModelBundle) -> list[Stage]:
    """Closures that carry frame number n through extraction, projection, decoding and smoothing."""
    frames = footage.frames
    state = pipeline.init(bundle, footage.arena, 1.0, footage.rate_hz)
    past = history.init(state.decoder, SMOOTHING_STEPS)
    smoothed = np.zeros(bundle.arhmm.num_syllables)
    crop = pipeline.extract(state, frames[0], 0, 0).crop

    def extract(n: int) -> object:
        return pipeline.extract(state, frames[n % len(frames)], state.last_frame_index + 1, n)

    def project(_n: int) -> object:
        return projection.step(state.projection, crop)

    def decode(_n: int) -> object:
        state.last_frame_index += 1
        return decoder.step(state.decoder, state.projection.scores, 1)

    def smooth_past(n: int) -> object:
        history.record(past, state.decoder.decoded)
        return smooth(past, min(SMOOTHING_STEPS, n // state.decoder.phases), smoothed)

    return [
        ("extraction", extract),
        ("projection", project),
        ("filter", decode),
        (f"smoothing, {SMOOTHING_STEPS} steps", smooth_past),
    ]


def floor_stage(footage: Footage, bundle: ModelBundle) -> Stage:
    """What cannot be avoided: copying the frame once, and one matrix-vector product of the decoder's size."""
    frames, arhmm = footage.frames, bundle.arhmm
    copy = np.empty_like(frames[0])
    inputs = np.ones((arhmm.num_lags + 1) * arhmm.num_dims)
    matrix = np.ones((arhmm.num_syllables * arhmm.num_dims, inputs.size))
    product = np.empty(matrix.shape[0])

    def floor(n: int) -> object:
        np.copyto(copy, frames[n % len(frames)])
        return np.dot(matrix, inputs, out=product)

    return FLOOR, floor


def time_stages(stages: list[Stage], num_frames: int, warm_up: int = 50) -> list[Timing]:
    """Run all stages on every frame; those of a frame take turns, so that each meets a cache like the loop's."""
    elapsed_ns = np.zeros((len(stages), num_frames), np.int64)
    for n in range(-warm_up, num_frames):
        for row, (_, run) in enumerate(stages):
            start = time.perf_counter_ns()
            run(n + warm_up)
            if n >= 0:
                elapsed_ns[row, n] = time.perf_counter_ns() - start
    names = [name for name, _ in stages]
    floor_us = float(np.median(elapsed_ns[names.index(FLOOR)])) / 1000
    return [_timing(name, row / 1000, floor_us) for name, row in zip(names, elapsed_ns, strict=True)]


def _timing(name: str, us: NDArray[np.float64], floor_us: float) -> Timing:
    p50, p99 = np.percentile(us, [50, 99])
    return Timing(name, float(p50), float(p99), float(us.max()), floor_us, None)


def peak_bytes(stages: list[Stage], num_frames: int, warm_up: int = 50) -> dict[str, int]:
    """Largest allocation within one step of each stage; what is allocated and freed again counts too."""
    largest = dict.fromkeys((name for name, _ in stages), 0)
    tracemalloc.start()
    try:
        for n in range(num_frames):
            for name, run in stages:
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
                run(n)
                if n >= warm_up:
                    largest[name] = max(largest[name], tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return largest
