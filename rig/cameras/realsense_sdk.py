"""The RealSense SDK, found, loaded and asked; nothing here streams."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from online.errors import CameraError, CameraNotFound, CameraProfileError
from rig.cameras.realsense_settings import RealSenseSettings

USB2_BYTES_PER_SECOND = 30_000_000
"""What a USB 2 link sustains in practice, of 60 MB/s nominal."""


def load_sdk() -> Any:
    """The module pyrealsense2, with the libusb that it needs: the system's, else the one from libusb-package."""
    try:
        ctypes.CDLL("libusb-1.0.so.0")
    except OSError:
        _preload_libusb()
    try:
        import pyrealsense2
    except ImportError as error:
        raise CameraError(f"the RealSense SDK cannot be loaded ({error}): pip install pyrealsense2") from error
    return pyrealsense2


def _preload_libusb() -> None:
    import libusb_package

    path = libusb_package.get_library_path()
    if path is None:
        raise CameraError("libusb is missing: install libusb-1.0-0 with the system's packages")
    ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


@dataclass(frozen=True, slots=True, order=True)
class DepthMode:
    """Size and rate of a depth stream."""

    width: int
    height: int
    rate_hz: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height} at {self.rate_hz} Hz"


def device_text(sdk: Any, device: Any, field: str) -> str | None:
    """One field of `camera_info`, or None where the device does not say."""
    key = getattr(sdk.camera_info, field)
    return str(device.get_info(key)) if device.supports(key) else None


def connected_devices(sdk: Any) -> list[Any]:
    """The cameras that are connected and have a serial number."""
    return [device for device in sdk.context().devices if device_text(sdk, device, "serial_number")]


def find_device(sdk: Any, devices: Sequence[Any], serial: str | None) -> Any:
    """The camera with `serial`, or the only one.

    Raises
    ------
    CameraNotFound
        at once; the SDK by itself would wait 15 s for a camera to appear.
    """
    by_serial = {device_text(sdk, device, "serial_number"): device for device in devices}
    names = ", ".join(f"{s} ({device_text(sdk, d, 'name')})" for s, d in by_serial.items())
    if not devices:
        wanted = "no RealSense camera is connected" if serial is None else f"RealSense camera {serial} is not connected"
        raise CameraNotFound(f"{wanted}: check the cable, and that udev rules allow this user to open it")
    if serial is not None and serial not in by_serial:
        raise CameraNotFound(f"RealSense camera {serial} is not connected; connected: {names}")
    if serial is None and len(devices) > 1:
        raise CameraNotFound(f"several RealSense cameras are connected: give `serial`, one of {names}")
    return devices[0] if serial is None else by_serial[serial]


def depth_profiles(sdk: Any, device: Any) -> dict[DepthMode, Any]:
    """The depth streams that a device offers."""
    profiles = {}
    for sensor in device.query_sensors():
        for profile in sensor.get_stream_profiles():
            if profile.stream_type() == sdk.stream.depth and profile.format() == sdk.format.z16:
                video = profile.as_video_stream_profile()
                profiles[DepthMode(video.width(), video.height(), profile.fps())] = video
    return profiles


def choose_profile(sdk: Any, device: Any, settings: RealSenseSettings, default: DepthMode | None) -> Any:
    """The stream that `settings` ask for; `default` stands in for what they leave open, else the device's first.

    Raises
    ------
    CameraProfileError
        if the device does not offer it, or its link is too slow for it.
    """
    profiles = depth_profiles(sdk, device)
    if not profiles:
        raise CameraProfileError(f"{device_text(sdk, device, 'name')} offers no depth stream")
    base = default or next(iter(profiles))
    wanted = DepthMode(settings.width or base.width, settings.height or base.height, settings.rate_hz or base.rate_hz)
    link = device_text(sdk, device, "usb_type_descriptor")
    check_link(link, wanted)
    if wanted not in profiles:
        on_link = f" on its USB {link} link (USB 3 offers more)" if link and link.startswith("2") else ""
        raise CameraProfileError(
            f"the camera does not offer {wanted}{on_link}; it offers {', '.join(map(str, sorted(profiles)))}"
        )
    return profiles[wanted]


def check_link(link: str | None, mode: DepthMode) -> None:
    """Refuse a mode that a USB 2 link cannot carry."""
    rate = 2 * mode.width * mode.height * mode.rate_hz
    if link is not None and link.startswith(("1", "2")) and rate > USB2_BYTES_PER_SECOND:
        raise CameraProfileError(
            f"the camera is on a USB {link} link, too slow for {mode} ({rate / 1e6:.0f} MB/s): "
            "use a USB 3 port and cable, or a smaller or slower stream"
        )


def depth_sensor(sdk: Any, device: Any) -> Any:
    """The sensor that measures depth."""
    for sensor in device.query_sensors():
        if sensor.supports(sdk.option.depth_units):
            return sensor
    raise CameraProfileError(f"{device_text(sdk, device, 'name')} has no depth sensor")


def apply_settings(sdk: Any, sensor: Any, settings: RealSenseSettings) -> None:
    """Set exposure, laser and emitter as asked, and the time stamps to the camera's own clock."""
    if sensor.supports(sdk.option.global_time_enabled):
        sensor.set_option(sdk.option.global_time_enabled, 0)
    if settings.exposure_us == "auto":
        _set(sdk, sensor, "enable_auto_exposure", 1)
    elif settings.exposure_us is not None:
        if sensor.supports(sdk.option.enable_auto_exposure):
            _set(sdk, sensor, "enable_auto_exposure", 0)
        _set(sdk, sensor, "exposure", settings.exposure_us)
    if settings.emitter is not None:
        _set(sdk, sensor, "emitter_enabled", int(settings.emitter))
    if settings.laser_power is not None:
        _set(sdk, sensor, "laser_power", settings.laser_power)


def _set(sdk: Any, sensor: Any, name: str, value: float) -> None:
    option = getattr(sdk.option, name)
    if not sensor.supports(option):
        raise CameraProfileError(f"the camera has no setting {name}: take it out of the rig file")
    allowed = sensor.get_option_range(option)
    if not allowed.min <= value <= allowed.max:
        raise CameraProfileError(f"{name} = {value:g} is outside {allowed.min:g} ... {allowed.max:g}")
    sensor.set_option(option, value)
