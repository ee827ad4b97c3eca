"""A calibrated arena as a PNG: depth in grey, the region's outline in green, what is wrong in it in colour."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from online.arena import Arena
from online.arena_calibration import floor_distance_at
from online.files.whole_file import whole_file

SHADES_MM = 150.0
"""Distances this far from the floor are black (farther) and white (nearer)."""
BELOW_FLOOR_MM = 25.0
GREEN, RED, VIOLET, ORANGE = (60, 220, 90), (230, 60, 50), (200, 80, 220), (250, 160, 40)


def arena_image(arena: Arena) -> NDArray[np.uint8]:
    """Picture (H, W, 3): green outline; red where the region lies below the floor; violet where it gives no depth;
    orange where it is masked."""
    height, width = arena.region.shape
    above = floor_distance_at(arena.floor_plane, (height, width)) - arena.background_mm
    shade = np.clip(127 + 127 * above / SHADES_MM, 0, 255)
    known = arena.background_mm > 0
    image = np.repeat(np.where(known, shade, 0).astype(np.uint8)[:, :, None], 3, axis=2)
    image[arena.region & known & (above < -BELOW_FLOOR_MM)] = RED
    image[arena.region & ~known] = VIOLET
    if arena.masked is not None:
        image[arena.masked] = ORANGE
    padded = np.pad(arena.region, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    image[arena.region & ~inside] = GREEN
    return image


def save_picture(arena: Arena, path: Path) -> None:
    """Write the picture beside the arena file."""
    with whole_file(path) as temporary:
        Image.fromarray(arena_image(arena)).save(temporary, "png")
