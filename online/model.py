"""The model bundle in memory: everything that turns a depth frame into a posterior, in one canonical form.

Canonical AR form (this file alone defines it): for syllable k and whitened scores x (D,),

    x_t | z_t = k  ~  N(sum_l ar_coefficients[k, l] @ x_{t-L+l} + ar_bias[k], ar_covariance[k])

with lags ordered **oldest first** (l = 0 is x_{t-L}, l = L-1 is x_{t-1}). With `degrees_of_freedom` innovations are
Student-t and `ar_covariance` is their scale. `transition_matrix[i, j]` = P(z_t = j | z_{t-1} = i): rows are "from".

Letters: K syllables, L lags, D dimensions.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from online.errors import FileFormatError

Array = NDArray[np.float64]


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise FileFormatError(f"model bundle: {what}")


@dataclass(frozen=True, slots=True)
class ExtractionSettings:
    """Arena-independent settings of extraction; heights in mm above the floor.

    `mm_per_crop_pixel`: size of a crop pixel in true mm at the floor; a camera that differs is resampled to it.
    `convention`: "moseq2" repeats moseq2-extract in every choice that shows in crops and pixel measures (whole
    millimetres by truncation, gaps as floor, outlines instead of pixels, whole-pixel centres, the camera's own
    pixels), for models trained with that program; its defects in mm scalars are for results files alone.
    `reference_size_mm`: when given, each animal is scaled to this size (square root of its usual area) in the crop,
    so that small and large ones look alike; its size is estimated while it is first seen.
    `head_tail_weights`: a trained classifier of the nose's end, by feature of `online.head_tail`.
    """

    mm_per_crop_pixel: float
    crop_size_px: int = 80
    min_height_mm: float = 10.0
    max_height_mm: float = 100.0
    opening_diameter_px: int = 7
    median_diameter_px: int = 3
    convention: Literal["etholoop", "moseq2"] = "etholoop"
    reference_size_mm: float | None = None
    head_tail_weights: dict[str, float] | None = None

    def __post_init__(self) -> None:
        _require(0.2 <= self.mm_per_crop_pixel <= 20, "mm_per_crop_pixel must lie in 0.2 ... 20")
        _require(0 <= self.min_height_mm < self.max_height_mm <= 255, "0 <= min_height < max_height <= 255 mm")
        size = self.reference_size_mm
        _require(size is None or 5 <= size <= 500, "reference_size_mm must lie in 5 ... 500")
        _require(size is None or self.convention == "etholoop", "moseq2's convention knows no reference_size_mm")
        _require(self.crop_size_px > 0 and self.crop_size_px % 2 == 0, "crop_size_px must be even and positive")


@dataclass(frozen=True, slots=True)
class PixelFilter:
    """The published filter before PCA (moseq2-pca): keep pixels where a grey opening exceeds a height, then blur."""

    opening_diameter_px: int = 9
    opening_threshold_mm: float = 5.0
    blur_taps: int = 21
    blur_sigma_x_px: float = 1.5
    blur_sigma_y_px: float = 1.0


@dataclass(frozen=True, slots=True)
class CropStatistics:
    """Filtered crops as Gaussians: mean_crop (H*W,) in mm; the leading components (F, H*W) and their scores' variances
    (F,), which need not be those that the model projects to."""

    mean_crop: NDArray[np.float32]
    components: NDArray[np.float32]
    score_variance: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name in ("mean_crop", "components", "score_variance"):
            _require(bool(np.isfinite(getattr(self, name)).all()), f"the crops' {name} is not finite")
        shape = self.score_variance.shape + self.mean_crop.shape
        _require(self.components.shape == shape, "the crops' mean, components and variances differ in shape")
        _require(bool((self.score_variance > 0).all()), "the crops' score_variance must be positive")


@dataclass(frozen=True, slots=True)
class Projection:
    """Principal components: scores = filtered crop (H*W) @ components.T, minus nothing unless `mean` is given.

    components (D, H*W) float32; mean (H*W,) or None (MoSeq subtracts none when it applies; whitening removes it).
    `statistics`: what pixels that something hides are filled in from (`online/covered_pixels.py`). Without them such
    pixels are used as the extraction bridged them, and an arena with a mask is refused.
    """

    components: NDArray[np.float32]
    mean: NDArray[np.float32] | None
    pixel_filter: PixelFilter
    statistics: CropStatistics | None = None

    @property
    def num_dims(self) -> int:
        """D, the number of components used."""
        return int(self.components.shape[0])

    def __post_init__(self) -> None:
        _require(self.components.ndim == 2, "components must be (D, pixels)")
        _require(bool(np.isfinite(self.components).all()), "components are not finite")
        if self.statistics is not None:
            same = self.statistics.mean_crop.shape == self.components.shape[1:]
            _require(same, "statistics of the crops and components differ in crop size")


@dataclass(frozen=True, slots=True)
class Whitening:
    """x = solve(cholesky, scores - mean); cholesky (D, D) lower triangular, mean (D,)."""

    mean: Array
    cholesky: Array

    def __post_init__(self) -> None:
        d = self.mean.shape[0]
        _require(self.cholesky.shape == (d, d), f"whitening matrix must be ({d}, {d})")
        _require(bool(np.isfinite(self.cholesky).all() and np.isfinite(self.mean).all()), "whitening is not finite")
        _require(bool((np.triu(self.cholesky, 1) == 0).all()), "whitening matrix must be lower triangular")
        _require(bool((np.diag(self.cholesky) > 0).all()), "whitening matrix must have a positive diagonal")


@dataclass(frozen=True, slots=True)
class ARHMM:
    """Autoregressive hidden Markov model in the canonical form of this file.

    ar_coefficients (K, L, D, D), ar_bias (K, D), ar_covariance (K, D, D), degrees_of_freedom (K,) or None,
    transition_matrix (K, K), initial_probability (K,).
    """

    ar_coefficients: Array
    ar_bias: Array
    ar_covariance: Array
    degrees_of_freedom: Array | None
    transition_matrix: Array
    initial_probability: Array

    @property
    def num_syllables(self) -> int:
        """K."""
        return int(self.ar_bias.shape[0])

    @property
    def num_lags(self) -> int:
        """L, the AR order."""
        return int(self.ar_coefficients.shape[1])

    @property
    def num_dims(self) -> int:
        """D."""
        return int(self.ar_bias.shape[1])

    def __post_init__(self) -> None:
        k, d = self.ar_bias.shape
        lags = self.ar_coefficients.shape[1]
        _require(self.ar_coefficients.shape == (k, lags, d, d), "ar_coefficients must be (K, L, D, D)")
        _require(self.ar_covariance.shape == (k, d, d), "ar_covariance must be (K, D, D)")
        _require(self.transition_matrix.shape == (k, k), "transition_matrix must be (K, K)")
        _require(self.initial_probability.shape == (k,), "initial_probability must be (K,)")
        for name in (
            "ar_coefficients",
            "ar_bias",
            "ar_covariance",
            "transition_matrix",
            "initial_probability",
        ):
            _require(bool(np.isfinite(getattr(self, name)).all()), f"{name} is not finite")
        _require(bool((self.transition_matrix >= 0).all()), "transition_matrix has negative entries")
        _require(bool((self.initial_probability >= 0).all()), "initial_probability has negative entries")
        _require(
            bool(np.allclose(self.transition_matrix.sum(1), 1, atol=1e-6)),
            "transition_matrix rows must sum to 1",
        )
        _require(
            bool(np.isclose(self.initial_probability.sum(), 1, atol=1e-6)),
            "initial_probability must sum to 1",
        )
        symmetric = np.allclose(self.ar_covariance, self.ar_covariance.transpose(0, 2, 1), rtol=1e-5, atol=1e-9)
        _require(bool(symmetric), "ar_covariance must be symmetric")
        _require(
            bool((np.linalg.eigvalsh(self.ar_covariance) > 0).all()),
            "ar_covariance must be positive definite",
        )
        if self.degrees_of_freedom is not None:
            _require(self.degrees_of_freedom.shape == (k,), "degrees_of_freedom must be (K,)")
            _require(bool((self.degrees_of_freedom > 0).all()), "degrees_of_freedom must be positive")


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a bundle was made. `transition_source` says whether the transition matrix was learned or estimated;
    `held_out_sha256` has the sessions that judged it and taught it nothing, by uuid (None where that is not known)."""

    made_by: str
    made_at: str
    transition_source: Literal["learned", "estimated from labels"]
    pseudo_count: float | None = None
    seed: int | None = None
    data_sha256: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: str = ""
    held_out_sha256: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class NoveltyCalibration:
    """How surprising training sessions were to their model; `online/novelty.py` says how it is used.

    levels (Q,) are increasing probabilities; log_evidence and mean_surprise (Q,) the quantiles at these levels of a
    frame's log evidence and of the surprise averaged over `time_constant_ms`.
    """

    levels: Array
    log_evidence: Array
    mean_surprise: Array
    time_constant_ms: float

    def __post_init__(self) -> None:
        for name in ("levels", "log_evidence", "mean_surprise"):
            values = getattr(self, name)
            _require(values.ndim == 1 and values.shape == self.levels.shape, f"novelty {name} must be (Q,)")
            _require(bool(np.isfinite(values).all()), f"novelty {name} is not finite")
            _require(bool((np.diff(values) >= 0).all()), f"novelty {name} must not decrease")
        _require(self.levels[0] > 0 and self.levels[-1] < 1, "novelty levels must lie between 0 and 1")
        _require(self.time_constant_ms > 0, "novelty time_constant_ms must be positive")


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """Everything the rig needs and nothing else. `extraction` and `projection` are None for a model trained from
    scores alone: it can label scores but cannot run at a rig. `novelty` is None where it was not calibrated."""

    frame_rate_hz: float
    extraction: ExtractionSettings | None
    projection: Projection | None
    whitening: Whitening
    arhmm: ARHMM
    usage: Array
    provenance: Provenance
    novelty: NoveltyCalibration | None = None

    def __post_init__(self) -> None:
        _require(1 <= self.frame_rate_hz <= 1000, "frame_rate_hz must lie in 1 ... 1000")
        _require(self.usage.shape == (self.arhmm.num_syllables,), "usage must be (K,)")
        _require(bool((self.usage >= 0).all() and np.isfinite(self.usage).all()), "usage must be finite, not negative")
        _require(self.whitening.mean.shape[0] == self.arhmm.num_dims, "whitening and AR-HMM differ in dimension")
        if self.projection is not None:
            _require(self.extraction is not None, "a projection needs extraction settings")
            _require(self.projection.num_dims == self.arhmm.num_dims, "projection and AR-HMM differ in dimension")

    @property
    def runs_at_rig(self) -> bool:
        """Whether frames, not only scores, can be decoded."""
        return self.extraction is not None and self.projection is not None
