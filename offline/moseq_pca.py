"""moseq2-pca's files: components, scores, and the pixel filter that really made the scores.

`pca.yaml` states two blur widths, but in some versions the second never reached the filter. Which pair was used is
therefore not read but tested: the candidate that reproduces the given scores from the given crops is taken.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import yaml
from numpy.typing import NDArray

from online import projection as projecting
from online.covered_pixels import statistics_of
from online.errors import ConfigError, FileFormatError
from online.model import Array, CropStatistics, PixelFilter, Projection

BLUR_TAPS = 21
TOLERANCE_SD = 1e-3


@dataclass(frozen=True, slots=True)
class Scores:
    """Principal-component scores of sessions, as moseq2-pca leaves them.

    by_session: (T, D) with NaN rows at dropped frames; frame_numbers: (T,), NaN there too.
    """

    by_session: dict[str, Array]
    frame_numbers: dict[str, Array]


@dataclass(frozen=True, slots=True)
class Results:
    """What a `results_00.h5` says of the session that it was extracted from."""

    uuid: str
    frames: NDArray[np.uint8]
    true_depth_mm: float
    sensor_shape_px: tuple[int, int]
    frame_rate_hz: float | None


def read_components(path: Path, num_dims: int) -> NDArray[np.float32]:
    """First `num_dims` components (D, pixels) of a pca.h5."""
    components = _dataset(path, "components")
    if components.ndim != 2 or components.shape[0] < num_dims:
        raise FileFormatError(f"{path}: components {components.shape}, but the model needs {num_dims} of them")
    return np.ascontiguousarray(components[:num_dims], np.float32)


def read_statistics(path: Path) -> CropStatistics | None:
    """What a pca.h5 says of the crops that it was learned from; None where it gives no mean and variances."""
    try:
        with h5py.File(path, "r") as file:
            if not {"mean", "explained_variance"} <= set(file):
                return None
            return statistics_of(file["mean"][()].ravel(), file["components"][()], file["explained_variance"][()])
    except (OSError, KeyError) as error:
        raise FileFormatError(f"{path}: not readable: {error}") from error


def read_scores(path: Path, num_dims: int) -> Scores:
    """First `num_dims` columns of every session in a pca_scores.h5."""
    try:
        with h5py.File(path, "r") as file:
            scores = {uuid: np.asarray(d[:, :num_dims], np.float64) for uuid, d in file["scores"].items()}
            numbers = {uuid: np.asarray(d, np.float64) for uuid, d in file["scores_idx"].items()}
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise FileFormatError(f"{path}: no readable pca_scores.h5: {error}") from error
    if not scores or any(s.shape[1] != num_dims for s in scores.values()):
        raise FileFormatError(f"{path}: the model needs sessions with {num_dims} or more columns of scores")
    return Scores(scores, numbers)


def read_results(path: Path) -> Results:
    """Crops and camera of a results_00.h5."""
    try:
        with h5py.File(path, "r") as file:
            extraction = file["metadata/extraction"]
            times_ms = file["timestamps"][()] if "timestamps" in file else None
            return Results(
                uuid=file["metadata/uuid"][()].decode(),
                frames=file["frames"][()],
                true_depth_mm=float(extraction["true_depth"][()]),
                sensor_shape_px=extraction["roi"].shape,
                frame_rate_hz=None if times_ms is None else 1000 / float(np.median(np.diff(times_ms))),
            )
    except (OSError, KeyError, ValueError, AttributeError) as error:
        raise FileFormatError(f"{path}: no readable results_00.h5: {error}") from error


def read_pixel_filter(path: Path) -> PixelFilter:
    """The filter that a pca.yaml states.

    Raises
    ------
    ConfigError
        if it uses a step that cannot be done frame by frame, or is not supported.
    """
    try:
        settings = yaml.safe_load(path.read_text())
        filters = {
            "medfilter_space": settings["medfilter_space"],
            "medfilter_time": settings["medfilter_time"],
            "gaussfilter_time": settings["gaussfilter_time"],
            "use_fft": settings["use_fft"],
        }
        shape, size = settings["tailfilter_shape"], settings["tailfilter_size"]
        threshold, blur = settings["mask_height_threshold"], settings["gaussfilter_space"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path}: no readable pca.yaml: {error!r}") from error
    for name, value in filters.items():
        if np.any(np.asarray(value or 0, np.float64) != 0):
            raise ConfigError(
                f"{path}: {name} = {value}: this filter before PCA is not supported; train PCA without it"
            )
    if shape != "ellipse" or len(set(size)) != 1:
        raise ConfigError(f"{path}: tail filter {shape} {size}: only a round ellipse is supported")
    return PixelFilter(int(size[0]), float(threshold), BLUR_TAPS, float(blur[0]), float(blur[1]))


def filter_that_made(
    scores: Scores, results: Results, components: NDArray[np.float32], stated: PixelFilter
) -> tuple[PixelFilter, float]:
    """The pixel filter that reproduces the scores from the crops, and its largest error in standard deviations.

    Tried are the stated blur widths, and the first of them along both axes.

    Raises
    ------
    ConfigError
        if neither reproduces the scores.
    """
    if results.uuid not in scores.by_session:
        raise ConfigError(f"the results file is of session {results.uuid}, which is not among the scores")
    expected, numbers = scores.by_session[results.uuid], scores.frame_numbers[results.uuid]
    rows = np.isfinite(expected).all(1) & np.isfinite(numbers)
    picked = np.flatnonzero(rows)[:: max(1, int(rows.sum()) // 300)]
    scale = np.nanstd(expected, axis=0)
    errors: dict[PixelFilter, float] = {}
    for sigma_y in dict.fromkeys((stated.blur_sigma_y_px, stated.blur_sigma_x_px)):
        candidate = PixelFilter(
            stated.opening_diameter_px, stated.opening_threshold_mm, BLUR_TAPS, stated.blur_sigma_x_px, sigma_y
        )
        state = projecting.init(Projection(components, None, candidate), results.frames.shape[1])
        got = np.stack([projecting.step(state, results.frames[int(n)]).copy() for n in numbers[picked]])
        errors[candidate] = float((np.abs(got - expected[picked]) / scale).max())
    best = min(errors, key=errors.__getitem__)
    if errors[best] > TOLERANCE_SD:
        raise ConfigError(
            f"the scores are not reproduced from the crops (off by {errors[best]:.2g} standard deviations at best): "
            "do pca.h5, pca.yaml, pca_scores.h5 and the results file belong together?"
        )
    return best, errors[best]


def _dataset(path: Path, name: str) -> NDArray[np.float32]:
    try:
        with h5py.File(path, "r") as file:
            return np.asarray(file[name])
    except (OSError, KeyError) as error:
        raise FileFormatError(f"{path}: no readable {name!r}: {error}") from error
