"""From posture to a body: ellipsoids along a bending, rearing spine, with head, ears and tail.

Arena coordinates, mm: x right, y down, z height above the floor; the origin is the arena's centre.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online.simulation.families import POSTURE

Array = NDArray[np.float64]

REAR, STRETCH, BEND, HEAD_PITCH, HEAD_YAW, ARCH, GIRTH = (
    POSTURE.index(name)
    for name in ("rear_rad", "stretch", "bend_rad", "head_pitch_rad", "head_yaw_rad", "arch_mm", "girth")
)

# Spine from hip to snout: distance to the previous centre; half axes along, across, up; resting height of the centre.
SPINE = np.array(
    [
        [0.0, 15.0, 16.5, 13.0, 13.5],  # hip
        [9.0, 15.0, 17.0, 13.0, 14.5],  # trunk
        [9.0, 13.0, 14.5, 12.0, 14.0],  # chest
        [7.5, 10.5, 11.5, 10.0, 13.5],  # neck
        [7.5, 11.0, 9.5, 9.0, 12.5],  # head
        [8.0, 7.0, 5.0, 5.0, 10.0],  # snout
    ]
)
BEND_SHARE = np.array([-0.35, -0.1, 0.25, 0.5, 0.65, 0.65])
REAR_SHARE = np.array([0.35, 0.75, 1.0, 1.0, 0.7, 0.5])
HEAD_SHARE = np.array([0.0, 0.0, 0.0, 0.35, 1.0, 1.0])
ARCH_SHARE = np.array([0.5, 1.0, 0.6, 0.1, -0.1, -0.2])
STRETCH_SHARE = np.array([1.0, 1.0, 1.0, 1.0, 0.3, 0.2])
GIRTH_SHARE = np.array([1.0, 1.0, 1.0, 0.8, 0.3, 0.2])
HIP, HEAD = 0, 4
NUM_SPINE, NUM_EARS, NUM_TAIL = 6, 2, 5
NUM_BODY = NUM_SPINE + NUM_EARS
NUM_TETHER = 10
NUM_PARTS = NUM_BODY + NUM_TAIL

CX, CY, CZ, YAW, PITCH, ALONG, ACROSS, UP = range(8)
"""Columns of the table of parts: centre, direction (yaw on screen, pitch upwards), half axes."""


@njit(cache=True, nogil=True)
def place_body(parts: Array, place: Array, posture: Array, scale: float) -> None:
    """Fill the first NUM_PARTS rows of `parts` for an animal at `place` (x, y, heading) in `posture`."""
    stretch = min(max(posture[STRETCH], -0.6), 0.6)
    rear = min(max(posture[REAR], -0.2), 1.2)
    heading = place[2]
    x, y, z = 0.0, 0.0, SPINE[0, 4]
    mean_x, mean_y = 0.0, 0.0
    for i in range(NUM_SPINE):
        head = HEAD_SHARE[i]
        yaw = heading + BEND_SHARE[i] * posture[BEND] + head * posture[HEAD_YAW]
        pitch = REAR_SHARE[i] * rear + head * posture[HEAD_PITCH]
        longer = math.exp(stretch * STRETCH_SHARE[i])
        step = SPINE[i, 0] * longer
        x += step * math.cos(pitch) * math.cos(yaw)
        y -= step * math.cos(pitch) * math.sin(yaw)
        rest = SPINE[i, 4] - SPINE[i - 1, 4] if i > 0 else 0.0
        z += step * math.sin(pitch) + rest
        girth = min(max(posture[GIRTH], -0.5), 0.5) * GIRTH_SHARE[i]
        wider, taller = math.exp(1.2 * girth), math.exp(0.7 * girth)
        part = parts[i]
        part[CX], part[CY] = x, y
        part[CZ] = max(z + SPINE[i, 4] * (taller - 1) + ARCH_SHARE[i] * posture[ARCH], 0.6 * SPINE[i, 3])
        part[YAW], part[PITCH] = yaw, pitch
        part[ALONG] = SPINE[i, 1] * math.sqrt(longer)
        part[ACROSS], part[UP] = SPINE[i, 2] * wider, SPINE[i, 3] * taller
        if i < 4:
            mean_x += 0.25 * x
            mean_y += 0.25 * y
    _add_ears(parts)
    _add_tail(parts, heading - 0.9 * posture[BEND])
    for i in range(NUM_PARTS):
        part = parts[i]
        part[CX] = place[0] + scale * (part[CX] - mean_x)
        part[CY] = place[1] + scale * (part[CY] - mean_y)
        part[CZ] *= scale
        part[ALONG:] *= scale


@njit(cache=True, nogil=True)
def _add_ears(parts: Array) -> None:
    head = parts[HEAD]
    for side in range(NUM_EARS):
        ear = parts[NUM_SPINE + side]
        out = 8.0 if side == 0 else -8.0
        back = 5.0
        ear[CX] = head[CX] - out * math.sin(head[YAW]) - back * math.cos(head[YAW])
        ear[CY] = head[CY] - out * math.cos(head[YAW]) + back * math.sin(head[YAW])
        ear[CZ] = head[CZ] + 6.0
        ear[YAW], ear[PITCH] = head[YAW], head[PITCH]
        ear[ALONG], ear[ACROSS], ear[UP] = 3.0, 5.0, 4.0


@njit(cache=True, nogil=True)
def _add_tail(parts: Array, yaw: float) -> None:
    hip = parts[HIP]
    x = hip[CX] - 14.0 * math.cos(hip[YAW])
    y = hip[CY] + 14.0 * math.sin(hip[YAW])
    for i in range(NUM_TAIL):
        part = parts[NUM_BODY + i]
        share = i / (NUM_TAIL - 1)
        direction = hip[YAW] + (yaw - hip[YAW]) * share
        x -= 7.0 * math.cos(direction)
        y += 7.0 * math.sin(direction)
        part[CX], part[CY], part[CZ] = x, y, 5.0 - 2.0 * share
        part[YAW], part[PITCH] = direction, 0.0
        part[ALONG], part[ACROSS], part[UP] = 9.0, 3.0 - 1.2 * share, 3.0 - 1.2 * share
        x -= 7.0 * math.cos(direction)
        y += 7.0 * math.sin(direction)


@njit(cache=True, nogil=True)
def place_tether(parts: Array, pivot_mm: float) -> None:
    """Fill the last NUM_TETHER rows: a cable that rises from the neck and leans over to a pivot above the centre."""
    neck = parts[3]
    x, y, z = neck[CX], neck[CY], neck[CZ] + 0.8 * neck[UP]
    for i in range(NUM_TETHER):
        end = (i + 1) / NUM_TETHER
        to_x, to_y = neck[CX] * (1 - end * end), neck[CY] * (1 - end * end)
        to_z = neck[CZ] + 0.8 * neck[UP] + (pivot_mm - neck[CZ]) * end
        flat, rise = math.hypot(to_x - x, to_y - y), to_z - z
        part = parts[NUM_PARTS + i]
        part[CX], part[CY], part[CZ] = (x + to_x) / 2, (y + to_y) / 2, (z + to_z) / 2
        part[YAW], part[PITCH] = math.atan2(y - to_y, to_x - x), math.atan2(rise, flat)
        part[ALONG], part[ACROSS], part[UP] = 0.6 * math.hypot(flat, rise), 2.0, 2.0
        x, y, z = to_x, to_y, to_z


@njit(cache=True, nogil=True)
def mirror_parts(parts: Array, mirrored: Array, wall_mm: float, normal: tuple[float, float]) -> None:
    """Fill `mirrored` with the image of `parts` in a wall at `wall_mm` from the centre along the unit `normal`."""
    for i in range(mirrored.shape[0]):
        mirrored[i] = parts[i]
        outward = parts[i, CX] * normal[0] + parts[i, CY] * normal[1]
        mirrored[i, CX] += 2 * (wall_mm - outward) * normal[0]
        mirrored[i, CY] += 2 * (wall_mm - outward) * normal[1]
        x, y = math.cos(parts[i, YAW]), -math.sin(parts[i, YAW])
        outward = x * normal[0] + y * normal[1]
        mirrored[i, YAW] = math.atan2(-(y - 2 * outward * normal[1]), x - 2 * outward * normal[0])
