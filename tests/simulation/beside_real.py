"""A clip of the simulated mouse beside the real one, for a person to judge.

Run from the project's root: python -m tests.simulation.beside_real OUT.gif [SEED]; OUT.png gives a contact sheet.
"""

import sys
from pathlib import Path

import h5py
import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from numpy.typing import NDArray

from online import extraction
from online.arena_calibration import calibrate
from online.model import ExtractionSettings
from online.simulation.mouse import init, step
from online.simulation.settings import SimulationSettings
from tests.real_data import RESULTS

NUM_FRAMES, FIRST_REAL = 240, 130
COLOURS = {"cmap": "jet", "vmin": 0, "vmax": 60}


def simulated_crops(seed: int) -> tuple[NDArray[np.uint8], list[str]]:
    """Crops (frames, 80, 80) by the project's extraction, and the true syllable of each."""
    settings = SimulationSettings(width=512, height=424, focal_px=365.5, floor_distance_mm=673.5, seed=seed)
    state, frame = init(settings), np.zeros((424, 512), np.uint16)
    empty = np.rint(state.scene).astype(np.uint16)
    arena = calibrate(np.stack([empty] * 3), settings.intrinsics, 1.0)
    extractor = extraction.init(ExtractionSettings(673.5 / 365.5), arena, 1.0, 30)
    crops, names = [], []
    for _ in range(NUM_FRAMES):
        truth = step(state, frame)
        assert truth is not None
        crops.append(extraction.step(extractor, frame, 1, 0).crop.copy())
        names.append(state.behaviour.names[truth.syllable])
    return np.array(crops), names


def draw_sheet(out: Path, real: NDArray[np.uint8], crops: NDArray[np.uint8], names: list[str]) -> None:
    """Rows of real and simulated crops, five frames apart."""
    figure, axes = plt.subplots(8, 12, figsize=(20, 13))
    for place in range(48):
        at = place * 5
        upper, lower = axes[2 * (place // 12), place % 12], axes[2 * (place // 12) + 1, place % 12]
        upper.imshow(real[at], **COLOURS)
        upper.set_title("real", fontsize=8)
        lower.imshow(crops[at], **COLOURS)
        lower.set_title(names[at], fontsize=8)
    for axis in axes.flat:
        axis.axis("off")
    figure.tight_layout(pad=0.2)
    figure.savefig(out, dpi=65)


def draw_clip(out: Path, real: NDArray[np.uint8], crops: NDArray[np.uint8], names: list[str]) -> None:
    """Both at their pace."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 4))
    images = [axis.imshow(clip[0], **COLOURS) for axis, clip in zip(axes, (real, crops), strict=True)]
    for axis in axes:
        axis.axis("off")
    axes[0].set_title("real")

    def show(at: int) -> None:
        images[0].set_data(real[at])
        images[1].set_data(crops[at])
        axes[1].set_title(f"simulated: {names[at]}")

    FuncAnimation(figure, show, NUM_FRAMES, blit=False).save(out, PillowWriter(fps=30))


def main() -> None:
    """Draw what the file's ending asks for."""
    mpl.use("Agg")
    out, seed = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with h5py.File(RESULTS) as file:
        real = file["frames"][FIRST_REAL : FIRST_REAL + NUM_FRAMES]
    crops, names = simulated_crops(seed)
    (draw_clip if out.suffix == ".gif" else draw_sheet)(out, real, crops, names)


if __name__ == "__main__":
    main()
