"""The picture of an arena shows its region and what is wrong in it."""

from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np

from rig.arena_picture import GREEN, RED, VIOLET, arena_image, save_picture
from tests.bodies import arena_of


def test_the_picture_outlines_the_region_and_colours_what_is_wrong(tmp_path: Path) -> None:
    arena = arena_of(height=60, width=80)
    background = arena.background_mm.copy()
    background[20:25, 20:25] = 0
    background[30:35, 30:35] += 60
    arena = replace(arena, background_mm=background)
    image = arena_image(arena)
    assert tuple(image[10, 40]) == GREEN
    assert tuple(image[22, 22]) == VIOLET
    assert tuple(image[32, 32]) == RED
    assert tuple(image[40, 40]) == (127, 127, 127)
    save_picture(arena, tmp_path / "arena.png")
    read = matplotlib.image.imread(tmp_path / "arena.png")
    np.testing.assert_array_equal(np.rint(read[:, :, :3] * 255), image)
    assert len(list(tmp_path.iterdir())) == 1
