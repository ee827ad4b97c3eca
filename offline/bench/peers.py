"""The same work done with other packages, timed where they are installed: OpenCV calls, and dynamax's filter.

They are imported by name, only here and only for this comparison; nothing depends on them.
"""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.bench.footage import Footage
from offline.bench.stages import Stage
from online.emission import log_likelihoods
from online.model import ModelBundle
from online.simulation.arhmm import sample

OPENCV_STAGE = "peer: OpenCV extraction"
DYNAMAX_STAGE = "peer: dynamax filter"


def peer_stages(footage: Footage, bundle: ModelBundle) -> tuple[list[Stage], list[str]]:
    """Stages of the peers that are installed, and the names of those that are not."""
    stages, absent = [], []
    for package, make in (("cv2", _opencv_stage), ("dynamax", _dynamax_stage)):
        try:
            importlib.import_module(package)
        except ImportError:
            absent.append(package)
            continue
        stages.append(make(footage, bundle))
    return stages, absent


def _opencv_stage(footage: Footage, bundle: ModelBundle) -> Stage:
    """The published chain: height, limits, 3x3 median, opening, largest contour, its moments, rotated crop."""
    cv2: Any = importlib.import_module("cv2")
    assert bundle.extraction is not None
    settings, frames, arena = bundle.extraction, footage.frames, footage.arena
    background = np.rint(arena.background_mm).astype(np.int16)
    region = arena.region.astype(np.uint8)
    diameter, size = settings.opening_diameter_px, settings.crop_size_px
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))

    def extract(n: int) -> object:
        frame = frames[n % len(frames)].astype(np.int16)
        height = np.where(frame > 0, background - frame, 0)
        height[(height < settings.min_height_mm) | (height > settings.max_height_mm)] = 0
        image = height.astype(np.uint8) * region
        clean = cv2.morphologyEx(cv2.medianBlur(image, settings.median_diameter_px), cv2.MORPH_OPEN, element)
        mask = (clean > settings.min_height_mm).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
        if not contours:
            return None
        moments = cv2.moments(max(contours, key=cv2.contourArea))
        return _rotated_crop(cv2, image, moments, size)

    return OPENCV_STAGE, extract


def _rotated_crop(cv2: Any, image: NDArray[np.uint8], moments: dict[str, float], size: int) -> object:
    area = max(moments["m00"], 1.0)
    centre = (moments["m10"] / area, moments["m01"] / area)
    angle = -0.5 * np.arctan2(2 * moments["mu11"], moments["mu20"] - moments["mu02"])
    turn = cv2.getRotationMatrix2D(centre, -np.degrees(angle), 1.0)
    turn[:, 2] += size / 2 - np.array(centre)
    return cv2.warpAffine(image, turn, (size, size))


def _dynamax_stage(_footage: Footage, bundle: ModelBundle) -> Stage:
    """dynamax's forward filter, compiled by jax, one frame at a time; the likelihoods are given to it for nothing."""
    inference: Any = importlib.import_module("dynamax.hidden_markov_model.inference")
    jax: Any = importlib.import_module("jax")
    arhmm = bundle.arhmm
    rows = log_likelihoods(arhmm, sample(arhmm, 200, seed=0)[1])[arhmm.num_lags :]
    run = jax.jit(inference.hmm_filter)
    transition, predicted = jax.numpy.asarray(arhmm.transition_matrix), jax.numpy.asarray(arhmm.initial_probability)

    def filter_frame(n: int) -> object:
        nonlocal predicted
        result = run(predicted, transition, jax.numpy.asarray(rows[n % len(rows)][None]))
        filtered = np.asarray(result.filtered_probs[0])
        predicted = jax.numpy.asarray(filtered @ arhmm.transition_matrix)
        return filtered

    return DYNAMAX_STAGE, filter_frame
