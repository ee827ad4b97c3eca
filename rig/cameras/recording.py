"""Playback of a depth recording as a camera."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from online.arena import Intrinsics
from online.files.moseq_folder import DepthRecording, open_recording
from rig.cameras.pacing import Pacer
from rig.cameras.protocol import CameraInfo, EndOfRecording, FrameStamp, check_buffer
from rig.clock import Clock

Pace = Literal["recorded", "fast"] | float
"""As recorded, as fast as it is read, or at a rate in Hz."""


class RecordingCamera:
    """Plays a session folder, depth file or archive; every frame is delivered, late rather than never.

    `frame_number` is the frame's place in the file, `device_time_ns` the recording's own time stamp.
    """

    def __init__(
        self, path: Path, pace: Pace, clock: Clock, trim: bool = False, intrinsics: Intrinsics | None = None
    ) -> None:
        self._path = path
        self._pace = pace
        self._clock = clock
        self._trim = trim
        self._intrinsics = intrinsics
        self._pacer = Pacer(clock, fast=pace == "fast")
        self._recording: DepthRecording | None = None
        self.num_frames = 0
        self._started = False

    def open(self) -> CameraInfo:
        """Open the file; raises FileFormatError if it is damaged."""
        self.close()
        self._recording = recording = open_recording(self._path, self._trim)
        try:
            lens = self._intrinsics or recording.intrinsics
        except BaseException:
            self.close()
            raise
        self.num_frames = recording.num_frames
        self._slots = recording.slot_indices()
        self._device_ns = np.rint(recording.timestamps_ms * 1e6).astype(np.int64)
        self._offsets_ns = self._offsets(recording)
        self._staged = np.zeros((recording.height, recording.width), np.uint16)
        return CameraInfo(
            name=f"recording {recording.name}",
            identity=f"file:{self._path.resolve()}",
            width=recording.width,
            height=recording.height,
            rate_hz=self._pace if isinstance(self._pace, float) else recording.rate_hz,
            depth_unit_mm=1.0,
            fx_px=lens.fx_px,
            fy_px=lens.fy_px,
            cx_px=lens.cx_px,
            cy_px=lens.cy_px,
            live=False,
            num_frames=recording.num_frames,
        )

    def _offsets(self, recording: DepthRecording) -> NDArray[np.int64]:
        """Capture time of each frame after the start (T,), ns."""
        if isinstance(self._pace, float):
            offsets_ms = self._slots * (1000 / self._pace)
        else:
            offsets_ms = recording.timestamps_ms - recording.timestamps_ms[0]
        offsets_ns: NDArray[np.int64] = np.rint(offsets_ms * 1e6).astype(np.int64)
        return offsets_ns

    def start(self) -> None:
        """Play from the first frame."""
        if self._recording is None:
            raise RuntimeError("open the camera before starting it")
        self._next = 0
        self._staged_index = -1
        self._started = True
        self._pacer.start()

    def read_into(self, buffer: NDArray[np.uint16], timeout_ms: int) -> FrameStamp | None:
        """Copy the next frame into `buffer` (height, width) when it is due."""
        recording = self._recording
        if recording is None or not self._started:
            raise RuntimeError("start the camera before reading it")
        check_buffer(buffer, recording.height, recording.width)
        index = self._next
        if index >= recording.num_frames:
            raise EndOfRecording
        if self._staged_index != index:  # read ahead of the wait, so that reading adds nothing to the latency
            recording.read_frame(index, self._staged)
            self._staged_index = index
        capture_ns = self._pacer.wait(int(self._offsets_ns[index]), timeout_ms)
        if capture_ns is None:
            return None
        np.copyto(buffer, self._staged)
        self._next += 1
        return FrameStamp(
            frame_index=int(self._slots[index]),
            frame_number=index,
            device_time_ns=int(self._device_ns[index]),
            capture_time_ns=capture_ns,
            arrival_time_ns=self._clock.now_ns(),
        )

    def close(self) -> None:
        """Close the file."""
        self._started = False
        if self._recording is not None:
            self._recording.close()
            self._recording = None
