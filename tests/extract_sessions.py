"""Small recordings of a body that walks over a floor, and the command that extracts them."""

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from offline.extract.command import command

HEIGHT, WIDTH, FLOOR_MM = 120, 160, 600.0
LENS = {"fx": 320.0, "fy": 320.0, "cx": 79.5, "cy": 59.5}
STEPS = np.array([1] * 20 + [3] + [1] * 18)


def depth_of(x_px: float, seed: int) -> np.ndarray:
    """A body 30 mm high on a flat floor with low noise; none where x_px is NaN."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    depth = FLOOR_MM + np.random.default_rng(seed).normal(0, 0.7, (HEIGHT, WIDTH))
    depth[((x - x_px) / 18) ** 2 + ((y - 60) / 9) ** 2 < 1] -= 30
    return np.rint(depth).astype("<u2")


def write_session(folder: Path, subject: str) -> np.ndarray:
    """40 frames; the body walks right by a pixel a slot and is gone in frame 30. Returns slots."""
    folder.mkdir(parents=True)
    slots = np.concatenate(([0], np.cumsum(STEPS)))
    places = np.where(np.arange(40) == 30, np.nan, 50.0 + slots)
    np.stack([depth_of(x, seed) for seed, x in enumerate(places)]).tofile(folder / "depth.dat")
    np.savetxt(folder / "depth_ts.txt", np.c_[1000 + slots * 33.3, slots], fmt="%.3f")
    metadata = {"SubjectName": subject, "DepthResolution": [WIDTH, HEIGHT], "Intrinsics": LENS, "Colour": None}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return slots


def extract(*arguments: str | Path) -> tuple[int, str, BaseException | None]:
    outcome = CliRunner().invoke(command, [str(argument) for argument in arguments])
    return outcome.exit_code, outcome.output, outcome.exception
