"""Small rigs for tests: a recording of a moving body, a tiny model, a protocol, a rig file with a simulated board."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from online.files.bundle import save_bundle
from online.model import ARHMM, ExtractionSettings, ModelBundle, PixelFilter, Projection, Provenance, Whitening

HEIGHT, WIDTH = 120, 160
FOCAL_PX = 120.0
FLOOR_MM = 700
PROTOCOL = """
[session]
name = "test"
seed = 1
duration_ms = 600000

[[rules]]
name = "either"
target = [0, 1]
output = "laser"
enter = 0.4
refractory_ms = 300
once_per_bout = false
catch_probability = 0.25

[[outputs]]
name = "laser"
channel = 0
width_ms = 20

[limits]
max_width_ms = 100
max_duty = 0.5
window_ms = 1000
min_interval_ms = 10
max_pulses = 1000

[timing]
deadline_ms = 500
"""


STARTED: list[subprocess.Popen[str]] = []
"""Sessions that a test began; a fixture for all tests ends those that it left."""


@dataclass(frozen=True)
class RigFiles:
    """Paths of everything that a session needs."""

    rig: Path
    model: Path
    protocol: Path
    out: Path
    private: Path

    def arguments(self) -> list[str]:
        """Options of `etholoop run`."""
        named = {"--rig": self.rig, "--model": self.model, "--protocol": self.protocol, "--out": self.out}
        return [str(word) for pair in named.items() for word in pair] + ["--subject", "m1"]


def body_frames(num_frames: int, seed: int = 0) -> np.ndarray:
    """Depth frames (T, H, W) uint16 mm: a floor, walls, and an ellipsoidal body that walks in a circle."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    radius = np.hypot(rows - HEIGHT / 2, columns - WIDTH / 2)
    empty = np.where(radius < 52, FLOOR_MM, FLOOR_MM - 120)
    frames = np.empty((num_frames, HEIGHT, WIDTH), np.uint16)
    for t, frame in enumerate(frames):
        angle = t / 20
        x, y = WIDTH / 2 + 25 * np.cos(angle), HEIGHT / 2 + 25 * np.sin(angle)
        heading = angle + np.pi / 2
        along = (columns - x) * np.cos(heading) + (rows - y) * np.sin(heading)
        across = -(columns - x) * np.sin(heading) + (rows - y) * np.cos(heading)
        bulge = 1 - (along / 8) ** 2 - (across / 4) ** 2
        height = 45 * np.sqrt(np.clip(bulge, 0, None))
        frame[...] = np.rint(empty - height + rng.normal(size=empty.shape) * 0.8)
    return frames


def write_recording(folder: Path, num_frames: int, rate_hz: float = 60.0, dropped: tuple[int, ...] = ()) -> Path:
    """A MoSeq session folder of `body_frames`; one slot is missing before each frame of `dropped`."""
    folder.mkdir(parents=True)
    body_frames(num_frames).tofile(folder / "depth.dat")
    slots = np.arange(num_frames) + np.array([sum(d <= t for d in dropped) for t in range(num_frames)])
    np.savetxt(folder / "depth_ts.txt", 1000 * slots / rate_hz, fmt="%.4f")
    lens = {"fx": FOCAL_PX, "fy": FOCAL_PX, "cx": WIDTH / 2, "cy": HEIGHT / 2}
    metadata = {"SubjectName": "m1", "SessionName": "s1", "DepthResolution": [WIDTH, HEIGHT], "Intrinsics": lens}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


def tiny_model(rate_hz: float = 60.0) -> ModelBundle:
    """Three syllables (the last never seen), three lags, four dimensions: arithmetic, not biology."""
    rng = np.random.default_rng(3)
    k, lags, d = 3, 3, 4
    coefficients = np.zeros((k, lags, d, d))
    coefficients[:, -1] = np.eye(d) * np.array([0.95, 0.5, 0.1])[:, None, None]
    return ModelBundle(
        frame_rate_hz=rate_hz,
        extraction=ExtractionSettings(mm_per_crop_pixel=4.0, min_height_mm=8.0),
        projection=Projection(rng.normal(size=(d, 6400)).astype(np.float32), None, PixelFilter()),
        whitening=Whitening(np.zeros(d), np.eye(d) * 3000.0),
        arhmm=ARHMM(
            ar_coefficients=coefficients,
            ar_bias=np.array([[0.0] * d, [0.0] * d, [50.0] * d]),
            ar_covariance=np.tile(np.eye(d), (k, 1, 1)),
            degrees_of_freedom=None,
            transition_matrix=np.array([[0.90, 0.05, 0.05], [0.05, 0.90, 0.05], [0.05, 0.05, 0.90]]),
            initial_probability=np.array([0.4, 0.4, 0.2]),
        ),
        usage=np.array([0.4, 0.4, 0.2]),
        provenance=Provenance("tests", "2026-01-01T00:00:00+00:00", "learned"),
    )


def write_rig(folder: Path, camera: str, private: Path, protocol: str = PROTOCOL, rate_hz: float = 60.0) -> RigFiles:
    """All files of a rig in `folder`; `camera` is the body of the rig file's [camera] table,
    `private` a folder of short path for the session's private directory."""
    files = RigFiles(
        rig=folder / "rig.toml",
        model=folder / "tiny.model.h5",
        protocol=folder / "protocol.toml",
        out=folder / "data",
        private=private,
    )
    files.rig.write_text(
        f"[camera]\n{camera}\n[arena]\nfrom_recording = true\n"
        '[board]\ndriver = "etholoop"\nport = "simulated"\nchannels = {laser = 0}\n'
    )
    files.protocol.write_text(protocol)
    save_bundle(files.model, tiny_model(rate_hz))
    return files


def start(files: RigFiles, *options: str) -> subprocess.Popen[str]:
    """`etholoop run` as a person would start it; its private directory lies in `files.private`."""
    script = [sys.executable, "-c", "from rig.main import main; main()", "run"]
    process = subprocess.Popen(
        [*script, *files.arguments(), "--json", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(files.private)},
    )
    STARTED.append(process)
    return process


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code and output."""
    out, err = process.communicate(timeout=180)
    return process.returncode, out, err


def run(files: RigFiles, *options: str) -> tuple[int, str, str]:
    return finish(start(files, *options))


def edges(folder: Path) -> list[tuple[int, int]]:
    """(host time, level) of every edge of output 0."""
    with (folder / "pins.csv").open() as file:
        return [(int(row["host_ns"]), int(row["level"])) for row in csv.DictReader(file) if row["output"] == "0"]
