"""What the children of a session say: stages of life, heartbeats, alerts."""

from collections.abc import Callable
from pathlib import Path

import zmq

from online.messages import Event, Health, Lifecycle, MessageError, decode
from rig.bus import Subscriber
from rig.children import Child, Nursery
from rig.clock import Clock
from rig.services import STREAMS, lifecycle_address

Told = Callable[[str], None]


class ChildReports:
    """The supervisor's ears. `alert` is called with what goes into the record, `report` with what is only said."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], nursery: Nursery, clock: Clock, alert: Told, report: Told
    ) -> None:
        self._context = context
        self._nursery = nursery
        self._clock = clock
        self._alert = alert
        self._report = report
        self._lifecycle = context.socket(zmq.PULL)
        self._lifecycle.bind(lifecycle_address(str(nursery.run_dir)))
        self._health: dict[str, Subscriber] = {}
        self._events: dict[str, Subscriber] = {}
        self.hearing: set[tuple[str, str]] = set()
        """Process and stream: who said that it hears what."""

    def hear(self, name: str) -> None:
        """Listen to the heartbeats of a child, and to its events where it has any."""
        run_dir: Path = self._nursery.run_dir
        self._health[name] = Subscriber(self._context, run_dir, f"health.{name}")
        if f"events.{name}" in STREAMS:
            self._events[name] = Subscriber(self._context, run_dir, f"events.{name}")

    @property
    def all_heard(self) -> bool:
        """Whether every child's heartbeat was heard."""
        return all(subscriber.heard for subscriber in self._health.values())

    def take(self, timeout_ms: int) -> None:
        """Take all that waits, after waiting for a stage of life at most this long."""
        self._lifecycle.poll(timeout_ms)
        while True:
            try:
                message = decode(self._lifecycle.recv(zmq.NOBLOCK))
            except zmq.Again:
                break
            except MessageError as error:
                self._alert(f"a malformed life-cycle message: {error}")
                continue
            if isinstance(message, Lifecycle) and message.process in self._nursery.children:
                self._note(self._nursery.children[message.process], message)
        now_ns = self._clock.now_ns()
        for name, subscriber in self._health.items():
            received = subscriber.receive_latest(now_ns)
            if received is not None and isinstance(received.message, Health):
                child = self._nursery.children[name]
                child.last_beat_ns, child.health = now_ns, received.message
        for name, subscriber in self._events.items():
            while (received := subscriber.receive(now_ns)) is not None:
                if isinstance(received.message, Event) and received.message.kind in ("alert", "loss"):
                    self._report(f"ALERT  {name}: {received.message.detail}")

    def _note(self, child: Child, message: Lifecycle) -> None:
        match message.stage:
            case "preparing":
                self._report(f"{message.process}: {message.detail}")
            case "ready":
                child.ready_detail = message.detail
            case "hearing":
                self.hearing.add((message.process, message.detail))
            case "over":
                child.over = message.detail
            case "failed":
                child.failed = message.detail
            case "finished":
                child.finished = message.detail

    def close(self) -> None:
        """Release the sockets."""
        for subscriber in (*self._health.values(), *self._events.values()):
            subscriber.close()
        self._lifecycle.close()
