"""A small recorded session, made by the fake rig: every message that a recorder would have heard."""

import tempfile
from pathlib import Path

import zmq

from online.files.arena_file import save_arena
from online.files.session_file import TABLES, SessionShape, SessionWriter
from rig.bus import Subscriber
from rig.clock import ManualClock
from tests.fake_rig import FakeRig
from tests.fake_rig_files import CAMERA, FRAME_NS, HEIGHT_PX, NAMES, NUM_SYLLABLES, PROTOCOL, WIDTH_PX, make_arena

RECORDED = ("frames", "poses", "syllables", "engine", "pulses", "events.camera", "events.online", "events.supervisor")


def write_session(
    folder: Path,
    num_frames: int,
    dropped: tuple[int, ...] = (),
    depth: bool = True,
    model_sha256: str = "0123456789abcdef",
) -> Path:
    """A session's folder with `num_frames` frames at 30 Hz; 3 are lost before each frame of `dropped`."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = SessionShape(HEIGHT_PX, WIDTH_PX, NUM_SYLLABLES, 0, 4, 80, record_depth=depth, compression_level=1)
    attributes = {
        "subject": "m12",
        "session": folder.name,
        "model_sha256": model_sha256,
        "names": {str(k): name for k, name in NAMES.items()},
        "camera": {"depth_unit_mm": CAMERA.depth_unit_mm, "rate_hz": CAMERA.rate_hz},
    }
    writer = SessionWriter(folder / "session.h5", shape, {"protocol": PROTOCOL.encode()}, attributes)
    save_arena(make_arena(), folder / "arena.toml")
    with tempfile.TemporaryDirectory(prefix="el") as name:
        _record(Path(name), writer, num_frames, dropped)
    writer.close()
    return folder


def _record(run_dir: Path, writer: SessionWriter, num_frames: int, dropped: tuple[int, ...]) -> None:
    clock = ManualClock()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    rig = FakeRig(run_dir, clock, context)
    subscribers = [Subscriber(context, run_dir, name) for name in RECORDED]
    try:
        while not all(s.heard for s in subscribers):
            rig.probe()
            for subscriber in subscribers:
                subscriber.socket.poll(5)
                subscriber.receive(0)
        for index in range(num_frames):
            clock.advance_ns(FRAME_NS)
            if index == num_frames // 40:
                rig.event("camera", "alert", "USB link is slow")
            if index == num_frames // 2:
                rig.event("supervisor", "note", "half way")
            rig.step(dropped=3 if index in dropped else 0)
            _drain(subscribers, writer, index + 1)
        rig.end()
        while not all(s.ended for s in subscribers):
            _drain(subscribers, writer, 0)
    finally:
        for subscriber in subscribers:
            subscriber.close()
        rig.close()
        context.destroy(linger=0)


def _drain(subscribers: list[Subscriber], writer: SessionWriter, frames: int) -> None:
    kinds = tuple(TABLES.values())
    while True:
        for subscriber in subscribers:
            while (received := subscriber.receive(0)) is not None:
                if isinstance(received.message, kinds):
                    writer.append(received.message, received.payload)
        if min(s.received for s in subscribers[:4]) >= frames:
            return
        subscribers[0].socket.poll(5)
