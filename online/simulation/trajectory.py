"""The animal's movement at STEPS_HZ, whatever the camera: syllable, posture, place.

The numbers drawn depend on the session's seed alone, so any camera rate sees the same trajectory.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online.simulation.behaviour import Behaviour
from online.simulation.randomness import Stream, normal, set_key, uniform
from online.simulation.settings import STEPS_HZ, SimulationSettings

Array = NDArray[np.float64]

SYLLABLE, STEP, ONSET_STEP = 0, 1, 2
X, Y, HEADING = 0, 1, 2
TRAJECTORY_STREAM = 1


@dataclass(slots=True)
class Trajectory:
    """State that `advance` updates in place.

    counts: syllable, step, step of the syllable's onset; place: x, y (mm from the arena's centre, y down), heading
    (rad); posture (2, D): the newest, then the one before; random: the stream of random numbers.
    """

    counts: NDArray[np.int64]
    place: Array
    posture: Array
    random: Stream
    cumulative_transition: Array
    behaviour: Behaviour
    room_mm: float
    square: bool


def start_trajectory(settings: SimulationSettings, behaviour: Behaviour) -> Trajectory:
    """Put the animal somewhere near the middle, in a syllable drawn from its usual ones."""
    random = np.zeros(1, np.uint64)
    set_key(random, settings.seed, settings.behaviour_seed, TRAJECTORY_STREAM)
    syllable = int(np.searchsorted(np.cumsum(behaviour.usage), uniform(random)))
    syllable = min(syllable, behaviour.num_syllables - 1)
    room = settings.floor_size_mm - 28.0 * settings.body_scale
    angle, radius = 2 * math.pi * uniform(random), 0.5 * room * math.sqrt(uniform(random))
    place = np.array([radius * math.cos(angle), radius * math.sin(angle), 2 * math.pi * uniform(random)])
    return Trajectory(
        counts=np.array([syllable, 0, 0], np.int64),
        place=place,
        posture=np.vstack([behaviour.target[syllable]] * 2),
        random=random,
        cumulative_transition=np.cumsum(behaviour.transition_matrix, axis=1),
        behaviour=behaviour,
        room_mm=room,
        square=settings.arena_shape == "square",
    )


def advance(trajectory: Trajectory, steps: int) -> None:
    """Move on by `steps` steps of 1 / STEPS_HZ."""
    behaviour = trajectory.behaviour
    for _ in range(steps):
        _next_syllable(trajectory.counts, trajectory.cumulative_transition, trajectory.random)
        k = trajectory.counts[SYLLABLE]
        _next_posture(
            trajectory.posture,
            behaviour.lag_1[k],
            behaviour.lag_2[k],
            behaviour.bias[k],
            behaviour.noise_sd[k],
            trajectory.random,
        )
        _next_place(trajectory.place, trajectory.posture, trajectory.room_mm, trajectory.square)


@njit(cache=True, nogil=True)
def _next_syllable(counts: NDArray[np.int64], cumulative_transition: Array, random: Stream) -> None:
    counts[STEP] += 1
    draw = uniform(random)
    row = cumulative_transition[counts[SYLLABLE]]
    k = 0
    while k < row.shape[0] - 1 and draw >= row[k]:
        k += 1
    if k != counts[SYLLABLE]:
        counts[SYLLABLE] = k
        counts[ONSET_STEP] = counts[STEP]


@njit(cache=True, nogil=True)
def _next_posture(posture: Array, lag_1: Array, lag_2: Array, bias: Array, noise_sd: Array, random: Stream) -> None:
    for d in range(posture.shape[1]):
        fresh = lag_1[d] * posture[0, d] + lag_2[d] * posture[1, d] + bias[d] + noise_sd[d] * normal(random)
        posture[1, d] = posture[0, d]
        posture[0, d] = fresh


@njit(cache=True, nogil=True)
def _next_place(place: Array, posture: Array, room_mm: float, square: bool) -> None:
    """Walk and turn; near a wall, turn along it, and never pass through it."""
    speed, turning = posture[0, 0], posture[0, 1]
    ahead_mm = 20.0 + 0.35 * max(speed, 0.0)
    x = place[X] + ahead_mm * math.cos(place[HEADING])
    y = place[Y] - ahead_mm * math.sin(place[HEADING])
    beyond, normal_x, normal_y = _beyond_wall(x, y, room_mm, square)
    if beyond > 0:
        # sine of the angle from the heading to the inward normal, counter-clockwise on screen (y points down)
        side = math.cos(place[HEADING]) * normal_y + math.sin(place[HEADING]) * normal_x
        towards = 1.0 if side >= 0 else -1.0
        turning += towards * min(0.12 * beyond, 7.0) * min(abs(speed) / 60.0, 1.0)
    place[HEADING] += turning / STEPS_HZ
    place[X] += speed * math.cos(place[HEADING]) / STEPS_HZ
    place[Y] -= speed * math.sin(place[HEADING]) / STEPS_HZ
    for _ in range(2):  # twice for the corners of a square
        beyond, normal_x, normal_y = _beyond_wall(place[X], place[Y], room_mm, square)
        if beyond > 0:
            place[X] -= beyond * normal_x
            place[Y] -= beyond * normal_y


@njit(cache=True, nogil=True)
def _beyond_wall(x: float, y: float, room_mm: float, square: bool) -> tuple[float, float, float]:
    """Distance by which (x, y) lies outside the room (negative inside), and the outward normal."""
    if square:
        if abs(x) >= abs(y):
            return abs(x) - room_mm, math.copysign(1.0, x), 0.0
        return abs(y) - room_mm, 0.0, math.copysign(1.0, y)
    radius = math.hypot(x, y)
    if radius == 0.0:
        return -room_mm, 1.0, 0.0
    return radius - room_mm, x / radius, y / radius
