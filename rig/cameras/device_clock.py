"""The time stamps of a RealSense camera, made to grow for ever and to mean the exposure."""

from dataclasses import dataclass

WRAP_US = 2**32
"""The camera's own clock counts microseconds in 32 bits: it starts again every 72 minutes."""

MAX_READOUT_US = 500_000
"""Time stamps of exposure and readout that lie farther apart do not belong to one frame."""


@dataclass(slots=True)
class DeviceClock:
    """State of `step`: the last time, and what overflows have added up to."""

    last_ns: int = 0
    wrapped_ns: int = 0


def step(clock: DeviceClock, timestamp_ms: float, readout_us: int | None, exposure_us: int | None) -> int:
    """Device time of a frame in ns, at the middle of its exposure where the device tells it.

    timestamp_ms is the SDK's time stamp, which is that of the readout; readout_us and exposure_us are the frame's
    metadata `frame_timestamp` and `sensor_timestamp`, or None.
    """
    time_ns = round(timestamp_ms * 1e6)
    if readout_us is not None and exposure_us is not None:
        since_exposure_us = (readout_us - exposure_us) % WRAP_US
        time_ns -= since_exposure_us * 1000 if since_exposure_us < MAX_READOUT_US else 0
    if time_ns + clock.wrapped_ns < clock.last_ns - WRAP_US * 500:
        clock.wrapped_ns += WRAP_US * 1000
    clock.last_ns = time_ns + clock.wrapped_ns
    return clock.last_ns
