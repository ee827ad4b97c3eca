"""The picture of the arena: the mouse outlined, its heading, and nothing that is not the mouse."""

import numpy as np
import pytest

from online.messages import Pose
from rig.tui.depth_picture import HEADING, NOSE, OUTLINE, ArenaPicture, Levels, Window, draw_mouse, fit_window
from tests.fake_rig_files import FLOOR_MM, HEIGHT_PX, WIDTH_PX, make_arena

X_PX, Y_PX, HEADING_RAD = 230.0, 190.0, 0.0


def pose() -> Pose:
    return Pose(
        frame_index=0,
        capture_time_ns=0,
        arrival_time_ns=0,
        extracted_time_ns=0,
        missing=False,
        x_px=X_PX,
        y_px=Y_PX,
        x_mm=0.0,
        y_mm=0.0,
        heading_rad=HEADING_RAD,
        heading_probability=0.98,
        length_mm=70.0,
        width_mm=32.0,
        area_mm2=1900.0,
        height_mm=28.0,
        speed_mm_s=0.0,
        turning_rad_s=0.0,
    )


def drawn(rows: int, columns: int) -> tuple[Levels, Levels, Window]:
    """A mouse of 74 by 34 mm, and a speck 70 mm beside it: without and with the marks."""
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    body = ((x - X_PX) / 20) ** 2 + ((y - Y_PX) / 9) ** 2 < 1
    speck = ((x - X_PX) ** 2 + (y - Y_PX - 38) ** 2) < 5**2
    depth = (FLOOR_MM - 35 * (body | speck)).astype(np.uint16)
    window = fit_window(HEIGHT_PX, WIDTH_PX, make_arena(), rows, columns)
    picture = ArenaPicture(window, (HEIGHT_PX, WIDTH_PX), make_arena(), 1.0, 100.0)
    plain = picture.levels(depth)
    marked = plain.copy()
    draw_mouse(marked, window, pose(), 10.0, 100.0)
    return plain, marked, window


@pytest.mark.parametrize(("rows", "columns"), [(20, 20), (34, 40), (50, 78)])
def test_the_mouse_is_outlined_at_every_size(rows: int, columns: int) -> None:
    plain, marked, window = drawn(rows, columns)
    row, column = window.place(X_PX, Y_PX)
    outline = marked == OUTLINE
    assert outline[:row, column].sum() == outline[row + 1 :, column].sum() == 1, "above and below"
    assert outline[row, :column].sum() == 1, "behind; before it, the heading"
    assert (marked[row, column + 1 :] >= HEADING).any()
    assert (marked[outline] != plain[outline]).all()
    assert (plain[outline] < 4).all(), "the outline lies on the floor, not on the mouse"
    assert NOSE in marked


def test_a_speck_beside_the_mouse_is_not_outlined() -> None:
    plain, marked, window = drawn(50, 78)
    row, column = window.place(X_PX, Y_PX + 38)
    assert plain[row, column] > 4
    assert (marked[row - 1 :, column - 2 : column + 3] != OUTLINE).all()
