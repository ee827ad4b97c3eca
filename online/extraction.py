"""From a depth frame to the mouse: position, heading, shape, and the egocentric crop.

Heights above the background are read on the working grid in a window around the mouse (the whole region when it is
lost), cleaned, and cut into components; one of them is the mouse or none is. Its moments give position and axis,
the heading filter tells nose from tail, and the crop is turned so that the nose points right. Without a mouse every
measurement is NaN and the crop is empty. What a mask or something too high (a tether) hides is bridged, to find the
body, and marked in the crop as covered, so that the projection can treat it as missing.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from online import body_size, heading, tracking
from online.arena import Arena
from online.body_size import BodySize
from online.contour import polygon_sums
from online.crop import area_and_height, covered_crop, implant_crop, published_crop, rotate_crop
from online.errors import ConfigError
from online.extracted import Extracted
from online.head_tail import FEATURES, asymmetry, weights_in_order
from online.heading import HeadingEvidence, HeadingSettings, HeadingState
from online.heights import MASKED_MM, bridge_gaps, mark_flanks, read_heights
from online.model import ExtractionSettings
from online.moments import shape_of
from online.morphology import Image, ellipse, label, median3, median_any, open_grey, scratch_for
from online.segmentation import (
    AREA,
    MAX_COMPONENTS,
    NUM_SUMS,
    SUM_HEIGHT,
    SUM_X,
    SUM_Y,
    choose,
    largest_other,
    remember,
    tabulate,
)
from online.tracking import Track, Window
from online.working_grid import WorkingGrid, working_grid

LOOK_AGAIN_MARGINS_PX = 12, 24, 48


@dataclass(frozen=True, slots=True)
class Buffers:
    """Images on the working grid; a window lies in the top-left corner of each but `previous`."""

    heights: Image
    gaps: Image
    cleaned: Image
    cleaned_crop: Image
    padded: Image
    labels: NDArray[np.int32]
    parents: NDArray[np.int32]
    previous: Image
    table: NDArray[np.float64]
    values: Image
    scratch: tuple[Image, Image]


@dataclass(slots=True)
class ExtractionState:
    """Everything that a step needs, allocated once."""

    settings: ExtractionSettings
    published: bool
    arena: Arena
    depth_unit_mm: float
    rate_hz: float
    grid: WorkingGrid
    background_mm: NDArray[np.float32]
    element: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    centre_mm: tuple[float, float]
    buffers: Buffers
    head_tail: NDArray[np.float64] | None
    features: NDArray[np.float64]
    out: Extracted
    implant: Image | None
    any_covered: bool = False
    track: Track = field(default_factory=Track)
    size: BodySize = field(default_factory=BodySize)
    heading: HeadingState = field(default_factory=HeadingState)
    heading_settings: HeadingSettings = field(default_factory=HeadingSettings)


def init(settings: ExtractionSettings, arena: Arena, depth_unit_mm: float, rate_hz: float) -> ExtractionState:
    """Allocate for one arena, camera unit and frame rate."""
    published = settings.convention == "moseq2"
    if arena.implants and settings.reference_size_mm is not None:
        raise ConfigError("an implant has its own size, and this model scales animals to one size: mask no implant")
    grid = working_grid(arena, settings.mm_per_crop_pixel, as_it_is=published)
    shape = grid.height, grid.width
    crop_shape = settings.crop_size_px, settings.crop_size_px
    element = ellipse(settings.opening_diameter_px)
    return ExtractionState(
        settings=settings,
        published=published,
        arena=arena,
        depth_unit_mm=depth_unit_mm,
        rate_hz=rate_hz,
        grid=grid,
        background_mm=_background_of(arena),
        element=(element.chord_left, element.chord_right, element.chord_of_row, element.row_offset),
        centre_mm=arena.centre_mm,
        buffers=Buffers(
            heights=np.zeros(shape, np.uint8),
            gaps=np.zeros(shape, np.uint8),
            cleaned=np.zeros(shape, np.uint8),
            cleaned_crop=np.zeros(crop_shape, np.uint8),
            padded=np.zeros((shape[0] + 2, shape[1] + 2), np.uint8),
            labels=np.zeros(shape, np.int32),
            parents=np.zeros(shape[0] * shape[1] // 2 + 2, np.int32),
            previous=np.zeros(shape, np.uint8),
            table=np.zeros((MAX_COMPONENTS, NUM_SUMS)),
            values=np.zeros(max(25, settings.median_diameter_px**2), np.uint8),
            scratch=scratch_for(element, *shape),
        ),
        head_tail=None if settings.head_tail_weights is None else weights_in_order(settings.head_tail_weights),
        features=np.zeros(len(FEATURES)),
        implant=implant_crop(arena.implants, settings.crop_size_px, settings.mm_per_crop_pixel),
        out=Extracted(np.zeros(crop_shape, np.uint8), np.zeros(crop_shape, np.uint8)),
    )


def _background_of(arena: Arena) -> NDArray[np.float32]:
    """Background (H, W) of the region, 0 around it, MASKED_MM where it is masked."""
    background = np.where(arena.region, arena.background_mm, 0)
    if arena.masked is not None:
        background[arena.region & arena.masked] = MASKED_MM
    return background.astype(np.float32)


def step(state: ExtractionState, frame: NDArray[np.uint16], slots_elapsed: int, capture_time_ns: int) -> Extracted:
    """Extract one frame (H, W); `slots_elapsed` is 1 + the frames dropped since the last step."""
    if frame.shape != state.background_mm.shape or frame.dtype != np.uint16:
        raise ValueError(f"frame must be uint16 {state.background_mm.shape}, not {frame.dtype} {frame.shape}")
    if slots_elapsed < 1:
        raise ValueError(f"slots_elapsed must be 1 or more, not {slots_elapsed}")
    out, track, buffers = state.out, state.track, state.buffers
    out.clear()
    buffers.cleaned_crop.fill(0)
    out.capture_time_ns = capture_time_ns
    tracking.wait(track, slots_elapsed, state.rate_hz)
    if state.published:
        track.seen = track.seen and track.slots < state.rate_hz
        window = (0, 0, state.grid.height, state.grid.width)
    else:
        window = tracking.search_window(track, buffers.heights.shape, state.settings.crop_size_px)
    number, window = _find(state, frame, window)
    if number == 0:
        return out
    tracking.learn_area(track, float(buffers.table[number - 1, AREA]), state.rate_hz)
    column, row = _measure(state, number, window)
    remember(buffers.labels, number, window, track.mask_window, buffers.previous)
    track.mask_window = window
    _crop(state, number, window, (column, row))
    tracking.follow(track, column, row, (out.x_mm, out.y_mm))
    return out


def crop_mask(state: ExtractionState) -> Image:
    """The cleaned heights in the frame of the crop that the last step made, 0 outside the mouse; reused."""
    return state.buffers.cleaned_crop


def _find(state: ExtractionState, frame: NDArray[np.uint16], window: Window) -> tuple[int, Window]:
    """Number of the mouse's component, 0 for none, and the window in which it was found whole.

    A window that lies beside the mouse cuts it: then it is looked at again, in a window around what was seen.
    """
    table, shape, size_px = state.buffers.table, state.buffers.heights.shape, state.settings.crop_size_px
    number = _segment(state, frame, window)
    for margin in LOOK_AGAIN_MARGINS_PX:
        if number == 0:
            break
        line = table[number - 1]
        column, row = float(line[SUM_X] / line[AREA]), float(line[SUM_Y] / line[AREA])
        if tracking.contains(window, tracking.window_around(column, row, shape, size_px)):
            break
        window = tracking.window_around(column, row, shape, size_px, margin)
        number = _segment(state, frame, window)
    return number, window


def _segment(state: ExtractionState, frame: NDArray[np.uint16], window: Window) -> int:
    """Read and clean a window; number of the mouse's component in it, 0 for none."""
    settings, buffers = state.settings, state.buffers
    height, width = window[2], window[3]
    _read(state, frame, window)
    source = buffers.heights
    if settings.median_diameter_px == 3:
        median3(source, height, width, buffers.padded, buffers.cleaned)
        source = buffers.cleaned
    elif settings.median_diameter_px > 1:
        median_any(source, height, width, settings.median_diameter_px, buffers.values, buffers.cleaned)
        source = buffers.cleaned
    open_grey(source, height, width, state.element, buffers.scratch, buffers.cleaned)
    count = label(buffers.cleaned, height, width, int(settings.min_height_mm), buffers.parents, buffers.labels)
    tabulate(buffers.cleaned, buffers.labels, window, buffers.previous, buffers.table[:count])
    return 1 + _choose(state, count)


def _read(state: ExtractionState, frame: NDArray[np.uint16], window: Window) -> None:
    """Heights of a window, gaps bridged, and whether anything in it is covered."""
    settings, grid, buffers = state.settings, state.grid, state.buffers
    height, width = window[2], window[3]
    axes = (grid.sample_rows, grid.sample_columns, grid.samples)
    rounding = 0.0 if state.published else 0.5
    scale = (state.depth_unit_mm, settings.min_height_mm, settings.max_height_mm, rounding)
    num_silent, num_high, num_masked = read_heights(
        frame, state.background_mm, axes, window, scale, buffers.heights, buffers.gaps
    )
    state.any_covered = num_masked > 0 or (num_high > 0 and not state.published)
    if num_high and not state.published:
        mark_flanks(buffers.heights, buffers.gaps, height, width)
    if (num_silent or num_high or num_masked) and not state.published:
        bridge_gaps(buffers.heights, buffers.gaps, height, width)


def _choose(state: ExtractionState, count: int) -> int:
    """Row of the mouse's component among `count` in the table, or -1."""
    buffers, track, mm_per_pixel = state.buffers, state.track, state.settings.mm_per_crop_pixel
    if state.published:
        return int(choose(buffers.table, count, False, (0.0, 0.0), (1.0, math.inf, 0.0, 0.0)))
    limits = tracking.limits_of(track, state.rate_hz, mm_per_pixel)
    place = tracking.expected(track, buffers.heights.shape)
    chosen = int(choose(buffers.table, count, track.seen, place, limits))
    if chosen >= 0 and tracking.survey_due(track):
        other = int(largest_other(buffers.table, count, chosen, limits))
        line = buffers.table[other]
        where = (float(line[SUM_X] / line[AREA]), float(line[SUM_Y] / line[AREA])) if other >= 0 else None
        if tracking.survey(track, where, state.rate_hz, mm_per_pixel):
            tracking.lose(track)
            state.size = BodySize()
            chosen = other
    return chosen


def _measure(state: ExtractionState, number: int, window: Window) -> tuple[float, float]:
    """Scalars and heading from a component's sums, millimetres at the body's own distance; its column and row."""
    out, grid, camera, track = state.out, state.grid, state.arena.intrinsics, state.track
    line = state.buffers.table[number - 1]
    height_mm = float(line[SUM_HEIGHT] / line[AREA])
    taper = shape_of(line, (1.0, 1.0)).taper
    if state.published:
        polygon_sums(state.buffers.labels, number, window, line)
    column, row = float(line[SUM_X] / line[AREA]), float(line[SUM_Y] / line[AREA])
    out.missing = False
    out.x_px, out.y_px = grid.to_sensor(column, row)
    pixel_mm = _pixel_mm(state, out.x_px, out.y_px, height_mm)
    out.x_mm = pixel_mm[0] / grid.scale_x * (out.x_px - camera.cx_px) - state.centre_mm[0]
    out.y_mm = pixel_mm[1] / grid.scale_y * (out.y_px - camera.cy_px) - state.centre_mm[1]
    shape = shape_of(line, (1.0, 1.0) if state.published else pixel_mm)
    mean_mm = math.sqrt(pixel_mm[0] * pixel_mm[1])
    scale = 1.0 if state.published else mean_mm
    out.length_px, out.width_px = shape.length_mm / scale, shape.width_mm / scale
    out.length_mm, out.width_mm = out.length_px * mean_mm, out.width_px * mean_mm
    if not track.seen:
        state.heading.started = False
    elapsed_s = track.slots / state.rate_hz
    moved_mm = (out.x_mm - track.x_mm, out.y_mm - track.y_mm) if track.seen else (0.0, 0.0)
    elongation = 1 - shape.width_mm / max(shape.length_mm, 1e-9)
    heading.step(
        state.heading,
        HeadingEvidence(
            shape.axis_rad,
            elongation,
            moved_mm,
            elapsed_s,
            taper,
            _classified(state, number, window, (column, row, shape.axis_rad)),
        ),
        state.heading_settings,
    )
    out.heading_rad = math.remainder(state.heading.heading_rad, 2 * math.pi)
    out.heading_probability = state.heading.probability
    if track.seen:
        out.speed_mm_s = math.hypot(*moved_mm) / elapsed_s
        out.turning_rad_s = state.heading.turned_rad / elapsed_s
    return column, row


def _classified(state: ExtractionState, number: int, window: Window, pose: tuple[float, float, float]) -> float | None:
    """The trained classifier's log odds that the nose lies towards the axis; None without a classifier."""
    if state.head_tail is None:
        return None
    place = (pose[0] - window[1], pose[1] - window[0], pose[2])
    buffers, features = state.buffers, state.features
    asymmetry(buffers.cleaned, buffers.labels, number, window[2:], place, features)
    return float(features @ state.head_tail)


def _pixel_mm(state: ExtractionState, x_px: float, y_px: float, height_mm: float) -> tuple[float, float]:
    """Size of a working pixel, along x and y, at a height above the floor."""
    a, b, c = state.arena.floor_plane
    depth = a * x_px + b * y_px + c - height_mm
    camera, grid = state.arena.intrinsics, state.grid
    return grid.scale_x * depth / camera.fx_px, grid.scale_y * depth / camera.fy_px


def _crop(state: ExtractionState, number: int, window: Window, place: tuple[float, float]) -> None:
    out, buffers, settings = state.out, state.buffers, state.settings
    images, crops = (buffers.heights, buffers.cleaned), (out.crop, buffers.cleaned_crop)
    column, row = place[0] - window[1], place[1] - window[0]
    angle, zoom = state.heading.heading_rad, 1.0
    if state.published:
        axis = math.remainder(angle, math.pi)
        turned = math.cos(angle - axis) < 0
        published_crop(images, window[2:], (column, row, axis), turned, crops)
    else:
        if settings.reference_size_mm is not None and state.size.frames:
            zoom = state.size.mm / settings.reference_size_mm
        rotate_crop(images, buffers.labels, number, window[2:], (column, row, angle, zoom), crops)
    if state.any_covered:
        centre = (math.trunc(column), math.trunc(row)) if state.published else (column, row)
        out.num_covered = int(
            covered_crop(buffers.gaps, window[2:], (*centre, angle, zoom), state.published, out.covered)
        )
    if state.implant is not None:
        np.maximum(out.covered, state.implant, out=out.covered)
        out.num_covered = int(np.count_nonzero(out.covered))
    low, high = settings.min_height_mm / zoom, settings.max_height_mm / zoom
    count, height = area_and_height(buffers.cleaned_crop, low, high)
    out.area_px, out.height_mm = count * zoom**2, height * zoom
    pixel_mm = _pixel_mm(state, out.x_px, out.y_px, out.height_mm)
    out.area_mm2 = out.area_px * pixel_mm[0] * pixel_mm[1]
    body_size.step(state.size, out.area_mm2, state.rate_hz)
