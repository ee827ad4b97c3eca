"""Where the SDK's pipeline gets its frames: a connected camera, or a recorded file (a third: `realsense_feed`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from online import arrival_fit
from online.errors import CameraLost, CameraNotFound
from online.messages import Truth
from rig.cameras.pacing import Pacer
from rig.cameras.protocol import EndOfRecording
from rig.cameras.realsense_sdk import DepthMode, connected_devices, device_text, find_device
from rig.clock import Clock

LAST_FRAME_MS = 100
"""How long the last frames of a file may take through the pipeline after the file has ended."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A device that a pipeline will stream from; `default` is the mode where the settings leave it open."""

    device: Any
    identity: str
    default: DepthMode | None


class Source(Protocol):
    """Calls in order: `attach` → `start` (the pipeline runs by then) → (`fetch` → `capture_time_ns`)* → `close`.

    is_device : it can be set, locked and lost; a file cannot.
    live : there is a real camera.
    truth : of the frame fetched last, where the mouse is simulated.
    """

    @property
    def is_device(self) -> bool: ...
    @property
    def live(self) -> bool: ...
    @property
    def truth(self) -> Truth | None: ...

    def attach(self, sdk: Any, pipeline: Any, config: Any) -> Attached:
        """Find the device and tell pipeline or config of it."""

    def start(self) -> None:
        """Frames may flow."""

    def fetch(self, pipeline: Any, timeout_ms: int) -> Any | None:
        """The next frame set, or None when none came."""

    def capture_time_ns(self, device_ns: int, arrival_ns: int, timeout_ms: int) -> int | None:
        """When the frame was captured on the host's clock, or None if a file's frame is not yet due."""

    def close(self) -> None:
        """Let go of the device."""


class LiveSource:
    """A connected camera, by its serial number; its clock is fitted to the host's."""

    is_device = True
    live = True
    truth = None

    def __init__(self, serial: str | None, transport_delay_ns: int) -> None:
        self._serial = serial
        self._transport_delay_ns = transport_delay_ns
        self._device: Any = None

    def attach(self, sdk: Any, pipeline: Any, config: Any) -> Attached:
        """Find the camera at once; the pipeline by itself would wait 15 s for one."""
        self._device = find_device(sdk, connected_devices(sdk), self._serial)
        serial = device_text(sdk, self._device, "serial_number")
        config.enable_device(serial)
        return Attached(self._device, f"realsense:{serial}", DepthMode(640, 480, 30))

    def start(self) -> None:
        """Begin to fit the clock."""
        self._fit = arrival_fit.init()

    def fetch(self, pipeline: Any, timeout_ms: int) -> Any | None:
        """The next frame set; CameraLost as soon as the SDK knows that the camera is gone."""
        came, frames = pipeline.try_wait_for_frames(timeout_ms)
        if not came and not self._device.is_connected():
            raise CameraLost("the RealSense camera was unplugged: check cable and port, then start a new session")
        return frames if came else None

    def capture_time_ns(self, device_ns: int, arrival_ns: int, timeout_ms: int) -> int:
        """By the fitted clock."""
        return arrival_fit.step(self._fit, device_ns, arrival_ns) - self._transport_delay_ns

    def close(self) -> None:
        """Let go of the device."""
        self._device = None


class FileSource:
    """A `.db3` or `.bag` file, paced by its frames' own time stamps."""

    is_device = False
    live = False
    truth = None

    def __init__(self, file: Path, clock: Clock, fast: bool) -> None:
        self._file = file
        self._pacer = Pacer(clock, fast)
        self._playback: Any = None

    def attach(self, sdk: Any, pipeline: Any, config: Any) -> Attached:
        """Open the file; frames then wait until they are fetched."""
        if not self._file.is_file():
            raise CameraNotFound(f"{self._file} does not exist: `file` must name a .db3 or .bag recording")
        self._playback = sdk.context().load_device(str(self._file))
        self._playback.set_real_time(False)  # in the SDK's real time, frames not fetched soon enough are dropped
        self._stopped = sdk.playback_status.stopped
        pipeline.set_device(self._playback)
        return Attached(self._playback, f"file:{self._file.resolve()}", None)

    def start(self) -> None:
        """The first frame is due now."""
        self._first_ns: int | None = None
        self._pacer.start()

    def fetch(self, pipeline: Any, timeout_ms: int) -> Any | None:
        """The next frame set; EndOfRecording after the last."""
        came, frames = pipeline.try_wait_for_frames(timeout_ms)
        if not came and self._playback.current_status() == self._stopped:
            came, frames = pipeline.try_wait_for_frames(LAST_FRAME_MS)
            if not came:
                raise EndOfRecording
        return frames if came else None

    def capture_time_ns(self, device_ns: int, arrival_ns: int, timeout_ms: int) -> int | None:
        """The start of playing plus the frame's time in the file, when that has come."""
        if self._first_ns is None:
            self._first_ns = device_ns
        return self._pacer.wait(device_ns - self._first_ns, timeout_ms)

    def close(self) -> None:
        """Let go of the file."""
        self._playback = None
