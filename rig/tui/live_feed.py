"""A running session's streams, drained into a SessionView."""

import shutil
from contextlib import suppress
from pathlib import Path

import zmq

from online.messages import Message
from rig.bus import Received, Subscriber
from rig.clock import Clock
from rig.services import STREAMS
from rig.tui.earlier import Earlier, read_earlier
from rig.tui.session_view import SILENCE_NS, SessionView

SHOWN = tuple(name for name in STREAMS if name != "engine")
PICTURES = frozenset({"frames", "poses"})
DISK_NS = 5_000_000_000
GONE_NS = 5_000_000_000


class LiveFeed:
    """Hears every stream that a screen shows. Every message is taken in order and counted; of pictures only the
    newest is kept."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], run_dir: Path, clock: Clock, session_dir: Path | None
    ) -> None:
        self.run_dir = run_dir
        self._session_dir = session_dir
        self._clock = clock
        self._subscribers = {name: Subscriber(context, run_dir, name) for name in SHOWN}
        self._before: dict[str, int] = {}
        self._newest: dict[str, Received] = {}
        self._next_disk_ns = 0

    def now_ns(self) -> int:
        """The host's monotonic clock."""
        return self._clock.now_ns()

    def words(self) -> str:
        """Nothing: what is seen is now."""
        return ""

    def earlier(self) -> Earlier | None:
        """What is already in the session file; raises FileFormatError when that cannot be read."""
        return None if self._session_dir is None else read_earlier(self._session_dir)

    def drain(self, view: SessionView) -> int:
        """Take all that waits; returns how many messages came."""
        taken, now_ns = 0, self._clock.now_ns()
        if self._session_dir is not None and now_ns >= self._next_disk_ns:
            self._next_disk_ns = now_ns + DISK_NS
            with suppress(OSError):
                view.disk_free_gb = shutil.disk_usage(self._session_dir).free / 1e9
        for name, subscriber in self._subscribers.items():
            while (received := subscriber.receive(now_ns)) is not None:
                taken += 1
                if name not in self._before:
                    self._before[name] = received.lost_before
                payload = received.payload if name in PICTURES else None
                if payload is not None:
                    self._newest[name] = received
                message: Message = received.message
                view.take(message, payload, now_ns)
        return taken

    @property
    def hears_all(self) -> bool:
        """Whether every stream was heard."""
        return all(s.heard for s in self._subscribers.values())

    @property
    def lost(self) -> int:
        """Messages that this screen missed since it began to listen."""
        return sum(s.lost - self._before.get(name, s.lost) for name, s in self._subscribers.items())

    def over(self, view: SessionView) -> str:
        """Why the session is over, or an empty text while it runs."""
        now_ns = self._clock.now_ns()
        if self._subscribers["events.supervisor"].ended:
            return "the session ended"
        if not self.run_dir.exists():
            return "the session's private directory is gone"
        heard = [t for kind, t in view.heard_ns.items() if kind.startswith("health.")]
        if heard and now_ns - max(heard) > GONE_NS + SILENCE_NS:
            return "nothing is heard of the session any more"
        return ""

    def close(self) -> None:
        """Release the sockets."""
        for subscriber in self._subscribers.values():
            subscriber.close()
