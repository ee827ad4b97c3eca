"""RealSense depth cameras through the SDK's pipeline, the same way for a live camera, a file and a software device."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online.errors import BusyError, CameraError, CameraLost, ConfigError
from rig.cameras import device_clock
from rig.cameras.protocol import CameraInfo, FrameStamp, check_buffer
from rig.cameras.realsense_sdk import apply_settings, choose_profile, depth_sensor, device_text, load_sdk
from rig.cameras.realsense_settings import RealSenseSettings
from rig.cameras.realsense_sources import Attached, FileSource, LiveSource, Source
from rig.clock import Clock
from rig.locks import DeviceLock, acquire

START_UP_MS = 5000
"""Before its first frame a camera may be silent for longer than later."""


@dataclass(slots=True)
class _Fetched:
    """A frame of the SDK's, held until it is due."""

    image: Any
    frame_number: int
    device_ns: int
    arrival_ns: int


def _source(settings: RealSenseSettings, clock: Clock) -> Source:
    if settings.file is not None:
        return FileSource(settings.file, clock, fast=settings.pace == "fast")
    return LiveSource(settings.serial, round(settings.transport_delay_ms * 1e6))


class RealSenseCamera:
    """A RealSense camera: live, or a file that `settings` name, or another `source`.

    `frame_number` and `device_time_ns` are the device's own; the latter is mended where the camera's clock overflows
    (every 72 minutes) and moved back to the middle of the exposure where the device tells it.
    """

    def __init__(self, settings: RealSenseSettings, clock: Clock, source: Source | None = None) -> None:
        self._source = source or _source(settings, clock)
        self._settings = settings
        self._clock = clock
        self._lock: DeviceLock | None = None
        self._forget()

    def _forget(self) -> None:
        """Let go of the SDK's objects; a file being recorded is finished when the last of them goes."""
        self._held: _Fetched | None = None
        self._sdk: Any = None
        self._pipeline: Any = None
        self._config: Any = None
        self._info: CameraInfo | None = None
        self._streaming = False

    def open(self) -> CameraInfo:
        """Find the device, lock it, choose its mode, set its sensor."""
        self.close()
        try:
            self._sdk = load_sdk()
            self._pipeline, self._config = self._sdk.pipeline(), self._sdk.config()
            self._info = self._prepare(self._source.attach(self._sdk, self._pipeline, self._config))
        except RuntimeError as error:
            self.close()
            raise CameraError(f"the RealSense SDK cannot open the camera: {error}") from error
        except BaseException:
            self.close()
            raise
        return self._info

    def _prepare(self, attached: Attached) -> CameraInfo:
        sdk, device = self._sdk, attached.device
        if self._source.is_device:
            self._lock = acquire(attached.identity)
        profile = choose_profile(sdk, device, self._settings, attached.default)
        sensor = depth_sensor(sdk, device)
        if self._source.is_device:
            apply_settings(sdk, sensor, self._settings)
            self._record()
        self._config.enable_stream(sdk.stream.depth, profile.width(), profile.height(), sdk.format.z16, profile.fps())
        lens = profile.get_intrinsics()
        return CameraInfo(
            name=f"RealSense {device_text(sdk, device, 'name')}",
            identity=attached.identity,
            width=profile.width(),
            height=profile.height(),
            rate_hz=float(profile.fps()),
            depth_unit_mm=round(sensor.get_option(sdk.option.depth_units) * 1000, 6),
            fx_px=lens.fx,
            fy_px=lens.fy,
            cx_px=lens.ppx,
            cy_px=lens.ppy,
            live=self._source.live,
            num_frames=None,
        )

    def _record(self) -> None:
        path = self._settings.record_to
        if path is None:
            return
        if path.exists() or not path.parent.is_dir():
            raise ConfigError(f"record_to = {path}: the file must be new and its folder must exist")
        self._config.enable_record_to_file(str(path))

    def start(self) -> None:
        """Start the pipeline."""
        if self._info is None:
            raise RuntimeError("open the camera before starting it")
        try:
            self._pipeline.start(self._config)
        except RuntimeError as error:
            if "busy" in str(error).lower():
                raise BusyError(f"{self._info.name} is in use by another program: {error}") from error
            raise CameraError(f"{self._info.name} does not start: {error}") from error
        self._first_number: int | None = None
        self._device_clock = device_clock.DeviceClock()
        self._silent_at_ns = self._clock.now_ns() + START_UP_MS * 1_000_000
        self._streaming = True
        self._source.start()

    def read_into(self, buffer: NDArray[np.uint16], timeout_ms: int) -> FrameStamp | None:
        """Copy the next frame into `buffer` (height, width)."""
        info = self._info
        if info is None or not self._streaming:
            raise RuntimeError("start the camera before reading it")
        check_buffer(buffer, info.height, info.width)
        if self._held is None:
            self._held = self._fetch(timeout_ms)
        held = self._held
        if held is None:
            return None
        capture_ns = self._source.capture_time_ns(held.device_ns, held.arrival_ns, timeout_ms)
        if capture_ns is None:
            return None
        np.copyto(buffer, np.asanyarray(held.image.get_data()))
        self._held = None
        if self._first_number is None:
            self._first_number = held.frame_number
        return FrameStamp(
            frame_index=held.frame_number - self._first_number,
            frame_number=held.frame_number,
            device_time_ns=held.device_ns,
            capture_time_ns=capture_ns,
            arrival_time_ns=held.arrival_ns if self._source.is_device else self._clock.now_ns(),
            truth=self._source.truth,
        )

    def _fetch(self, timeout_ms: int) -> _Fetched | None:
        try:
            frames = self._source.fetch(self._pipeline, timeout_ms)
        except RuntimeError as error:
            raise CameraLost(f"the RealSense SDK lost the camera: {error}") from error
        now_ns = self._clock.now_ns()
        if frames is None:
            if self._source.is_device and now_ns > self._silent_at_ns:
                raise CameraLost(
                    f"no frame came from the RealSense camera for {self._settings.silence_ms} ms: it was unplugged, "
                    "lost power, or its USB link failed"
                )
            return None
        self._silent_at_ns = now_ns + self._settings.silence_ms * 1_000_000
        image = frames.get_depth_frame()
        return _Fetched(image, image.get_frame_number(), self._device_time_ns(image), now_ns)

    def _device_time_ns(self, image: Any) -> int:
        key = self._sdk.frame_metadata_value
        readout_us, exposure_us = (
            image.get_frame_metadata(k) if image.supports_frame_metadata(k) else None
            for k in (key.frame_timestamp, key.sensor_timestamp)
        )
        return device_clock.step(self._device_clock, image.get_timestamp(), readout_us, exposure_us)

    def close(self) -> None:
        """Stop the pipeline and release the device; a file being recorded is complete afterwards."""
        if self._streaming:
            self._pipeline.stop()
        self._forget()
        self._source.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
