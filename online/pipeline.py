"""From a depth frame to a posterior: extraction, projection, decoding, in that order, exactly as models are trained."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from online import decoder, extraction, novelty, projection
from online.arena import Arena
from online.decoder import Decoded, DecoderState
from online.errors import ConfigError
from online.extracted import Extracted
from online.extraction import ExtractionState
from online.model import ModelBundle
from online.novelty import NoveltyState
from online.projection import ProjectionState

WARM_UP_BODY_MM = (40.0, 15.0, 30.0)
"""Half length, half width and height."""


@dataclass(slots=True)
class PipelineState:
    """Owned memory of the three stages; everything a step returns is a view of it, valid until the next step."""

    extraction: ExtractionState
    projection: ProjectionState
    decoder: DecoderState
    novelty: NoveltyState | None
    no_scores: NDArray[np.float64]
    last_frame_index: int


def phases_of(model_rate_hz: float, camera_rate_hz: float) -> int:
    """How many interleaved filters a camera needs for a model: the ratio of their rates, which must be whole.

    Raises
    ------
    ConfigError
        if the camera's rate is not a whole multiple of the model's (within 2 %).
    """
    ratio = camera_rate_hz / model_rate_hz
    phases = round(ratio)
    if phases < 1 or abs(ratio - phases) > 0.02 * phases:
        allowed = ", ".join(f"{model_rate_hz * n:g}" for n in (1, 2, 3))
        raise ConfigError(
            f"the model was trained at {model_rate_hz:g} Hz and cannot follow a camera at {camera_rate_hz:g} Hz: "
            f"set the camera's rate_hz to a multiple of the model's ({allowed} ...), or train a model at that rate"
        )
    return phases


def check_fills_masks(bundle: ModelBundle) -> None:
    """Raise ConfigError if the model cannot say what masked pixels would show."""
    if bundle.projection is not None and bundle.projection.statistics is None:
        raise ConfigError(
            "the arena has a mask, and this model does not know the mean crop from which masked pixels are filled in: "
            "make it again with this version of 'etholoop train' or 'etholoop model import'"
        )


def init(bundle: ModelBundle, arena: Arena, depth_unit_mm: float, camera_rate_hz: float) -> PipelineState:
    """Allocate everything that `extract` and `decode` need."""
    if bundle.extraction is None or bundle.projection is None:
        raise ConfigError(
            "this model was trained from scores alone and cannot run at a rig: train it again with --pca pca.h5"
        )
    if arena.has_mask:
        check_fills_masks(bundle)
    phases = phases_of(bundle.frame_rate_hz, camera_rate_hz)
    known = bundle.novelty
    return PipelineState(
        extraction=extraction.init(bundle.extraction, arena, depth_unit_mm, camera_rate_hz),
        projection=projection.init(bundle.projection, bundle.extraction.crop_size_px),
        decoder=decoder.init(bundle.arhmm, bundle.whitening, phases),
        novelty=novelty.init(known, camera_rate_hz) if known is not None else None,
        no_scores=np.full(bundle.arhmm.num_dims, np.nan),
        last_frame_index=-1,
    )


def extract(state: PipelineState, frame: NDArray[np.uint16], frame_index: int, capture_time_ns: int) -> Extracted:
    """Find the mouse in a frame (H, W) uint16; call `decode` next."""
    slots_elapsed = frame_index - state.last_frame_index
    return extraction.step(state.extraction, frame, slots_elapsed, capture_time_ns)


def decode(state: PipelineState, extracted: Extracted, frame_index: int) -> tuple[Decoded, NDArray[np.float64]]:
    """Posterior and principal-component scores (D,) of the frame just extracted; scores are NaN without a mouse, and
    where too much of it is hidden."""
    slots_elapsed = frame_index - state.last_frame_index
    state.last_frame_index = frame_index
    covered = extracted.covered if extracted.num_covered else None
    scores = None if extracted.missing else projection.step_any(state.projection, extracted.crop, covered)
    decoded = decoder.step(state.decoder, scores, slots_elapsed)
    decoded.novelty = None if state.novelty is None else novelty.step(state.novelty, decoded)
    return decoded, state.no_scores if scores is None else scores


def warm_up(bundle: ModelBundle, arena: Arena, depth_unit_mm: float, camera_rate_hz: float) -> None:
    """Run every kernel once on made-up frames, so that nothing is compiled or loaded in the frame loop.

    The frames hold a flat body in the middle of the arena, with a hole and something too high in it, each wide enough
    to fill a pixel of the working grid; one of them is empty, and one is dropped.
    """
    state = init(bundle, arena, depth_unit_mm, camera_rate_hz)
    empty = np.rint(arena.background_mm / depth_unit_mm).astype(np.uint16)
    with_body = empty.copy()
    column, row = (round(c) for c in arena.centre_px)
    half_length, half_width = (round(size / arena.mm_per_px[0]) for size in WARM_UP_BODY_MM[:2])
    body = with_body[row - half_width : row + half_width, column - half_length : column + half_length]
    body[...] = np.where(body > 0, body - round(WARM_UP_BODY_MM[2] / depth_unit_mm), 0)
    patch = math.ceil(2 * state.extraction.settings.mm_per_crop_pixel / min(arena.mm_per_px))
    body[:, half_length // 2 : half_length // 2 + patch] = 0
    body[:patch, :patch] //= 2
    num_frames = (bundle.arhmm.num_lags + 2) * state.decoder.phases
    for frame_index in (*range(num_frames), num_frames + 1):
        frame = empty if frame_index == num_frames - 1 else with_body
        found = extract(state, frame, frame_index, frame_index)
        decode(state, found, frame_index)
    found.covered[:2, :2] = 1
    projection.step_any(state.projection, found.crop, found.covered)
