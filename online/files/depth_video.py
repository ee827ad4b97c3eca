"""Depth as lossless 16-bit video: FFV1 `.avi` (gray16le) and Azure Kinect `.mkv` (gray16be, the track titled DEPTH)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online.errors import ConfigError, FileFormatError
from online.files.depth_source import check_request

_PIXEL_TYPES = {"gray16le": "<u2", "gray16be": ">u2"}
_SEEK_BEYOND = 30  # frames; up to here decoding onwards is cheaper than a seek to a key frame


def _av() -> Any:
    try:
        import av
    except ModuleNotFoundError as error:
        raise ConfigError("depth videos (.avi, .mkv) need the package 'av': pip install 'etholoop[offline]'") from error
    return av


class VideoFrames:
    """Frames of a depth video.

    timestamps_ms (T,) is the container's own time of each frame, from the first; `has_own_times` is False where the
    container only numbers its frames (.avi).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._errors: type[Exception] = _av().error.FFmpegError
        try:
            self._container: Any = _av().open(str(path))
        except self._errors as error:
            raise FileFormatError(f"{path} cannot be opened as a video: {error}") from error
        try:
            self._stream = self._depth_stream()
            self._pts = self._presentation_times()
        except self._errors as error:
            self._container.close()
            raise FileFormatError(f"{path} cannot be read to its end: {error}") from error
        except FileFormatError:
            self._container.close()
            raise
        self.height, self.width = int(self._stream.height), int(self._stream.width)
        self.num_frames = len(self._pts)
        self.timestamps_ms: NDArray[np.float64] = (self._pts - self._pts[0]) * (float(self._stream.time_base) * 1000)
        self.has_own_times = path.suffix.lower() == ".mkv"
        self._next = 0
        self._decoder = self._container.decode(self._stream)

    def _depth_stream(self) -> Any:
        streams = self._container.streams.video
        if not streams:
            raise FileFormatError(f"{self._path} holds no video stream")
        stream = next((s for s in streams if s.metadata.get("title") == "DEPTH"), streams[0])
        if stream.pix_fmt not in _PIXEL_TYPES:
            raise FileFormatError(
                f"{self._path}: {stream.pix_fmt} pixels, but depth is 16-bit grey (gray16le, gray16be)"
            )
        return stream

    def _presentation_times(self) -> NDArray[np.int64]:
        """Time of every frame in the stream's time base (T,), from the index if it is whole, else by a scan."""
        entries = self._stream.index_entries
        times = [entry.timestamp for entry in entries]
        if len(times) != self._stream.frames or not times:
            times = [p.pts for p in self._container.demux(self._stream) if p.pts is not None]
            self._container.seek(0, stream=self._stream)
        if not times:
            raise FileFormatError(f"{self._path} holds no frame")
        return np.sort(np.asarray(times, np.int64))

    def _seek(self, index: int) -> None:
        self._container.seek(int(self._pts[index]), stream=self._stream)
        self._decoder = self._container.decode(self._stream)

    def read_frame(self, index: int, buffer: NDArray[np.uint16]) -> None:
        """Fill `buffer` (H, W) with frame `index`."""
        check_request(self, index, buffer)
        if not self._next <= index <= self._next + _SEEK_BEYOND:
            self._seek(index)
        self._next = index + 1
        try:
            for frame in self._decoder:
                if frame.pts >= self._pts[index]:
                    self._copy(frame, buffer)
                    return
        except self._errors as error:
            raise FileFormatError(f"{self._path}: frame {index} cannot be decoded ({error})") from error
        raise FileFormatError(f"{self._path} ends before frame {index}: the file is truncated")

    def _copy(self, frame: Any, buffer: NDArray[np.uint16]) -> None:
        plane = frame.planes[0]
        rows = np.frombuffer(plane, _PIXEL_TYPES[frame.format.name]).reshape(plane.height, -1)
        buffer[:] = rows[: self.height, : self.width]

    def close(self) -> None:
        """Release the file."""
        self._container.close()
