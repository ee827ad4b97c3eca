"""Bodies drawn at known places in a known arena, without noise."""

import math

import numpy as np

from online import extraction
from online.arena import Arena, Intrinsics
from online.extracted import Extracted
from online.extraction import ExtractionState
from online.model import ExtractionSettings

FLOOR_MM, RATE_HZ = 600.0, 30.0
SETTINGS = ExtractionSettings(mm_per_crop_pixel=1.6)


def arena_of(focal_px: float = 375.0, height: int = 240, width: int = 320) -> Arena:
    """A square floor, seen with 1.6 mm per pixel unless told otherwise."""
    region = np.zeros((height, width), bool)
    region[10:-10, 10:-10] = True
    return Arena(
        background_mm=np.full((height, width), FLOOR_MM, np.float32),
        region=region,
        floor_distance_mm=FLOOR_MM,
        floor_plane=(0.0, 0.0, FLOOR_MM),
        intrinsics=Intrinsics(focal_px, focal_px, width / 2 - 0.5, height / 2 - 0.5),
    )


def draw(arena: Arena, bodies: list[tuple[float, float, float]], **shape: float) -> np.ndarray:
    """Frame with flat-topped bodies (x_mm, y_mm, heading), each an ellipse with a smaller one for the head."""
    length, width, top = shape.get("length", 70.0), shape.get("width", 30.0), shape.get("top", 30.0)
    rows, columns = np.indices(arena.region.shape)
    camera, depth = arena.intrinsics, FLOOR_MM - top
    x, y = depth * (columns - camera.cx_px) / camera.fx_px, depth * (rows - camera.cy_px) / camera.fy_px
    frame = arena.background_mm.copy()
    for x_mm, y_mm, heading in bodies:
        along = (x - x_mm) * math.cos(heading) - (y - y_mm) * math.sin(heading)
        across = (x - x_mm) * math.sin(heading) + (y - y_mm) * math.cos(heading)
        frame[(along / (length / 2)) ** 2 + (across / (width / 2)) ** 2 < 1] = depth
    return np.rint(frame).astype(np.uint16)


def run(state: ExtractionState, frame: np.ndarray, slots: int = 1) -> Extracted:
    return extraction.step(state, frame, slots, 0)
