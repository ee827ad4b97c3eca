"""Another camera's frames pushed through the SDK's software device: the driver runs as with a camera, without one."""

from typing import Any

import numpy as np

from online import arrival_fit
from online.errors import CameraLost
from online.messages import Truth
from rig.cameras.protocol import Camera, CameraInfo, FrameStamp
from rig.cameras.realsense_sdk import DepthMode
from rig.cameras.realsense_sources import Attached

DELIVERY_MS = 2000


class FeedSource:
    """A software device with one depth sensor, fed from `camera`, one frame each time one is fetched.

    serial, link : what the device says of itself.
    exact_times : take the feed's capture times instead of fitting its clock; for feeds that run faster than time.
    """

    is_device = True
    live = False

    def __init__(self, camera: Camera, serial: str | None = None, link: str = "3.2", exact_times: bool = False) -> None:
        self._camera = camera
        self._serial = serial
        self._link = link
        self._exact_times = exact_times
        self._device: Any = None
        self._sensor: Any = None
        self._fields: dict[str, Any] = {}
        self.truth: Truth | None = None

    def attach(self, sdk: Any, pipeline: Any, config: Any) -> Attached:
        """Make the device after what the feed says of itself."""
        info = self._camera.open()
        self._staged = np.zeros((info.height, info.width), np.uint16)
        self._device = sdk.software_device()
        serial = self._serial or info.identity
        for field, text in (("name", info.name), ("serial_number", serial), ("usb_type_descriptor", self._link)):
            self._device.register_info(getattr(sdk.camera_info, field), text)
        self._sensor = self._device.add_sensor("Stereo Module")
        profile = self._sensor.add_video_stream(_stream(sdk, info), True)
        self._sensor.add_read_only_option(sdk.option.depth_units, info.depth_unit_mm / 1000)
        self._new_frame = sdk.software_video_frame
        self._fields = _frame_fields(sdk, profile, info)
        pipeline.set_device(self._device)
        mode = DepthMode(info.width, info.height, round(info.rate_hz))
        return Attached(self._device, f"realsense:{serial}", mode)

    def start(self) -> None:
        """Let the feeding camera stream."""
        self._fit = arrival_fit.init()
        self._camera.start()

    def fetch(self, pipeline: Any, timeout_ms: int) -> Any | None:
        """Push the feed's next frame, if one is due, and fetch it."""
        stamp = self._camera.read_into(self._staged, timeout_ms)
        if stamp is None:
            return None
        self._push(stamp)
        self.truth, self._fed_capture_ns = stamp.truth, stamp.capture_time_ns
        came, frames = pipeline.try_wait_for_frames(DELIVERY_MS)
        if not came:
            raise CameraLost(f"the RealSense SDK did not pass on frame {stamp.frame_index} of the software device")
        return frames

    def _push(self, stamp: FrameStamp) -> None:
        frame = self._new_frame()  # a new one each time: the SDK owns and frees the pixels of the one it was given
        for name, value in self._fields.items():
            setattr(frame, name, value)
        frame.pixels = self._staged
        frame.timestamp = stamp.device_time_ns * 1e-6
        frame.frame_number = stamp.frame_index + 1
        self._sensor.on_video_frame(frame)

    def capture_time_ns(self, device_ns: int, arrival_ns: int, timeout_ms: int) -> int:
        """By the fitted clock, or as the feed says."""
        return self._fed_capture_ns if self._exact_times else arrival_fit.step(self._fit, device_ns, arrival_ns)

    def close(self) -> None:
        """Close the feeding camera."""
        self._device = self._sensor = None
        self._fields = {}
        self._camera.close()


def _stream(sdk: Any, info: CameraInfo) -> Any:
    lens = sdk.intrinsics()
    lens.width, lens.height = info.width, info.height
    lens.fx, lens.fy, lens.ppx, lens.ppy = info.fx_px, info.fy_px, info.cx_px, info.cy_px
    lens.model, lens.coeffs = sdk.distortion.brown_conrady, [0.0] * 5
    stream = sdk.video_stream()
    stream.type, stream.fmt, stream.uid, stream.bpp = sdk.stream.depth, sdk.format.z16, 0, 2
    stream.width, stream.height, stream.fps = info.width, info.height, round(info.rate_hz)
    stream.intrinsics = lens
    return stream


def _frame_fields(sdk: Any, profile: Any, info: CameraInfo) -> dict[str, Any]:
    """What is the same in every frame."""
    return {
        "stride": 2 * info.width,
        "bpp": 2,
        "domain": sdk.timestamp_domain.hardware_clock,
        "profile": profile.as_video_stream_profile(),
        "depth_units": info.depth_unit_mm / 1000,
    }
