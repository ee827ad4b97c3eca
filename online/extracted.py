"""What extraction says of one frame."""

import math
from dataclasses import dataclass

from online.morphology import Image

NAN = math.nan


@dataclass(slots=True)
class Extracted:
    """What `step` returns, owned by the state and overwritten by the next step.

    x_px, y_px are sensor pixels; x_mm, y_mm true mm from the arena's centre; `heading_rad` points at the nose, in
    (-pi, pi]; rates are per second and NaN until the mouse has been seen twice. `crop` is uint8 mm, nose right;
    `covered` is 1 at the pixels of it that something hides, `num_covered` of them: their heights are not known.
    """

    crop: Image
    covered: Image
    num_covered: int = 0
    capture_time_ns: int = 0
    missing: bool = True
    x_px: float = NAN
    y_px: float = NAN
    x_mm: float = NAN
    y_mm: float = NAN
    heading_rad: float = NAN
    heading_probability: float = NAN
    length_px: float = NAN
    width_px: float = NAN
    area_px: float = NAN
    length_mm: float = NAN
    width_mm: float = NAN
    area_mm2: float = NAN
    height_mm: float = NAN
    speed_mm_s: float = NAN
    turning_rad_s: float = NAN

    def clear(self) -> None:
        """No mouse."""
        self.missing = True
        self.x_px = self.y_px = self.x_mm = self.y_mm = self.heading_rad = self.heading_probability = NAN
        self.length_px = self.width_px = self.area_px = NAN
        self.length_mm = self.width_mm = self.area_mm2 = self.height_mm = self.speed_mm_s = self.turning_rad_s = NAN
        self.crop.fill(0)
        self.covered.fill(0)
        self.num_covered = 0
