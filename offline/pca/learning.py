"""Components of many sessions: moments of each, wherever it is computed, then their sum.

Where something hides pixels, the components are found again from crops filled in by the components before, until they
no longer change (at most `MOST_FILLINGS` times). The sums are of whole numbers, so they are exact and the components
the same, however many workers took part.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.pca import covariance
from offline.pca.components import Components, principal_components, projection_of
from offline.results import Results, read_covered, read_crops
from offline.workers import Workers
from online import projection
from online.covered_pixels import NUM_COMPONENTS as FILLING_COMPONENTS
from online.errors import EtholoopError
from online.model import PixelFilter

MOST_FILLINGS = 10
SETTLED = 0.01
"""Sine of the largest angle between the components' planes, before and after."""


@dataclass(frozen=True, slots=True)
class Learning:
    """How to learn: `before` are the components that hidden pixels are filled in from, None in the first pass."""

    pixel_filter: PixelFilter
    crop_size_px: int
    limits_mm: tuple[float, float]
    before: Components | None = None


@dataclass(frozen=True, slots=True)
class SessionMoments:
    """Moments of one session over its `active` pixels (A,): products (A, A), total (A,); `covered` where something
    hides pixels in it."""

    active: NDArray[np.int64]
    products: NDArray[np.float64]
    total: NDArray[np.float64]
    num_frames: int
    covered: bool


@dataclass(frozen=True, slots=True)
class Learned:
    """The components; how often hidden pixels were filled in, and how much the components changed each time."""

    components: Components
    changes: tuple[float, ...]

    @property
    def settled(self) -> bool:
        """Whether filling in again would change nothing to speak of."""
        return not self.changes or self.changes[-1] < SETTLED


def learn(
    sessions: Sequence[Results],
    learning: Learning,
    num_components: int,
    workers: Workers,
    report: Callable[[Results], None] = lambda _: None,
) -> Learned:
    """Components of all crops of all sessions."""
    found, covered = _pass(sessions, learning, num_components, workers, report)
    changes: list[float] = []
    while covered and len(changes) < MOST_FILLINGS and (not changes or changes[-1] >= SETTLED):
        before = Learning(learning.pixel_filter, learning.crop_size_px, learning.limits_mm, found)
        again, _ = _pass(sessions, before, num_components, workers, report)
        changes.append(plane_change(found, again))
        found = again
    return Learned(found, tuple(changes))


def plane_change(before: Components, after: Components) -> float:
    """Sine of the largest angle between the planes of the leading components that hidden pixels are filled in from."""
    count = min(FILLING_COMPONENTS, len(before.components))
    cosines = np.linalg.svd(before.components[:count] @ after.components[:count].T, compute_uv=False)
    return float(np.sqrt(max(0.0, 1 - min(1.0, float(cosines[-1])) ** 2)))


def session_moments(learning: Learning, session: Results) -> SessionMoments:
    """Moments of one session's crops."""
    size = learning.crop_size_px
    moments, any_covered = covariance.init(size**2), False
    before = learning.before
    state = None if before is None else projection.init(projection_of(before, learning.pixel_filter), size)
    for crops, covered in zip(read_crops(session), read_covered(session), strict=True):
        any_covered |= covered is not None
        if covered is not None and state is not None:
            for crop, hidden in zip(crops, covered, strict=True):
                projection.fill_in(state, crop, hidden)
        covariance.step(moments, covariance.keep_mouse(crops, learning.pixel_filter, learning.limits_mm))
    active = np.flatnonzero(moments.total)
    products = moments.products[np.ix_(active, active)]
    return SessionMoments(active, products, moments.total[active], moments.num_frames, any_covered)


def _pass(
    sessions: Sequence[Results],
    learning: Learning,
    num_components: int,
    workers: Workers,
    report: Callable[[Results], None],
) -> tuple[Components, bool]:
    """Components, and whether any crop has covered pixels."""
    total, any_covered = covariance.init(learning.crop_size_px**2), False
    for session, part in zip(sessions, workers.map(session_moments, learning, sessions), strict=True):
        if isinstance(part, EtholoopError):
            raise part
        total.products[np.ix_(part.active, part.active)] += part.products
        total.total[part.active] += part.total
        total.num_frames += part.num_frames
        any_covered |= part.covered
        report(session)
    return principal_components(total, learning.pixel_filter, num_components), any_covered
