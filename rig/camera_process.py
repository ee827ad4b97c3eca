"""The camera process: reads frames, numbers them, publishes them."""

import sys
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from online.messages import Frame, Reply
from rig import scheduling
from rig.cameras.configuration import build_camera
from rig.cameras.protocol import Camera, CameraInfo, EndOfRecording, FrameStamp
from rig.launch import Launch
from rig.process import ProcessLink, quiet_collector, run_child

READ_TIMEOUT_MS = 20


class FrameNumbering:
    """Turns stamps into frame headers: how many slots of the camera's grid were dropped before each frame."""

    def __init__(self, info: CameraInfo) -> None:
        self._info = info
        self._last_index = -1
        self.dropped = 0

    def header(self, stamp: FrameStamp, now_ns: int) -> Frame:
        """The message for one frame."""
        dropped = stamp.frame_index - self._last_index - 1
        self._last_index = stamp.frame_index
        self.dropped += dropped
        return Frame(
            frame_index=stamp.frame_index,
            dropped_before=dropped,
            frame_number=stamp.frame_number,
            device_time_ns=stamp.device_time_ns,
            capture_time_ns=stamp.capture_time_ns,
            arrival_time_ns=stamp.arrival_time_ns,
            published_time_ns=now_ns,
            height=self._info.height,
            width=self._info.width,
            truth=stamp.truth,
        )


def told_to_stop(link: ProcessLink) -> bool:
    """Answer one waiting command; True when it was `stop`."""
    command = link.control.receive()
    if command is None:
        return False
    stop = command.name == "stop"
    link.control.reply(Reply(ok=stop, detail="" if stop else "a camera only stops", done_time_ns=link.clock.now_ns()))
    return stop


def stream_frames(link: ProcessLink, camera: Camera, info: CameraInfo) -> str:
    """Publish frames until told to stop or none is left; returns why it ended."""
    frames = link.publishers["frames"]
    buffer = np.zeros((info.height, info.width), np.uint16)
    numbering = FrameNumbering(info)
    quiet_collector()
    camera.start()
    while not told_to_stop(link):
        link.heartbeat()
        link.check_parent()
        try:
            stamp = camera.read_into(buffer, READ_TIMEOUT_MS)
        except EndOfRecording:
            return "the recording is over"
        if stamp is None:
            continue
        header = numbering.header(stamp, link.clock.now_ns())
        frames.publish(header, buffer.data.cast("B"))
        if header.dropped_before:
            link.event("loss", f"camera dropped {header.dropped_before} frames before frame {header.frame_index}")
    return "told to stop"


def body(link: ProcessLink, launch: Launch) -> str:
    """Open the camera, describe it, wait for the start, stream."""
    camera = build_camera(launch.rig.camera, link.clock)
    try:
        link.tell("preparing", f"opening the camera ({launch.rig.camera.driver})")
        info = camera.open()
        wanted = launch.rig.scheduling
        refusals = scheduling.lock_memory(wanted.policy)
        link.tell("ready", TypeAdapter(CameraInfo).dump_json(info).decode())
        if not link.wait_for_start():
            return "never started"
        refusals += scheduling.hurry(wanted.policy, wanted.fifo_priority)
        for refusal in refusals:
            link.event("lifecycle", refusal)
        return stream_frames(link, camera, info)
    finally:
        link.end_streams()
        camera.close()


def main() -> int:
    """Entry point: `python -m rig.camera_process RUN_DIR`."""
    run_dir = Path(sys.argv[1])
    return run_child("camera", run_dir, lambda link: body(link, Launch.load(run_dir)))


if __name__ == "__main__":
    sys.exit(main())
