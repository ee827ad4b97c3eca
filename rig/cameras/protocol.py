"""What a camera is: it fills a buffer that it is lent, and knows no threads.

One thread calls, in this order: `open` → `start` → `read_into`* → `close`. `close` may follow anything, twice too.
Of what is meant for the user, every method may raise `online.errors.CameraError` (or a child of it), `open` also
`BusyError` when another program holds the device, and a camera that plays a file `FileFormatError`. Calls out of order
(RuntimeError) and a buffer of the wrong shape or type (ValueError) are bugs of the caller.

`read_into` returns within `timeout_ms` (plus a millisecond or so) with a FrameStamp, or None when no frame came;
it raises `EndOfRecording` when a finite source is used up and `CameraLost` when the device is gone. Frames come in
order; a frame that the camera lost is seen as a gap in `frame_index`. The buffer is filled completely or not at all,
and not kept. A closed camera can be opened again, and then begins anew.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from online.messages import Truth


class EndOfRecording(Exception):
    """A finite source has no further frame."""


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """What `open` found.

    fx_px, fy_px, cx_px, cy_px: pinhole intrinsics in pixels. `depth_unit_mm`: mm per count of the uint16 image
    (0 counts = no reading). `identity` names the physical device (or file) for locks and records; `live` is False
    for recordings; `num_frames` is None when endless or unknown.
    """

    name: str
    identity: str
    width: int
    height: int
    rate_hz: float
    depth_unit_mm: float
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    live: bool
    num_frames: int | None


@dataclass(frozen=True, slots=True)
class FrameStamp:
    """Which frame this is and when.

    `frame_index` counts slots of the regular grid from 0, lost frames included; `frame_number` is the camera's own.
    `device_time_ns` is the camera's clock. `capture_time_ns` is exposure on the host's monotonic clock as far as it
    is known; `arrival_time_ns` is when the frame reached this program.
    """

    frame_index: int
    frame_number: int
    device_time_ns: int
    capture_time_ns: int
    arrival_time_ns: int
    truth: Truth | None = None


def check_buffer(buffer: NDArray[np.uint16], height: int, width: int) -> None:
    """Raise ValueError unless `buffer` is what `read_into` fills."""
    if buffer.shape != (height, width) or buffer.dtype != np.uint16 or not buffer.flags.c_contiguous:
        raise ValueError(f"a C-ordered uint16 buffer of {(height, width)} is needed, not {buffer.dtype} {buffer.shape}")


class Camera(Protocol):
    """See the top of this file for who calls what and what may be raised."""

    def open(self) -> CameraInfo:
        """Find the device, check that it can do what is asked, and describe it. Streams nothing yet."""

    def start(self) -> None:
        """Begin to stream; frame_index starts at 0."""

    def read_into(self, buffer: NDArray[np.uint16], timeout_ms: int) -> FrameStamp | None:
        """Copy the next frame into `buffer` (height, width), C order."""

    def close(self) -> None:
        """Release the device; harmless when nothing is open."""
