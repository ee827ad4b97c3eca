"""The one table of streams: who produces what, at which rate, and how it is delivered.

`every`: the subscriber sees each message in order through a bounded queue; every loss is counted and alarmed.
`latest`: the subscriber drains to the newest message. A subscriber's delivery is its own: the table says for each
stream who needs `every`. Everybody else hears as `latest`: screens (`rig.tui.live_feed`); the online process, the
health of recorder and camera before it arms (`rig.peers`); and the relay for watchers on other machines
(`rig.watch_process`), which passes on all but `engine` over the one address that the rig file names.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stream:
    """One PUB socket. `every` lists the processes that must hear each message; they gate the camera's start."""

    name: str
    producer: str
    messages: tuple[str, ...]
    rate: str
    every: tuple[str, ...]
    queue_length: int


STREAMS: dict[str, Stream] = {
    stream.name: stream
    for stream in (
        Stream("frames", "camera", ("Frame",), "camera", ("online", "recorder"), 256),
        Stream("poses", "online", ("Pose",), "camera", ("recorder",), 2048),
        Stream("syllables", "online", ("Syllables",), "camera", ("recorder",), 2048),
        Stream("engine", "online", ("EngineInput", "NearMisses"), "camera", ("recorder",), 2048),
        Stream("pulses", "online", ("Trial", "PulseReceipt"), "events", ("recorder",), 2048),
        Stream("board", "online", ("DeviceEvent", "DeviceClock"), "events", ("recorder",), 2048),
        Stream("status", "online", ("SessionStatus",), "10 Hz", (), 16),
        Stream("events.camera", "camera", ("Event",), "events", ("recorder",), 1024),
        Stream("events.online", "online", ("Event",), "events", ("recorder",), 1024),
        Stream("events.supervisor", "supervisor", ("Event",), "events", ("recorder",), 1024),
        Stream("health.camera", "camera", ("Health",), "10 Hz", ("supervisor", "recorder"), 64),
        Stream("health.online", "online", ("Health",), "10 Hz", ("supervisor", "recorder"), 64),
        Stream("health.recorder", "recorder", ("Health",), "10 Hz", ("supervisor",), 64),
    )
}


def stream_address(directory: str, stream: str) -> str:
    """ZeroMQ address of a stream in a session's private directory."""
    return f"ipc://{directory}/{stream}"


def control_address(directory: str, process: str) -> str:
    """ZeroMQ address of a process's control channel."""
    return f"ipc://{directory}/control.{process}"


def lifecycle_address(directory: str) -> str:
    """Where processes push their `Lifecycle` messages to the supervisor."""
    return f"ipc://{directory}/lifecycle"
