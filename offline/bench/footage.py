"""What the stages are timed on: a simulated mouse, or a recording."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from online import projection
from online.arena import Arena
from online.arena_calibration import calibrate
from online.extraction import init as start_extraction
from online.extraction import step as extract
from online.files.moseq_folder import open_recording
from online.model import ExtractionSettings, ModelBundle, PixelFilter, Projection, Provenance, Whitening
from online.simulation import mouse
from online.simulation.arhmm import random_arhmm
from online.simulation.settings import SimulationSettings

NUM_SYLLABLES, NUM_DIMS, NUM_LAGS = 100, 10, 3
MODEL_RATE_HZ = 30.0
REFERENCE_FOCAL_PX, REFERENCE_WIDTH_PX = 385.0, 640


@dataclass(frozen=True, slots=True)
class Footage:
    """Frames (T, H, W) uint16 mm, gone through again and again, and the arena that they show."""

    name: str
    frames: NDArray[np.uint16]
    arena: Arena
    rate_hz: float


def simulated_footage(width: int, height: int, rate_hz: int, num_frames: int) -> Footage:
    """A simulated mouse, seen with the same field of view at every size."""
    settings = SimulationSettings(
        width=width, height=height, rate_hz=rate_hz, focal_px=REFERENCE_FOCAL_PX * width / REFERENCE_WIDTH_PX
    )
    state = mouse.init(settings)
    empty = np.rint(state.scene).astype(np.uint16)
    frames = np.empty((num_frames, height, width), np.uint16)
    for frame in frames:
        mouse.step(state, frame)
    arena = calibrate(empty[None], settings.intrinsics, 1.0)
    return Footage(f"simulated {width}x{height} at {rate_hz} Hz", frames, arena, rate_hz)


def recorded_footage(path: Path, num_frames: int) -> Footage:
    """The first frames of a MoSeq recording; the arena is calibrated from frames spread over all of it."""
    with open_recording(path) as recording:
        shape = (recording.height, recording.width)
        frames = np.empty((min(num_frames, recording.num_frames), *shape), np.uint16)
        for index, frame in enumerate(frames):
            recording.read_frame(index, frame)
        spread = np.linspace(0, recording.num_frames - 1, 60).astype(int)
        sample = np.empty((len(spread), *shape), np.uint16)
        for index, frame in zip(spread, sample, strict=True):
            recording.read_frame(int(index), frame)
        arena = calibrate(sample, recording.intrinsics, 1.0)
        name = f"{recording.name} {shape[1]}x{shape[0]} at {recording.rate_hz:.0f} Hz"
        return Footage(name, frames, arena, recording.rate_hz)


def bundle_for(footage: Footage) -> ModelBundle:
    """A model of 100 syllables, 10 dimensions and 3 lags, whitened for this footage: arithmetic, not biology."""
    settings = ExtractionSettings(mm_per_crop_pixel=footage.arena.mm_per_px[0])
    components = np.random.default_rng(0).normal(size=(NUM_DIMS, settings.crop_size_px**2)).astype(np.float32)
    projecting = Projection(components, None, PixelFilter())
    state = start_extraction(settings, footage.arena, 1.0, footage.rate_hz)
    project = projection.init(projecting, settings.crop_size_px)
    scores = np.array([projection.step(project, extract(state, f, 1, 0).crop).copy() for f in footage.frames])
    covariance = np.cov(scores.T) + np.eye(NUM_DIMS)
    arhmm = random_arhmm(0, NUM_SYLLABLES, NUM_DIMS, NUM_LAGS, separation=0.3)
    return ModelBundle(
        frame_rate_hz=MODEL_RATE_HZ,
        extraction=settings,
        projection=projecting,
        whitening=Whitening(scores.mean(0), np.asarray(np.linalg.cholesky(covariance), np.float64)),
        arhmm=arhmm,
        usage=np.full(NUM_SYLLABLES, 1 / NUM_SYLLABLES),
        provenance=Provenance("etholoop bench", "", "learned", seed=0),
    )
