"""What every child process shares: its sockets, its life cycle, its heartbeat, its watch over the parent.

A child prepares (opens devices, warms up), says `ready`, then confirms each stream it must hear; on the supervisor's
`start` it runs its loop; it ends by itself when its parent is gone.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import zmq

from online.errors import EtholoopError, SessionFailed
from online.messages import Event, EventKind, Health, Lifecycle, Reply
from rig.bus import Publisher, Subscriber
from rig.children import parent_id
from rig.clock import Clock, SystemClock
from rig.control import ControlServer
from rig.private_directory import holding
from rig.services import STREAMS, lifecycle_address

HEARTBEAT_NS = 100_000_000
SILENCE_NS = 500_000_000
State = Literal["preparing", "ready", "running", "stopping", "failed"]


def parent_runs(parent: int) -> bool:
    """Whether the process `parent` is still ours and runs: neither gone nor stopped by a signal."""
    if os.getppid() != parent:
        return False
    try:
        stat = Path(f"/proc/{parent}/stat").read_bytes()
    except OSError:
        return True
    return stat[stat.rindex(b")") + 2 : stat.rindex(b")") + 3] not in (b"T", b"t", b"Z", b"X")


class ProcessLink:
    """A child's connections. Use as a context manager; everything is closed at its end."""

    def __init__(self, name: str, run_dir: Path, clock: Clock | None = None) -> None:
        self.name = name
        self.clock = clock or SystemClock()
        self.parent = parent_id()
        self.state: State = "preparing"
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._lifecycle = self.context.socket(zmq.PUSH)
        self._lifecycle.setsockopt(zmq.LINGER, 1000)
        self._lifecycle.connect(lifecycle_address(str(run_dir)))
        self.control = ControlServer(self.context, run_dir, name)
        self.publishers = {
            s.name: Publisher(self.context, run_dir, s.name) for s in STREAMS.values() if s.producer == name
        }
        self.subscribers = {
            s.name: Subscriber(self.context, run_dir, s.name) for s in STREAMS.values() if name in s.every
        }
        self._beat = 0
        self._next_beat_ns = 0
        self._reported_lost = dict.fromkeys(self.subscribers, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for publisher in self.publishers.values():
            publisher.close()
        for subscriber in self.subscribers.values():
            subscriber.close()
        self.control.close()
        self._lifecycle.close()
        self.context.term()

    def tell(self, stage: Literal["preparing", "ready", "hearing", "over", "failed", "finished"], detail: str) -> None:
        """Report a stage of life to the supervisor."""
        message = Lifecycle(process=self.name, stage=stage, detail=detail)
        with suppress(zmq.Again):
            self._lifecycle.send(message.encode(), zmq.NOBLOCK)

    def event(self, kind: EventKind, detail: str) -> None:
        """Publish an event on this process's own event stream."""
        self.publishers[f"events.{self.name}"].publish(
            Event(time_ns=self.clock.now_ns(), source=self.name, kind=kind, detail=detail)
        )

    def check_parent(self) -> None:
        """Raise SessionFailed when the supervisor is gone or stopped: nobody watches over the session then."""
        if not parent_runs(self.parent):
            raise SessionFailed("the supervisor was killed or stopped by a signal: start a new session")

    def wait_for_start(self) -> bool:
        """Probe and listen until told to start; False when told to stop instead or the parent is gone."""
        self.state = "ready"
        unconfirmed = set(self.subscribers)
        poller = zmq.Poller()
        for socket in (self.control.socket, *(s.socket for s in self.subscribers.values())):
            poller.register(socket, zmq.POLLIN)
        while parent_runs(self.parent):
            for publisher in self.publishers.values():
                publisher.probe()
            poller.poll(20)
            now_ns = self.clock.now_ns()
            for name, subscriber in self.subscribers.items():
                subscriber.receive(now_ns)
                if subscriber.heard and name in unconfirmed:
                    unconfirmed.discard(name)
                    self.tell("hearing", name)
            self.heartbeat()
            command = self.control.receive()
            if command is not None:
                started = command.name == "start"
                refusal = f"not started yet; the {self.name} process is ready and waits"
                accepted = command.name in ("start", "stop")
                self.control.reply(Reply(ok=accepted, detail="" if accepted else refusal, done_time_ns=now_ns))
                if accepted:
                    for subscriber in self.subscribers.values():
                        subscriber.forgive()
                    self.state = "running" if started else "stopping"
                    self.heartbeat(force=True)
                    return started
        return False

    def heartbeat(self, force: bool = False) -> Health | None:
        """Publish health when a beat is due, or at once; returns what was published."""
        now_ns = self.clock.now_ns()
        if now_ns < self._next_beat_ns and not force:
            return None
        self._next_beat_ns = now_ns + HEARTBEAT_NS
        stream = self.publishers.get(f"health.{self.name}")
        if stream is None:
            return None
        inputs = tuple(s.health(now_ns, SILENCE_NS) for s in self.subscribers.values())
        self._beat += 1
        health = Health(process=self.name, beat=self._beat, time_ns=now_ns, state=self.state, inputs=inputs, detail="")
        stream.publish(health)
        return health

    def new_losses(self) -> Iterable[tuple[str, int]]:
        """Streams that lost messages since the last call, and how many."""
        for name, subscriber in self.subscribers.items():
            fresh = subscriber.lost - self._reported_lost[name]
            if fresh:
                self._reported_lost[name] = subscriber.lost
                yield name, fresh

    def end_streams(self) -> None:
        """Say the last word on every stream."""
        self.state = "stopping"
        for publisher in self.publishers.values():
            publisher.end()


def quiet_collector() -> None:
    """Collect once, then keep the garbage collector away from the frame loop."""
    gc.collect()
    gc.freeze()
    gc.disable()


def run_child(name: str, run_dir: Path, body: Callable[[ProcessLink], str]) -> int:
    """Run a child's body; report `finished` with its reason, or `failed` with its error. Returns the exit code."""
    for terminal_signal in (signal.SIGINT, signal.SIGHUP):  # meant for the supervisor, which ends its children in order
        signal.signal(terminal_signal, signal.SIG_IGN)
    with holding(run_dir), ProcessLink(name, run_dir) as link:
        try:
            reason = body(link)
        except EtholoopError as error:
            link.state = "failed"
            link.tell("failed", f"{type(error).__name__}: {error}")
            link.heartbeat(force=True)
            sys.stderr.write(f"{name}: {error}\n")
            return error.exit_code
        except Exception as error:
            link.tell("failed", f"{type(error).__name__}: {error}")
            raise
        link.tell("finished", reason)
    return 0
