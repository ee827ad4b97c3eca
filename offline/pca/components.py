"""Principal components from the moments of kept crops, and `pca.h5` with its `pca.yaml`.

Layout (moseq2-pca): components (C, H * W), singular_values, explained_variance, explained_variance_ratio, mean, all
float32; the yaml beside it holds the filter's parameters. Ours adds the extraction's settings to the yaml.
"""

import hashlib
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh

from offline.pca.covariance import Moments
from online.covered_pixels import statistics_of
from online.errors import ConfigError, EtholoopError, FileFormatError
from online.files.whole_file import whole_file
from online.files.whole_hdf5 import whole_hdf5
from online.model import ExtractionSettings, PixelFilter, Projection
from online.projection import blur_matrix

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Components:
    """components (C, pixels), each with its largest entry positive; variance and share of the whole (C,);
    mean (pixels,) of the filtered crops; num_frames that took part."""

    components: Array
    explained_variance: Array
    explained_variance_ratio: Array
    mean: Array
    num_frames: int


def principal_components(moments: Moments, pixel_filter: PixelFilter, num_components: int) -> Components:
    """Leading eigenvectors of the covariance of the filtered crops.

    Raises
    ------
    EtholoopError
        if there are too few frames or varying pixels for so many components.
    """
    size = round(len(moments.total) ** 0.5)
    active = np.flatnonzero(moments.total)
    if moments.num_frames <= num_components or len(active) <= num_components:
        raise EtholoopError(
            f"{moments.num_frames} frames with a mouse and {len(active)} varying pixels cannot give "
            f"{num_components} components: record more, or ask for fewer (--components)"
        )
    mean = moments.total[active] / moments.num_frames
    covariance = moments.products[np.ix_(active, active)] - np.outer(mean, mean) * moments.num_frames
    covariance /= moments.num_frames - 1
    taps = pixel_filter.blur_taps
    along_x, along_y = (
        blur_matrix(size, taps, sigma) for sigma in (pixel_filter.blur_sigma_x_px, pixel_filter.blur_sigma_y_px)
    )

    def blurred(values: Array) -> Array:
        image = np.zeros(size * size)
        image[active] = values
        return (along_y @ image.reshape(size, size) @ along_x.T).ravel()

    def multiply(vector: Array) -> Array:
        unblurred = (along_y.T @ vector.reshape(size, size) @ along_x).ravel()[active]
        return blurred(covariance @ unblurred)

    operator = LinearOperator((size * size, size * size), matvec=multiply, dtype=np.float64)
    values, vectors = eigsh(operator, k=num_components, which="LA", v0=blurred(mean), ncv=2 * num_components + 30)
    order = np.argsort(-values)
    components = vectors[:, order].T
    largest = np.abs(components).argmax(1)
    components = components * np.sign(components[np.arange(num_components), largest])[:, None]
    variance = np.maximum(values[order], 0.0)
    share = variance / _total_variance(covariance, active, size, (along_x, along_y))
    return Components(components, variance, share, blurred(mean), moments.num_frames)


def _total_variance(covariance: Array, active: NDArray[np.int64], size: int, blur: tuple[Array, Array]) -> float:
    """Trace of the blurred covariance: the inner product of the covariance with the blur's Gram matrix."""
    gram_x, gram_y = (matrix.T @ matrix for matrix in blur)
    rows, columns = active // size, active % size
    total = 0.0
    for index in range(len(active)):
        total += float(covariance[index] @ (gram_y[rows[index], rows] * gram_x[columns[index], columns]))
    return total


def projection_of(found: Components, pixel_filter: PixelFilter) -> Projection:
    """What projects crops, and fills in hidden pixels, by these components: in the precision of the file."""
    statistics = statistics_of(found.mean, found.components, found.explained_variance)
    return Projection(found.components.astype(np.float32), None, pixel_filter, statistics)


def component_keys(components: Projection) -> tuple[str, ...]:
    """A hash for each component, of its values and of the filter before it: scores of equal keys mean the same."""
    filtered = repr(astuple(components.pixel_filter)).encode()
    rows = np.ascontiguousarray(components.components, "<f4")
    return tuple(hashlib.sha256(filtered + row.tobytes()).hexdigest()[:16] for row in rows)


def write_components(
    path: Path,
    found: Components,
    pixel_filter: PixelFilter,
    extraction: ExtractionSettings,
    inputs: list[Path],
    filled_in: bool = False,
) -> None:
    """Write `pca.h5` and, beside it, the yaml of the same stem, which says whether hidden pixels were filled in."""
    with whole_hdf5(path) as file:
        variance = found.explained_variance
        for name, value in {
            "components": found.components,
            "singular_values": np.sqrt(variance * (found.num_frames - 1)),
            "explained_variance": variance,
            "explained_variance_ratio": found.explained_variance_ratio,
            "mean": found.mean,
        }.items():
            file.create_dataset(name, data=value.astype(np.float32))
    settings = _published_settings(path, found, pixel_filter, inputs)
    settings |= {"missing_data": filled_in, "extraction": asdict(extraction)}
    with whole_file(path.with_suffix(".yaml")) as unfinished:
        unfinished.write_text(yaml.safe_dump(settings, sort_keys=False))


def _published_settings(path: Path, found: Components, pixel_filter: PixelFilter, inputs: list[Path]) -> dict[str, Any]:
    return {
        "output_file": path.stem,
        "rank": len(found.components),
        "use_fft": False,
        "tailfilter_shape": "ellipse",
        "tailfilter_size": [pixel_filter.opening_diameter_px] * 2,
        "mask_height_threshold": pixel_filter.opening_threshold_mm,
        "medfilter_space": [0],
        "medfilter_time": [0],
        "gaussfilter_space": [pixel_filter.blur_sigma_x_px, pixel_filter.blur_sigma_y_px],
        "gaussfilter_taps": pixel_filter.blur_taps,
        "gaussfilter_time": 0.0,
        "inputs": [source.name for source in inputs],
    }


def read_components(path: Path, num_components: int) -> tuple[ExtractionSettings, Projection]:
    """Extraction settings and the first components of a `pca.h5` that `etholoop pca` wrote.

    Raises
    ------
    FileFormatError
        if a file is missing or incomplete.
    ConfigError
        if it holds fewer components than asked for.
    """
    sidecar = path.with_suffix(".yaml")
    try:
        settings = yaml.safe_load(sidecar.read_text())
        with h5py.File(path) as file:
            components = file["components"][:].astype(np.float32)
            statistics = statistics_of(file["mean"][:], components, file["explained_variance"][:])
        pixel_filter = PixelFilter(
            opening_diameter_px=int(settings["tailfilter_size"][0]),
            opening_threshold_mm=float(settings["mask_height_threshold"]),
            blur_taps=int(settings["gaussfilter_taps"]),
            blur_sigma_x_px=float(settings["gaussfilter_space"][0]),
            blur_sigma_y_px=float(settings["gaussfilter_space"][1]),
        )
        extraction = ExtractionSettings(**settings["extraction"])
    except (OSError, KeyError, TypeError, IndexError, yaml.YAMLError) as error:
        raise FileFormatError(
            f"{path}: not written by 'etholoop pca', or {sidecar.name} is missing beside it ({error!r}); a published "
            "pca.h5 is read by 'etholoop model import'"
        ) from error
    if len(components) < num_components:
        raise ConfigError(f"{path} has {len(components)} components, {num_components} are asked for (--pcs)")
    return extraction, Projection(np.ascontiguousarray(components[:num_components]), None, pixel_filter, statistics)
