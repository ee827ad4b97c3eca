"""One recording in, one `results_00.h5` out."""

import hashlib
import json
import math
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from offline.extract.inputs import DepthInput, open_input, results_folder
from offline.extract.quality import checks_of
from offline.extract.results_writer import ResultsWriter, parameters_of, write_yaml
from online import extraction
from online.arena import Arena, foreign_camera
from online.arena_calibration import CalibrationSettings, calibrate, warnings
from online.errors import ConfigError, EtholoopError
from online.files.arena_file import load_arena
from online.files.mask_file import with_mask
from online.files.whole_file import whole_file
from online.model import ExtractionSettings

if TYPE_CHECKING:
    from offline.extract.preview import PreviewMovie

CALIBRATION_FRAMES = 60
REPORT_EVERY = 50
_NAMESPACE = uuid.UUID("5f0a7f3e-6f0c-5c42-9a0e-2f6d3c1b8a47")

Progress = Callable[[int, int], None]
"""Told how many frames were done, and how many were found to be done, since it was last called."""


@dataclass(frozen=True, slots=True)
class SessionTask:
    """What to extract and how; `arena` is a file, or None to take the recording's own or find it in the recording;
    `mask`: a file of pixels that something hides, besides those that the arena masks."""

    path: Path
    settings: ExtractionSettings
    calibration: CalibrationSettings
    arena: Path | None = None
    mask: Path | None = None
    seed: int = 0
    trim: bool = False
    movie: bool = False

    @property
    def results(self) -> Path:
        """Where the results go."""
        return results_folder(self.path) / "results_00.h5"


@dataclass(frozen=True, slots=True)
class SessionReport:
    """What came out of one session. `checks`: share of frames that fail each check; `failed`: checks it does not pass;
    `means`: of the scalars by which sessions are compared."""

    session: str
    results: str
    frames: int
    dropped: int
    missing: int
    warnings: list[str]
    checks: dict[str, float]
    failed: list[str]
    means: dict[str, float] = field(default_factory=dict)


def extract_session(task: SessionTask, progress: Progress) -> SessionReport:
    """Extract one recording.

    Raises
    ------
    EtholoopError
        also where the disk is full, a folder may not be written, or a file may not be read.
    """
    try:
        return _extract(task, progress)
    except OSError as error:
        raise EtholoopError(f"{error.filename or task.path}: {error.strerror or error}") from error


def _extract(task: SessionTask, progress: Progress) -> SessionReport:
    with open_input(task.path, task.trim) as recording:
        progress(0, len(recording.slots))
        arena = _arena(task, recording)
        if task.settings.convention == "moseq2":  # which takes the camera's pixels as they are
            own_pixel_mm = math.sqrt(arena.mm_per_px[0] * arena.mm_per_px[1])
            task = replace(task, settings=replace(task.settings, mm_per_crop_pixel=own_pixel_mm))
        with whole_file(task.results) as temporary, _movie(task, recording, arena) as movie:
            identity, scalars = _write(task, recording, arena, (temporary, movie), progress)
            parameters = parameters_of(task.settings, recording.rate_hz)
            write_yaml(task.results.with_suffix(".yaml"), identity, recording.metadata, parameters)
        checks = checks_of(scalars, recording.timestamps_ms, recording.rate_hz)
        return SessionReport(
            session=str(task.path),
            results=str(task.results),
            frames=len(recording.slots),
            dropped=int(recording.slots[-1]) + 1 - len(recording.slots),
            missing=int(np.isnan(scalars["centroid_x_px"]).sum()),
            warnings=warnings(arena),
            checks=checks.shares,
            failed=checks.failed,
            means=checks.means,
        )


def _arena(task: SessionTask, recording: DepthInput) -> Arena:
    file = task.arena or recording.arena
    if file is not None:
        arena = load_arena(file)
        height, width = recording.sample(1).shape[1:]
        if complaint := foreign_camera(arena, height, width, recording.intrinsics):
            raise ConfigError(
                f"{file} is not this recording's: {complaint}; leave --arena out, and the arena is found by itself"
            )
    else:
        sample = recording.sample(CALIBRATION_FRAMES)
        arena = calibrate(sample, recording.intrinsics, recording.depth_unit_mm, task.calibration, task.seed)
    return arena if task.mask is None else with_mask(arena, task.mask)


@contextmanager
def _movie(task: SessionTask, recording: DepthInput, arena: Arena) -> Iterator["PreviewMovie | None"]:
    if not task.movie:
        yield None
        return
    from offline.extract.preview import PreviewMovie  # matplotlib is slow to load

    with whole_file(task.results.with_suffix(".mp4")) as temporary:
        movie = PreviewMovie(temporary, arena, task.settings, (recording.rate_hz, recording.depth_unit_mm))
        try:
            yield movie
        finally:
            movie.close()


def identity_of(recording: DepthInput, first_frame: bytes) -> str:
    """A uuid made from the recording itself, so that extracting it again, or a copy of it, gives the same one."""
    digest = hashlib.sha256(json.dumps(dict(recording.metadata), sort_keys=True, default=str).encode())
    digest.update(recording.timestamps_ms.tobytes())
    digest.update(first_frame)
    return str(uuid.uuid5(_NAMESPACE, digest.hexdigest()))


def _write(
    task: SessionTask,
    recording: DepthInput,
    arena: Arena,
    outputs: "tuple[Path, PreviewMovie | None]",
    progress: Progress,
) -> tuple[str, dict[str, np.ndarray]]:
    path, movie = outputs
    state = extraction.init(task.settings, arena, recording.depth_unit_mm, recording.rate_hz)
    steps = np.diff(recording.slots, prepend=-1)
    num_frames = len(steps)
    with ResultsWriter(path, num_frames, task.settings.crop_size_px) as writer:
        for index, frame in enumerate(recording.frames()):
            if index == 0:
                first_frame = frame.copy()
            capture_time_ns = round(recording.timestamps_ms[index] * 1e6)
            extracted = extraction.step(state, frame, int(steps[index]), capture_time_ns)
            writer.append(extracted, extraction.crop_mask(state))
            if movie is not None:
                movie.append(index, frame, extracted)
            if index % REPORT_EVERY == REPORT_EVERY - 1:
                progress(REPORT_EVERY, 0)
        progress(num_frames % REPORT_EVERY, 0)
        scalars = writer.write_scalars(recording.slots, arena, task.settings.convention == "moseq2")
        writer.file["timestamps"] = recording.timestamps_ms
        identity = identity_of(recording, first_frame.tobytes())
        writer.file["metadata/uuid"] = identity
        writer.write_table("metadata/acquisition", recording.metadata)
        writer.write_table("metadata/extraction/parameters", parameters_of(task.settings, recording.rate_hz))
        writer.write_arena(arena, first_frame)
    return identity, scalars
