"""What can be extracted: MoSeq recordings, Etholoop sessions, RealSense files, all read frame by frame in order."""

import json
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from online.arena import Intrinsics
from online.errors import FileFormatError
from online.files.moseq_folder import DepthRecording, open_recording
from online.files.session_file import SessionReader
from online.frame_grid import frame_period_ms

Frame = NDArray[np.uint16]
REALSENSE_SUFFIXES = (".db3", ".bag")
_STAMP = struct.Struct("<qq")


class DepthInput(Protocol):
    """An open recording of T frames. timestamps_ms (T,); slots (T,): places on the camera's grid, from 0.

    `arena` is the arena file that belongs to it, None where it has none.
    """

    metadata: Mapping[str, object]
    timestamps_ms: NDArray[np.float64]
    slots: NDArray[np.int64]
    rate_hz: float
    depth_unit_mm: float
    intrinsics: Intrinsics
    arena: Path | None

    def sample(self, count: int) -> Frame:
        """About `count` frames (k, H, W) spread over the recording."""

    def frames(self) -> Iterator[Frame]:
        """All frames (H, W) in order; the buffer is reused."""

    def close(self) -> None:
        """Release the file."""


@contextmanager
def open_input(path: Path, trim: bool = False) -> Iterator[DepthInput]:
    """Open anything that can be extracted.

    Raises
    ------
    FileFormatError
        if it is nothing of the kind, damaged, or holds no depth.
    """
    opened: DepthInput
    if path.suffix in REALSENSE_SUFFIXES:
        opened = PouredInput(path)
    elif path.name == "session.h5" or (path / "session.h5").exists():
        opened = SessionInput(path if path.is_dir() else path.parent)
    else:
        opened = MoSeqInput(open_recording(path, trim))
    try:
        yield opened
    finally:
        opened.close()


def results_folder(path: Path) -> Path:
    """Where results go: `proc/` in the session's folder, or in a folder of its name beside an archive or file."""
    if path.is_dir():
        return path / "proc"
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        return path.parent / path.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz") / "proc"
    if path.suffix in REALSENSE_SUFFIXES:
        return path.with_suffix("") / "proc"
    return path.parent / "proc"


class MoSeqInput:
    """A MoSeq folder, depth file or archive."""

    def __init__(self, recording: DepthRecording) -> None:
        self._recording = recording
        self.metadata = recording.metadata
        self.timestamps_ms = recording.timestamps_ms
        self.slots = recording.slot_indices()
        self.rate_hz = recording.rate_hz
        self.depth_unit_mm = 1.0
        self.intrinsics = recording.intrinsics
        self.arena: Path | None = None

    def _read(self, indices: NDArray[np.int64], buffer: Frame) -> Iterator[Frame]:
        for index in indices:
            self._recording.read_frame(int(index), buffer)
            yield buffer

    def _buffer(self) -> Frame:
        return np.empty((self._recording.height, self._recording.width), np.uint16)

    def sample(self, count: int) -> Frame:
        """Evenly spread frames."""
        indices = np.linspace(0, len(self.slots) - 1, min(count, len(self.slots))).astype(np.int64)
        return np.stack([frame.copy() for frame in self._read(indices, self._buffer())])

    def frames(self) -> Iterator[Frame]:
        """All frames."""
        yield from self._read(np.arange(len(self.slots)), self._buffer())

    def close(self) -> None:
        """Release the file."""
        self._recording.close()


class SessionInput:
    """A session of Etholoop's with recorded depth."""

    def __init__(self, folder: Path) -> None:
        self._reader = SessionReader(folder)
        depth = self._reader.array("frames/depth")
        if depth is None or len(depth) == 0:
            self._reader.__exit__(None, None, None)
            raise FileFormatError(f"{folder}: this session kept no depth ([recorder] depth = false)")
        self._depth: Any = depth
        attributes = self._reader.attributes
        camera = attributes["camera"]
        rows = self._reader.table("frames/header")[: len(depth)]
        self.metadata: Mapping[str, object] = {
            "SubjectName": str(attributes.get("subject", "")),
            "SessionName": str(attributes.get("session", folder.name)),
            "StartTime": str(attributes.get("started_at", "")),
        }
        self.timestamps_ms = rows["capture_time_ns"] / 1e6
        self.slots = rows["frame_index"] - rows["frame_index"][0]
        self.rate_hz = float(camera["rate_hz"])
        self.depth_unit_mm = float(camera["depth_unit_mm"])
        self.intrinsics = Intrinsics(camera["fx_px"], camera["fy_px"], camera["cx_px"], camera["cy_px"])
        self.arena = folder / "arena.toml" if (folder / "arena.toml").exists() else None

    def sample(self, count: int) -> Frame:
        """Evenly spread frames."""
        indices = np.unique(np.linspace(0, len(self.slots) - 1, count).astype(np.int64))
        return np.stack([self._depth[int(index)] for index in indices])

    def frames(self) -> Iterator[Frame]:
        """All frames."""
        for index in range(len(self.slots)):
            yield self._depth[index]

    def close(self) -> None:
        """Release the file."""
        self._reader.__exit__(None, None, None)


class PouredInput:
    """A RealSense file, read through `etholoop convert FILE -` in another process: the SDK stays at the rig.

    The file is gone through once when it is opened, for its time stamps and a sample, and again for `frames`.
    """

    def __init__(self, path: Path, sample_frames: int = 120) -> None:
        self._path = path
        self.metadata: Mapping[str, object] = {"SessionName": path.stem}
        stamps: list[tuple[int, int]] = []
        self._sample: list[Frame] = []
        stride = 1
        for index, (stamp, frame) in enumerate(self._pour()):
            stamps.append(stamp)
            if index % stride == 0:
                self._sample.append(frame.copy())
            if len(self._sample) == sample_frames:
                self._sample, stride = self._sample[::2], 2 * stride
        if len(stamps) < 2:
            raise FileFormatError(f"{path}: fewer than two depth frames: it was cut short, or recorded no depth")
        slots, times_ns = np.array(stamps, np.int64).T
        self.slots = slots - slots[0]
        self.timestamps_ms = times_ns / 1e6
        self.rate_hz = 1000 / frame_period_ms(self.timestamps_ms)
        self.arena: Path | None = None

    def _pour(self) -> Iterator[tuple[tuple[int, int], Frame]]:
        words = [sys.executable, "-m", "rig.main", "convert", str(self._path), "-"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out, complaints = process.stdout, process.stderr
            assert out is not None
            assert complaints is not None
            shape = self._describe(out.readline())
            frame = np.empty(shape or (0, 0), np.dtype("<u2"))
            while shape is not None and (head := out.read(_STAMP.size)):
                _fill(out, frame)
                yield _STAMP.unpack(head), frame
            if process.wait() != 0:
                raise FileFormatError(f"{self._path}: {complaints.read().decode().strip()}")

    def _describe(self, line: bytes) -> tuple[int, int] | None:
        if not line:
            return None
        info = json.loads(line)
        self.depth_unit_mm = float(info["depth_unit_mm"])
        self.intrinsics = Intrinsics(info["fx_px"], info["fy_px"], info["cx_px"], info["cy_px"])
        return int(info["height"]), int(info["width"])

    def sample(self, count: int) -> Frame:
        """Evenly spread frames, kept when the file was opened."""
        chosen = np.unique(np.linspace(0, len(self._sample) - 1, count).astype(int))
        return np.stack([self._sample[index] for index in chosen])

    def frames(self) -> Iterator[Frame]:
        """All frames."""
        for _, frame in self._pour():
            yield frame

    def close(self) -> None:
        """Nothing is held open."""


def _fill(stream: IO[bytes], frame: Frame) -> None:
    rest = frame.reshape(-1).view(np.uint8).data
    while rest:
        count = stream.readinto(rest)  # type: ignore[attr-defined]
        if not count:
            raise FileFormatError("a recording ended within a frame")
        rest = rest[count:]
