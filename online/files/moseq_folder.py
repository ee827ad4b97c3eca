"""Depth recordings as MoSeq's acquisition programs leave them, read in place.

A folder with `depth.dat`, `depth.avi` or an Azure `.mkv`, `metadata.json`, and `depth_ts.txt` (ms) or
`timestamps.csv` (s), of which only the first column counts; or one archive `session_*.tar.gz` / `.tgz` of such a
folder with a `depth.dat`. Depths are millimetres from the camera, 0 = no reading.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from online.arena import Intrinsics
from online.errors import FileFormatError
from online.files.depth_source import FrameSource
from online.files.depth_video import VideoFrames
from online.files.recording_parts import ArchiveParts, FolderParts, Parts
from online.frame_grid import SlotRule, frame_period_ms, slot_indices

KINECT2_SHAPE = (424, 512)
# Field of view 70.6 x 60 degrees (Microsoft's data sheet), pinhole: f = half size / tan(half angle).
KINECT2_INTRINSICS = Intrinsics(
    fx_px=256 / math.tan(math.radians(70.6 / 2)), fy_px=212 / math.tan(math.radians(60 / 2)), cx_px=256.0, cy_px=212.0
)


class DepthRecording:
    """An open recording: T frames of H x W pixels.

    timestamps_ms (T,) are the recording's own; `metadata` is metadata.json as it stands, empty where there is none.
    """

    def __init__(
        self, path: Path, source: FrameSource, timestamps_ms: NDArray[np.float64], metadata: Mapping[str, object]
    ) -> None:
        self.path = path
        self.metadata = metadata
        self.timestamps_ms = timestamps_ms
        self.height, self.width, self.num_frames = source.height, source.width, source.num_frames
        self.period_ms = frame_period_ms(timestamps_ms)
        self._source = source

    @property
    def name(self) -> str:
        """Session name of the metadata, else the file's or folder's name."""
        return str(self.metadata.get("SessionName") or self.path.name)

    @property
    def rate_hz(self) -> float:
        """Measured rate of the camera's grid; gaps do not lower it."""
        return 1000 / self.period_ms

    @property
    def intrinsics(self) -> Intrinsics:
        """The lens: `Intrinsics` {fx, fy, cx, cy} of the metadata, or Kinect v2's by the size of the image.

        Raises
        ------
        FileFormatError
            if the metadata says nothing and the image is no Kinect v2's: a wrong lens would falsify every length.
        """
        given = self.metadata.get("Intrinsics")
        if isinstance(given, Mapping):
            try:
                return Intrinsics(*(float(given[key]) for key in ("fx", "fy", "cx", "cy")))
            except (KeyError, TypeError, ValueError) as error:
                raise FileFormatError(f"{self.path}: metadata.json: Intrinsics needs fx, fy, cx, cy in px") from error
        if (self.height, self.width) == KINECT2_SHAPE:
            return KINECT2_INTRINSICS
        raise FileFormatError(
            f"{self.path}: the lens of this {self.width}x{self.height} camera is unknown: "
            'add "Intrinsics": {"fx": ..., "fy": ..., "cx": ..., "cy": ...} (pixels) to metadata.json'
        )

    def slot_indices(self, rule: SlotRule = "round") -> NDArray[np.int64]:
        """Slot of each frame on the camera's grid (T,), dropped frames included; see `online.frame_grid`."""
        return slot_indices(self.timestamps_ms, rule)

    def read_frame(self, index: int, buffer: NDArray[np.uint16]) -> None:
        """Fill the lent `buffer` (H, W) with frame `index`. In order is cheap; in an archive, going back is dear."""
        self._source.read_frame(index, buffer)

    def close(self) -> None:
        """Release the file; harmless when closed."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_recording(path: Path, trim: bool = False) -> DepthRecording:
    """Open a session folder, a depth file within one, or an archived session.

    Parameters
    ----------
    trim
        accept a recording that was cut short: keep the frames that are whole and have a time stamp.

    Raises
    ------
    FileFormatError
        if something is missing, damaged, truncated, or does not fit together.
    """
    parts = _parts(path)
    try:
        metadata = _metadata(parts)
        timestamps_ms = _timestamps_ms(parts)
        source = _source(parts, metadata, timestamps_ms, trim)
    except BaseException:
        parts.close()
        raise
    try:
        return DepthRecording(path, source, _paired(path, source, timestamps_ms, trim), metadata)
    except BaseException:
        source.close()
        raise


def _parts(path: Path) -> Parts:
    if path.is_dir():
        return FolderParts(path)
    if not path.exists():
        raise FileFormatError(f"{path} does not exist: give a session folder, a depth file or a session archive")
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        return ArchiveParts(path)
    return FolderParts(path.parent, path.name)


def _metadata(parts: Parts) -> Mapping[str, object]:
    raw = parts.read("metadata.json")
    if raw is None:
        return {}
    try:
        metadata = json.loads(raw)
    except ValueError as error:
        raise FileFormatError(f"{parts.path}: metadata.json is not JSON: {error}") from error
    if not isinstance(metadata, dict):
        raise FileFormatError(f"{parts.path}: metadata.json must hold an object")
    return metadata


def _timestamps_ms(parts: Parts) -> NDArray[np.float64] | None:
    for name, ms_per_unit in (("depth_ts.txt", 1.0), ("timestamps.csv", 1000.0)):
        raw = parts.read(name)
        if raw is None:
            continue
        try:
            column = [float(line.split(None, 1)[0]) for line in raw.decode().splitlines() if line.strip()]
        except ValueError as error:
            raise FileFormatError(f"{parts.path}: {name} must hold numbers in its first column: {error}") from error
        return np.asarray(column) * ms_per_unit
    return None


def _source(
    parts: Parts, metadata: Mapping[str, object], timestamps_ms: NDArray[np.float64] | None, trim: bool
) -> FrameSource:
    if not parts.depth_name.lower().endswith(".dat"):
        return VideoFrames(parts.path / parts.depth_name)
    height, width = _shape(metadata)
    num_bytes, frame_bytes = parts.depth_bytes(), 2 * height * width
    num_frames, rest = divmod(num_bytes, frame_bytes)
    if num_frames == 0 or (rest and not trim):
        hint = ""
        if timestamps_ms is not None and num_bytes % (2 * timestamps_ms.size) == 0:
            pixels = num_bytes // (2 * timestamps_ms.size)
            hint = (
                f" ({timestamps_ms.size} time stamps would make frames of {pixels} pixels: is DepthResolution right?)"
            )
        raise FileFormatError(
            f"{parts.path}: {parts.depth_name} has {num_bytes} bytes, which is no whole number of {width}x{height} "
            f"frames of {frame_bytes} bytes: it was cut short, or metadata.json gives another DepthResolution{hint}"
        )
    return parts.open_raw((height, width), num_frames)


def _shape(metadata: Mapping[str, object]) -> tuple[int, int]:
    """(H, W) from DepthResolution [width, height], Kinect v2's where the metadata does not say."""
    resolution = metadata.get("DepthResolution", [KINECT2_SHAPE[1], KINECT2_SHAPE[0]])
    match resolution:
        case [int(width), int(height)] if width > 0 and height > 0:
            return height, width
    raise FileFormatError(f"metadata.json: DepthResolution must be [width, height], not {resolution!r}")


def _paired(
    path: Path, source: FrameSource, timestamps_ms: NDArray[np.float64] | None, trim: bool
) -> NDArray[np.float64]:
    """One time stamp for each frame."""
    if timestamps_ms is None:
        if not isinstance(source, VideoFrames) or not source.has_own_times:
            raise FileFormatError(f"{path}: depth_ts.txt is missing: without time stamps dropped frames cannot be seen")
        return source.timestamps_ms
    if timestamps_ms.size != source.num_frames:
        if not trim:
            raise FileFormatError(
                f"{path}: {source.num_frames} frames but {timestamps_ms.size} time stamps: "
                "the recording was cut short; open it trimmed to use what has both"
            )
        source.num_frames = min(source.num_frames, timestamps_ms.size)
    return timestamps_ms[: source.num_frames].copy()
