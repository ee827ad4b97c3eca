"""Where the mouse was, where it can be next, and the part of the grid that must be read to find it."""

import math
from dataclasses import dataclass

Window = tuple[int, int, int, int]
"""First row, first column, height, width, on the working grid."""

MEMORY_S = 0.5
FASTEST_MM_S = 1500.0
BODY_REACH_MM = 40.0
FORGET_S = 5.0
LEARN_S = 10.0
SURVEY_S = 0.5
ALIVE_MM = 30.0
SMALLEST_MM2, LARGEST_MM2 = 100.0, 7000.0
SMALLEST_SHARE, LARGEST_SHARE = 0.15, 2.5
"""Areas that can be a mouse, in mm^2 and in shares of the animal's usual area."""
MARGIN_PX, MARGIN_PER_DROP_PX, MOST_DROPS = 12, 10, 4


@dataclass(slots=True)
class Track:
    """The mouse when it was last seen: column and row on the grid, mm, the window that holds its mask.

    `slots`: slots of the camera's grid since then. `seen` is false before the first sight and after MEMORY_S without.
    `usual_area_px`: mean area of the animal over `frames` (at most LEARN_S), 0 when not known. `alive`: what is
    tracked has moved since it was first seen, at `first_mm`. `rival`: place of another body, had one been surveyed
    `next_survey` slots before the next one.
    """

    seen: bool = False
    slots: int = 0
    column: float = 0.0
    row: float = 0.0
    velocity_column: float = 0.0
    velocity_row: float = 0.0
    x_mm: float = 0.0
    y_mm: float = 0.0
    mask_window: Window = (0, 0, 0, 0)
    usual_area_px: float = 0.0
    frames: int = 0
    alive: bool = False
    first_mm: tuple[float, float] = (0.0, 0.0)
    next_survey: int = 0
    rival: tuple[float, float] | None = None


def wait(track: Track, slots: int, rate_hz: float) -> None:
    """Let time pass; a mouse that was gone for long may be anywhere."""
    track.slots += slots
    if track.slots > max(1.0, MEMORY_S * rate_hz):
        track.seen = False
    if track.slots > FORGET_S * rate_hz:
        track.usual_area_px, track.frames = 0.0, 0
    track.next_survey -= slots


def expected(track: Track, grid_shape: tuple[int, int]) -> tuple[float, float]:
    """Column and row where the mouse should be now, within the grid."""
    ahead = min(track.slots, 3)
    column, row = track.column + ahead * track.velocity_column, track.row + ahead * track.velocity_row
    return min(max(column, 0.0), grid_shape[1] - 1.0), min(max(row, 0.0), grid_shape[0] - 1.0)


def limits_of(track: Track, rate_hz: float, mm_per_pixel: float) -> tuple[float, float, float, float]:
    """Smallest, largest and usual area (0: not known) in pixels, and how far the mouse can have come in pixels."""
    smallest, largest, usual = SMALLEST_MM2 / mm_per_pixel**2, LARGEST_MM2 / mm_per_pixel**2, 0.0
    if track.frames >= rate_hz:
        usual = track.usual_area_px
        smallest, largest = max(smallest, SMALLEST_SHARE * usual), min(largest, LARGEST_SHARE * usual)
    reach_mm = BODY_REACH_MM + FASTEST_MM_S * track.slots / rate_hz
    return smallest, largest, usual, reach_mm / mm_per_pixel


def survey_due(track: Track) -> bool:
    """Whether to look everywhere though something is tracked, because it might be a thing."""
    return track.seen and not track.alive and track.next_survey <= 0


def search_window(track: Track, grid_shape: tuple[int, int], crop_size_px: int) -> Window:
    """What to read to find the mouse: the expected place, or everywhere when it may be anywhere."""
    if not track.seen or survey_due(track) or track.slots > 1 + MOST_DROPS:
        return 0, 0, grid_shape[0], grid_shape[1]
    margin = MARGIN_PX + (track.slots - 1) * MARGIN_PER_DROP_PX
    column, row = expected(track, grid_shape)
    return window_around(column, row, grid_shape, crop_size_px, margin)


def survey(track: Track, other: tuple[float, float] | None, rate_hz: float, mm_per_pixel: float) -> bool:
    """Note another body's place (column, row); true when that one moves, while the tracked one never has."""
    track.next_survey = round(SURVEY_S * rate_hz)
    if other is None or track.rival is None:
        track.rival = other
        return False
    return math.dist(other, track.rival) * mm_per_pixel > ALIVE_MM


def lose(track: Track) -> None:
    """What was tracked was not the mouse."""
    track.seen, track.rival = False, None
    track.usual_area_px, track.frames = 0.0, 0


def window_around(column: float, row: float, grid_shape: tuple[int, int], crop_size_px: int, margin: int = 0) -> Window:
    """What a crop at any angle needs, and a margin, cut at the grid's border."""
    half = math.ceil(crop_size_px * math.sqrt(0.5)) + 1 + margin
    first_row, first_column = max(0, round(row) - half), max(0, round(column) - half)
    last_row, last_column = min(grid_shape[0], round(row) + half + 1), min(grid_shape[1], round(column) + half + 1)
    return first_row, first_column, last_row - first_row, last_column - first_column


def contains(outer: Window, inner: Window) -> bool:
    """Whether a window holds another."""
    return (
        outer[0] <= inner[0]
        and outer[1] <= inner[1]
        and outer[0] + outer[2] >= inner[0] + inner[2]
        and outer[1] + outer[3] >= inner[1] + inner[3]
    )


def follow(track: Track, column: float, row: float, place_mm: tuple[float, float]) -> None:
    """The mouse was seen."""
    if track.seen:
        track.velocity_column = (column - track.column) / track.slots
        track.velocity_row = (row - track.row) / track.slots
    else:
        track.velocity_column = track.velocity_row = 0.0
        track.alive, track.first_mm, track.rival = False, place_mm, None
    if math.dist(place_mm, track.first_mm) > ALIVE_MM:
        track.alive = True
    track.seen, track.slots = True, 0
    track.column, track.row = column, row
    track.x_mm, track.y_mm = place_mm


def learn_area(track: Track, area_px: float, rate_hz: float) -> None:
    """Keep a running mean of the animal's area."""
    track.frames = min(track.frames + 1, round(LEARN_S * rate_hz))
    track.usual_area_px += (area_px - track.usual_area_px) / track.frames
