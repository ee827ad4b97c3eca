"""The recorder process: every message of every stream into `session.h5`."""

import re
import sys
from contextlib import closing
from pathlib import Path

import zmq

from online.errors import SessionFailed
from online.files.bundle import load_bundle
from online.files.session_file import SessionShape, SessionWriter
from online.messages import Command, Event, Reply
from protocols.build import evidence_requests
from protocols.parse import parse_protocol
from rig import scheduling
from rig.launch import Launch
from rig.process import ProcessLink, parent_runs, run_child

FLUSH_NS = 1_000_000_000
DRAIN_NS = 8_000_000_000
"""Silence of all streams after which no last word is waited for any more."""
MESSAGES_A_STEP = 8


class Recorder:
    """Moves messages from all inputs into the file."""

    def __init__(self, link: ProcessLink, writer: SessionWriter) -> None:
        self.link = link
        self.writer = writer
        self._next_flush_ns = 0

    def step(self) -> int:
        """Take what waits (a bounded number, so that the heart beats under any load); note losses; flush when due.

        Returns how many messages were taken.
        """
        taken = 0
        now_ns = self.link.clock.now_ns()
        for subscriber in self.link.subscribers.values():
            for _ in range(MESSAGES_A_STEP):
                received = subscriber.receive(now_ns)
                if received is None:
                    break
                self.writer.append(received.message, received.payload)
                taken += 1
        for stream, lost in self.link.new_losses():
            self.writer.append_loss(now_ns, stream, lost)
        if now_ns >= self._next_flush_ns:
            self._next_flush_ns = now_ns + FLUSH_NS
            self.writer.flush()
        health = self.link.heartbeat()
        if health is not None:
            self.writer.append(health, None)
        return taken

    def drained(self, dead: frozenset[str]) -> bool:
        """Whether every producer but the dead ones has said its last word."""
        return all(s.ended or s.stream.producer in dead for s in self.link.subscribers.values())


def make_writer(launch: Launch) -> SessionWriter:
    """A session file laid out for this camera and model, holding what ran."""
    if launch.camera is None or launch.session_dir is None or launch.arena is None:
        raise SessionFailed("the recorder was started before camera, arena and folder were known")
    bundle = load_bundle(launch.model)
    crop_size = bundle.extraction.crop_size_px if bundle.extraction else 0
    shape = SessionShape(
        height=launch.camera.height,
        width=launch.camera.width,
        num_syllables=bundle.arhmm.num_syllables,
        num_further=len(evidence_requests(parse_protocol(launch.protocol.read_text(), str(launch.protocol)))),
        num_dims=bundle.arhmm.num_dims,
        crop_size_px=crop_size,
        record_depth=launch.rig.recorder.depth,
        compression_level=launch.rig.recorder.compression_level,
    )
    configuration = {
        "model": launch.model.read_bytes(),
        "protocol": launch.protocol.read_bytes(),
        "materials": launch.materials.encode(),
        "rig": launch.rig.model_dump_json().encode(),
        "arena": launch.arena.read_bytes(),
    }
    return SessionWriter(launch.session_dir / "session.h5", shape, configuration, launch.attributes)


def record(link: ProcessLink, recorder: Recorder) -> str:
    """Record until told to stop or left alone, then until every producer has ended; returns why it ended."""
    poller = zmq.Poller()
    for socket in (link.control.socket, *(s.socket for s in link.subscribers.values())):
        poller.register(socket, zmq.POLLIN)
    stop: Command | None = None
    deadline_ns = 0
    while stop is None or not recorder.drained(frozenset(stop.text.split())):
        poller.poll(50)
        if recorder.step():
            deadline_ns = link.clock.now_ns() + DRAIN_NS
        command = link.control.receive()
        if command is not None:
            accepted = command.name == "stop"
            link.control.reply(Reply(ok=accepted, detail="", done_time_ns=link.clock.now_ns()))
            stop = command if accepted else stop
            deadline_ns = link.clock.now_ns() + DRAIN_NS
            link.state = "stopping" if accepted else link.state
        if stop is not None and link.clock.now_ns() > deadline_ns:
            silent = sorted(n for n, s in link.subscribers.items() if not s.ended)
            return "no last word from " + ", ".join(silent)
        if stop is None and not parent_runs(link.parent):
            stop = Command(name="stop", text="supervisor", sent_time_ns=link.clock.now_ns())
            deadline_ns = stop.sent_time_ns + DRAIN_NS
    return "everything recorded"


def body(link: ProcessLink, launch: Launch) -> str:
    """Create the file, wait for the start, record, close."""
    try:
        writer = make_writer(launch)
    except OSError as error:
        raise SessionFailed(f"cannot write to {launch.session_dir}: {reason_of(error)}") from error
    try:
        with closing(writer):
            link.tell("ready", "")
            if not link.wait_for_start():
                return "never started"
            for refusal in scheduling.hurry(launch.rig.scheduling.policy, scheduling.RECORDER_PRIORITY):
                writer.append(
                    Event(time_ns=link.clock.now_ns(), source="recorder", kind="lifecycle", detail=refusal), None
                )
            return record(link, Recorder(link, writer))
    except (OSError, RuntimeError) as error:  # HDF5 raises either
        raise SessionFailed(f"writing to {launch.session_dir} failed: {reason_of(error)}") from error
    finally:
        link.end_streams()


def reason_of(error: OSError | RuntimeError) -> str:
    """The system's reason in its own few words, without HDF5's account of buffers."""
    stated = re.search(r"error message = '([^']*)'", str(error))
    return stated[1] if stated else str(error)


def main() -> int:
    """Entry point: `python -m rig.recorder_process RUN_DIR`."""
    run_dir = Path(sys.argv[1])
    return run_child("recorder", run_dir, lambda link: body(link, Launch.load(run_dir)))


if __name__ == "__main__":
    sys.exit(main())
