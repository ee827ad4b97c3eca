"""A RealSense file's frames on a pipe, for programs that must not know the SDK.

First a line of JSON: the fields of `CameraInfo`. Then for each frame: slot and device time in ns (int64), then the
image (H, W) of uint16 counts, all little-endian.
"""

import json
import struct
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rig.cameras.protocol import EndOfRecording
from rig.cameras.realsense import RealSenseCamera
from rig.cameras.realsense_settings import RealSenseSettings
from rig.clock import Clock

STAMP = struct.Struct("<qq")


def pour(recording: Path, out: BinaryIO, clock: Clock) -> int:
    """Write every frame of a `.db3` or `.bag` file to `out`; returns how many."""
    camera = RealSenseCamera(RealSenseSettings(file=recording, pace="fast"), clock)
    num_frames = 0
    try:
        info = camera.open()
        out.write(json.dumps(asdict(info)).encode() + b"\n")
        buffer = np.zeros((info.height, info.width), np.dtype("<u2"))
        camera.start()
        while True:
            stamp = camera.read_into(buffer, 1000)
            if stamp is not None:
                out.write(STAMP.pack(stamp.frame_index, stamp.device_time_ns))
                out.write(buffer.data)
                num_frames += 1
    except EndOfRecording:
        out.flush()
    finally:
        camera.close()
    return num_frames
