"""The simulated mouse as a source of depth frames: `init(settings) -> state`, `step(state, buffer) -> truth`."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from online.messages import Truth
from online.simulation.behaviour import Behaviour, make_behaviour
from online.simulation.body import (
    CX,
    CY,
    HEAD,
    HIP,
    NUM_PARTS,
    NUM_SPINE,
    NUM_TETHER,
    mirror_parts,
    place_body,
    place_tether,
)
from online.simulation.randomness import Stream, set_key, uniform
from online.simulation.render import (
    AREA,
    CENTROID_X,
    CENTROID_Y,
    LENGTH,
    MEAN_HEIGHT,
    NOTHING,
    draw_animal,
    draw_part,
    parts_box,
)
from online.simulation.scene import Image, floor_distance
from online.simulation.sensor import View, damage, sense_animal, sense_reflection, sense_scene, view_of
from online.simulation.settings import SimulationSettings
from online.simulation.trajectory import ONSET_STEP, SYLLABLE, Trajectory, X, Y, advance, start_trajectory

Array = NDArray[np.float64]
DROP_STREAM, SENSOR_STREAM = 2, 3
PIVOT_MM = 400.0
REFLECTS_WITHIN_MM = 70.0


@dataclass(slots=True)
class MouseState:
    """Everything the simulation owns; `step` updates it in place.

    frame_index: slot that the last `step` was about, -1 before the first. last_truth: its truth, also when the frame
    was dropped. parts, surface, measured, mirrored: work space of the renderer.
    """

    settings: SimulationSettings
    behaviour: Behaviour
    trajectory: Trajectory
    frame_index: int
    last_truth: Truth | None
    view: View
    surface: Image
    pinhole: Array
    parts: Array
    mirrored: Array
    measured: Array
    random: Stream

    @property
    def scene(self) -> Image:
        """The empty arena without noise (H, W), mm; 0 where nothing is seen."""
        return self.view.scene

    @property
    def posture(self) -> Array:
        """The true posture (D,) of the last slot, in the order of `families.POSTURE`; a view, not a copy."""
        newest: Array = self.trajectory.posture[0]
        return newest


def init(settings: SimulationSettings) -> MouseState:
    """Set the scene; the first `step` gives slot 0."""
    behaviour = make_behaviour(settings.behaviour_seed, settings.num_syllables, settings.posture_noise)
    view, lens = view_of(settings), settings.intrinsics
    return MouseState(
        settings=settings,
        behaviour=behaviour,
        trajectory=start_trajectory(settings, behaviour),
        frame_index=-1,
        last_truth=None,
        view=view,
        surface=np.full(view.scene.shape, NOTHING, np.float32),
        pinhole=np.array([lens.fx_px, lens.cx_px, lens.cy_px]),
        parts=np.zeros((NUM_PARTS + (NUM_TETHER if settings.tether else 0), 8)),
        mirrored=np.zeros((NUM_SPINE, 8)),
        measured=np.zeros(6),
        random=np.zeros(1, np.uint64),
    )


def step(state: MouseState, depth_mm: NDArray[np.uint16]) -> Truth | None:
    """Move on to the next slot and fill `depth_mm` (H, W) with its frame (mm, 0 = no reading).

    Returns None, and leaves the buffer alone, when the sensor dropped the slot; `state.last_truth` has the truth.

    The position in the truth is the centroid of the body's visible surface above 10 mm, tail left out, in true
    millimetres (each pixel at its own distance); length and height are of that same region. The heading points from hip
    to head.
    """
    settings = state.settings
    if state.frame_index >= 0:
        advance(state.trajectory, settings.steps_per_frame)
    state.frame_index += 1
    place_body(state.parts, state.trajectory.place, state.posture, settings.body_scale)
    if settings.tether:
        place_tether(state.parts, PIVOT_MM)
    floor_mm = floor_distance(settings, state.trajectory.place[X], state.trajectory.place[Y])
    box = draw_animal(state.surface, state.parts, floor_mm, state.pinhole, state.measured)
    state.last_truth = _truth(state)
    set_key(state.random, settings.seed, state.frame_index, DROP_STREAM)
    if uniform(state.random) < settings.drop_probability:
        return None
    set_key(state.random, settings.seed, state.frame_index, SENSOR_STREAM)
    sense_scene(depth_mm, state.view, state.random)
    sense_animal(depth_mm, state.surface, state.view, box, settings.edge_hole_rate, state.random)
    if settings.reflection:
        _reflect(state, depth_mm, floor_mm)
    damage(depth_mm, state.view, settings.hole_rate, settings.speck_rate, state.random)
    return state.last_truth


def _truth(state: MouseState) -> Truth:
    counts, place, measured = state.trajectory.counts, state.trajectory.place, state.measured
    hip, head = state.parts[HIP], state.parts[HEAD]
    in_view = measured[AREA] > 0
    return Truth(
        syllable=int(counts[SYLLABLE]),
        onset_frame_index=-(-int(counts[ONSET_STEP]) // state.settings.steps_per_frame),
        x_mm=float(measured[CENTROID_X] if in_view else place[X]),
        y_mm=float(measured[CENTROID_Y] if in_view else place[Y]),
        heading_rad=math.atan2(hip[CY] - head[CY], head[CX] - hip[CX]),
        length_mm=float(measured[LENGTH]),
        height_mm=float(measured[MEAN_HEIGHT]),
    )


def _reflect(state: MouseState, depth_mm: NDArray[np.uint16], floor_mm: float) -> None:
    x, y = float(state.trajectory.place[X]), float(state.trajectory.place[Y])
    if state.settings.arena_shape == "square":
        outward = max(abs(x), abs(y))
        normal = (math.copysign(1.0, x), 0.0) if abs(x) >= abs(y) else (0.0, math.copysign(1.0, y))
    else:
        outward = math.hypot(x, y)
        normal = (x / outward, y / outward) if outward > 0 else (1.0, 0.0)
    size = state.settings.floor_size_mm
    if size - outward > REFLECTS_WITHIN_MM * state.settings.body_scale:
        return
    mirror_parts(state.parts, state.mirrored, size, normal)
    box = parts_box(state.mirrored, floor_mm, state.pinhole, depth_mm.shape, 1)
    state.surface[box[0] : box[1], box[2] : box[3]] = NOTHING
    for part in state.mirrored:
        draw_part(state.surface, part, floor_mm, state.pinhole)
    sense_reflection(depth_mm, state.surface, state.view.scene, floor_mm, box, state.random)
