"""The working grid: the region of interest seen in pixels of the model's size, whatever the camera's are.

Everything after the sensor (reading heights, cleaning, segmentation, crop) happens on this grid, so that its cost and
its filters do not depend on the camera. A camera whose pixels already have the model's size, within `SAME_SIZE`, is
read one to one.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from online.arena import Arena
from online.errors import ConfigError

SAME_SIZE, NOT_RESAMPLED = 0.03, 0.08
MAX_SCALE = 8.0


@dataclass(frozen=True, slots=True)
class WorkingGrid:
    """Working pixel (row, column) lies at sensor pixel (first_row + row * scale_y, first_column + column * scale_x).

    Each working pixel averages `samples` x `samples` sensor pixels: sample_rows (height * samples,) and
    sample_columns (width * samples,) are their sensor indices.
    """

    height: int
    width: int
    scale_x: float
    scale_y: float
    first_column: float
    first_row: float
    samples: int
    sample_rows: NDArray[np.int64]
    sample_columns: NDArray[np.int64]

    def to_sensor(self, column: float, row: float) -> tuple[float, float]:
        """Sensor (x, y) of a working position."""
        return self.first_column + column * self.scale_x, self.first_row + row * self.scale_y


def working_grid(arena: Arena, mm_per_pixel: float, as_it_is: bool = False) -> WorkingGrid:
    """Grid over the region's bounding box with pixels of `mm_per_pixel` at the floor.

    `as_it_is`: read the sensor one to one, and refuse a camera that would need anything else.

    Raises
    ------
    ConfigError
        if the camera's pixels are far from the model's.
    """
    scale_x, scale_y = (mm_per_pixel / size for size in arena.mm_per_px)
    if as_it_is and max(abs(scale_x - 1), abs(scale_y - 1)) > NOT_RESAMPLED:
        raise ConfigError(
            f"the camera sees {arena.mm_per_px[0]:.2f} x {arena.mm_per_px[1]:.2f} mm per pixel, the model was trained "
            f"with {mm_per_pixel:.2f} in moseq2's convention, which does not resample: move the camera, or extract "
            "and train again without --compat"
        )
    if as_it_is or max(abs(scale_x - 1), abs(scale_y - 1)) < SAME_SIZE:
        scale_x = scale_y = 1.0
    if not 1 / MAX_SCALE <= min(scale_x, scale_y) <= max(scale_x, scale_y) <= MAX_SCALE:
        raise ConfigError(
            f"the camera sees {arena.mm_per_px[0]:.2f} mm per pixel and the model needs {mm_per_pixel:.2f}: "
            "the camera's distance or the model's mm_per_crop_pixel is wrong"
        )
    rows, columns = np.nonzero(arena.region)
    samples = 1 if scale_x == scale_y == 1 else max(2, math.ceil(max(scale_x, scale_y) - 0.25))
    row_axis = _axis(int(rows.min()), int(rows.max()), scale_y, samples)
    column_axis = _axis(int(columns.min()), int(columns.max()), scale_x, samples)
    return WorkingGrid(
        height=len(row_axis) // samples,
        width=len(column_axis) // samples,
        scale_x=scale_x,
        scale_y=scale_y,
        first_column=columns.min() - 0.5 + scale_x / 2,
        first_row=rows.min() - 0.5 + scale_y / 2,
        samples=samples,
        sample_rows=row_axis,
        sample_columns=column_axis,
    )


def _axis(first: int, last: int, scale: float, samples: int) -> NDArray[np.int64]:
    length = max(1, math.ceil((last - first + 1) / scale))
    centres = first - 0.5 + (np.arange(length * samples) + 0.5) * scale / samples
    return np.clip(np.rint(centres), first, last).astype(np.int64)
