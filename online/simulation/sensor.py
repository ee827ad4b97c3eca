"""The depth sensor: disparity-quantised, spatially correlated noise, holes, flying pixels, reflections.

Distance Z is measured as a disparity of count_mm / Z counts, one count being QUANTUM_MM at the floor, so that noise
and steps grow with the square of the distance, as with a stereo camera. Noise is read from a fixed tile of smoothed
Gaussian numbers at a random place in every frame. All of a slot's noise depends on the seed and the slot alone.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from online.simulation.randomness import Stream, normal, uniform
from online.simulation.render import NOTHING, Box
from online.simulation.scene import Image, empty_scene, view_rays
from online.simulation.settings import SimulationSettings

Depth = NDArray[np.uint16]

QUANTUM_MM = 0.7
CENTRE_SD_MM = 0.95
TILE_SIZE = 1024
FUR = 1.6
"""Noise on the animal as a multiple of the noise on the floor."""
EDGE_STEP_MM = 8.0
FLYING_AT_EDGE = 0.03
UNSTEADY_HOLES = 0.03


class View(NamedTuple):
    """What the sensor knows of its arena.

    scene (H, W): distance in mm, 0 where nothing is seen; counts: the same as disparity, count_mm / scene; gain:
    standard deviation of the noise in counts; tile: see `noise_tile`; unsteady: flat indices of the pixels beyond
    the walls, where readings often fail.
    """

    scene: Image
    counts: Image
    gain: Image
    tile: Image
    unsteady: NDArray[np.int64]
    count_mm: np.float32


def view_of(settings: SimulationSettings) -> View:
    """The empty arena as the sensor meets it."""
    scene = empty_scene(settings)
    count_mm = settings.floor_distance_mm**2 / QUANTUM_MM
    counts = np.zeros_like(scene)
    np.divide(count_mm, scene, out=counts, where=scene > 0)
    down, right = view_rays(settings)
    beyond = np.hypot(right, down) * settings.floor_distance_mm > 1.25 * settings.floor_size_mm
    unsteady = np.flatnonzero(beyond & (scene > 0))
    return View(scene, counts, noise_gain(settings), noise_tile(settings.seed), unsteady, np.float32(count_mm))


def noise_tile(seed: int) -> Image:
    """Unit-variance Gaussian noise (TILE_SIZE, TILE_SIZE), smoothed by 1-2-1 in both directions, periodic."""
    tile = np.random.default_rng([seed, 7]).standard_normal((TILE_SIZE, TILE_SIZE), np.float32)
    for axis in (0, 1):
        tile = 0.5 * tile + 0.25 * (np.roll(tile, 1, axis) + np.roll(tile, -1, axis))
    return np.ascontiguousarray(tile / tile.std(), np.float32)


def noise_gain(settings: SimulationSettings) -> Image:
    """Standard deviation of the noise in counts (H, W): smallest in the middle, large on the walls."""
    down, right = view_rays(settings)
    outward = np.hypot(right, down) * settings.floor_distance_mm / settings.floor_size_mm
    sd_mm = CENTRE_SD_MM * np.interp(outward, [0.0, 0.5, 1.0, 1.2, 1.6], [1.0, 1.1, 1.35, 2.5, 4.0])
    return np.ascontiguousarray(settings.noise_scale * sd_mm / QUANTUM_MM, np.float32)


@njit(cache=True, nogil=True, error_model="numpy")
def _sense_run(out: Depth, counts: Image, gain: Image, noise: Image, disparity_mm: np.float32) -> None:
    for i in range(out.shape[0]):
        count = np.float32(max(math.floor(counts[i] + gain[i] * noise[i] + np.float32(0.5)), np.float32(1.0)))
        distance = disparity_mm / count + np.float32(0.5)
        out[i] = np.uint16(distance) if counts[i] > 0 else np.uint16(0)


@njit(cache=True, nogil=True)
def sense_scene(out: Depth, view: View, random: Stream) -> None:
    """Fill `out` with one noisy view of the empty scene."""
    size = view.tile.shape[0]
    first_row, first_column = int(uniform(random) * size), int(uniform(random) * size)
    width = out.shape[1]
    for row in range(out.shape[0]):
        noise = view.tile[(row + first_row) % size]
        column = 0
        while column < width:
            at = (column + first_column) % size
            end = min(width, column + size - at)
            _sense_run(
                out[row, column:end],
                view.counts[row, column:end],
                view.gain[row, column:end],
                noise[at : at + end - column],
                view.count_mm,
            )
            column = end


@njit(cache=True, nogil=True)
def _around(surface: Image, scene: Image, row: int, column: int) -> tuple[float, float, float]:
    """Distance blurred over 3x3 pixels, nearest and farthest there; (0, 0, 0) where there is no animal."""
    weight = total = 0.0
    nearest, farthest, animal = 1e9, 0.0, False
    for i in range(-1, 2):
        for j in range(-1, 2):
            distance, behind = surface[row + i, column + j], scene[row + i, column + j]
            if distance < NOTHING and (distance < behind or behind == 0):
                animal = True
            else:
                distance = behind
            if distance > 0:
                share = (0.5 - 0.25 * abs(i)) * (0.5 - 0.25 * abs(j))
                weight, total = weight + share, total + share * distance
                nearest, farthest = min(nearest, distance), max(farthest, distance)
    if not animal or weight < 0.3:
        return 0.0, 0.0, 0.0
    return total / weight, nearest, farthest


@njit(cache=True, nogil=True, error_model="numpy")
def sense_animal(out: Depth, surface: Image, view: View, box: Box, edge_hole_rate: float, random: Stream) -> None:
    """Draw the animal's noise-free `surface` over `out`: blurred by a pixel, noisy, with holes and flying pixels.

    The noise of fur is blotchy: fine and coarse spots, read from the tile at two scales.
    """
    size = view.tile.shape[0]
    first_row, first_column = int(uniform(random) * size), int(uniform(random) * size)
    for row in range(max(box[0], 1), min(box[1], out.shape[0] - 1)):
        for column in range(max(box[2], 1), min(box[3], out.shape[1] - 1)):
            distance, nearest, farthest = _around(surface, view.scene, row, column)
            if distance == 0.0:
                continue
            if farthest - nearest > EDGE_STEP_MM:
                draw = uniform(random)
                if draw < edge_hole_rate:
                    out[row, column] = 0
                    continue
                if draw > 1.0 - FLYING_AT_EDGE:
                    distance = nearest + (farthest - nearest) * uniform(random)
            fine = view.tile[(row + first_row) % size, (column + first_column) % size]
            coarse = view.tile[(row // 2 + first_column) % size, (column // 2 + first_row) % size]
            noise = FUR * view.gain[row, column] * (0.7 * fine + 0.7 * coarse)
            count = math.floor(view.count_mm / distance + noise + 0.5)
            out[row, column] = np.uint16(view.count_mm / max(count, 1.0) + 0.5)


@njit(cache=True, nogil=True)
def sense_reflection(out: Depth, surface: Image, scene: Image, floor_mm: float, box: Box, random: Stream) -> None:
    """Draw the mirrored animal as a patchy bulge on the wall, less than half as high as the animal."""
    for row in range(box[0], box[1]):
        for column in range(box[2], box[3]):
            wall = scene[row, column]
            if surface[row, column] >= NOTHING or wall == 0 or wall > floor_mm - 5.0 or uniform(random) < 0.4:
                continue
            bulge = 0.4 * (floor_mm - surface[row, column]) + 2.0 * normal(random)
            out[row, column] = np.uint16(max(wall - bulge, 1.0))


@njit(cache=True, nogil=True)
def damage(out: Depth, view: View, hole_rate: float, speck_rate: float, random: Stream) -> None:
    """Scatter holes and flying pixels over the whole frame, more holes where readings are unsteady.

    Positions are drawn with replacement; the number of draws allows for that.
    """
    height, width = out.shape
    holes = -math.log(1.0 - hole_rate) * height * width
    specks = -math.log(1.0 - speck_rate) * height * width
    for _ in range(int(specks + uniform(random))):
        row, column = int(uniform(random) * height), int(uniform(random) * width)
        if out[row, column] > 200:
            out[row, column] -= np.uint16(100 * uniform(random))
    for _ in range(int(holes + uniform(random))):
        out[int(uniform(random) * height), int(uniform(random) * width)] = 0
    for _ in range(int(-math.log(1.0 - UNSTEADY_HOLES) * view.unsteady.shape[0])):
        at = view.unsteady[int(uniform(random) * view.unsteady.shape[0])]
        out[at // width, at % width] = 0
