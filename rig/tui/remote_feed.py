"""A session that runs on another machine, as a source of the live screen: what the rig sends, and nothing goes back but
"I am here"."""

import threading
from contextlib import suppress

import zmq
from zmq.utils.monitor import recv_monitor_message

from online.errors import ConfigError, EtholoopError, FileFormatError
from rig.clock import Clock
from rig.tui.earlier import Earlier
from rig.tui.session_view import SessionView
from rig.watch_keys import WatchKey
from rig.watch_wire import (
    EARLIER,
    END,
    FACTS,
    FULL,
    HELLO,
    HERE,
    NOW,
    NOW_FORMAT,
    SAY,
    Told,
    read_told,
    unpack_earlier,
    unpack_facts,
)

CONNECT_MS = 5000
EARLIER_S = 60.0
HERE_NS = 1_000_000_000
GONE_NS = 6_000_000_000
QUEUED = 1024
PICTURES = frozenset({"frames", "poses"})
REFUSED = zmq.Event.HANDSHAKE_FAILED_AUTH
UNANSWERED = zmq.Event.HANDSHAKE_FAILED_NO_DETAIL | zmq.Event.HANDSHAKE_FAILED_PROTOCOL
WATCHED = zmq.Event.CONNECTED | REFUSED | UNANSWERED


class RemoteFeed:
    """See `rig.tui.source.Source`. Connects when made.

    Raises
    ------
    ConfigError
        where nobody answers at the address, the key is refused, or the rig speaks another version, saying which.
    """

    def __init__(self, address: str, key: WatchKey, clock: Clock, connect_ms: int = CONNECT_MS) -> None:
        self._address = address
        self._clock = clock
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.set_hwm(QUEUED)
        self._socket.curve_serverkey = key.rig.encode()
        self._socket.curve_publickey, self._socket.curve_secretkey = key.public.encode(), key.secret.encode()
        self._next_number: dict[str, int] = {}
        self._newest: dict[str, Told] = {}
        self.lost = 0
        self._offset_ns: int | None = None
        self._next_here_ns = 0
        self._ended = False
        self._asked, self._answered = threading.Event(), threading.Event()
        self._earlier = b""
        try:
            self.facts = unpack_facts(self._connect(connect_ms))
        except EtholoopError as error:
            self._context.destroy(linger=0)
            raise error if isinstance(error, ConfigError) else ConfigError(f"{address}: {error}") from error
        self._heard_ns = clock.now_ns()

    def _connect(self, connect_ms: int) -> bytes:
        monitor = self._socket.get_monitor_socket(WATCHED)
        try:
            self._socket.connect(self._address)
        except zmq.ZMQError as error:
            raise ConfigError(f"{self._address}: no address: {error}; such as tcp://192.168.1.5:5670") from error
        else:
            self._socket.send(HELLO)
            return self._await_facts(monitor, connect_ms)
        finally:
            self._socket.disable_monitor()
            monitor.close()

    def _await_facts(self, monitor: zmq.Socket[bytes], connect_ms: int) -> bytes:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(monitor, zmq.POLLIN)
        reached = False
        until_ns = self._clock.now_ns() + connect_ms * 1_000_000
        while (left_ms := (until_ns - self._clock.now_ns()) // 1_000_000) > 0:
            ready = dict(poller.poll(left_ms))
            if self._socket in ready:
                return self._facts(self._socket.recv_multipart())
            if monitor in ready:
                event = recv_monitor_message(monitor)["event"]
                reached = True
                if event == REFUSED:
                    raise ConfigError(f"{self._address} refuses this key: it was revoked, or never allowed there")
                if event & UNANSWERED:
                    raise ConfigError(f"{self._address} does not take this key: it was made for another rig")
        if reached:
            raise ConfigError(f"{self._address} does not take this key, or is no rig: was it made for another rig?")
        raise ConfigError(f"nobody answers at {self._address}: does a session run there, with [watch] in its rig file?")

    def _facts(self, parts: list[bytes]) -> bytes:
        if parts[0] == FULL:
            raise ConfigError(f"{self._address}: too many look already: close one of them")
        if parts[0] != FACTS or len(parts) != 2:
            raise ConfigError(f"{self._address} speaks as another version of Etholoop does")
        return parts[1]

    # what a screen asks ----------------------------------------------------------------------------------------

    def now_ns(self) -> int:
        """The rig's clock, as far as its messages tell."""
        return self._clock.now_ns() + (self._offset_ns or 0)

    def words(self) -> str:
        """Where the session is."""
        return self._address.removeprefix("tcp://")

    def drain(self, view: SessionView) -> int:
        """Take all that waits; returns how many messages came."""
        self._speak()
        taken = 0
        with suppress(zmq.Again):
            while True:
                first, *parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
                self._heard_ns = self._clock.now_ns()
                taken += self._take(first.bytes, parts, view)
        return taken

    def _speak(self) -> None:
        now_ns = self._clock.now_ns()
        with suppress(zmq.Again):
            if now_ns >= self._next_here_ns:
                self._next_here_ns = now_ns + HERE_NS
                self._socket.send(HERE, zmq.NOBLOCK)
            if self._asked.is_set():
                self._asked.clear()
                self._socket.send(EARLIER, zmq.NOBLOCK)

    def _take(self, kind: bytes, parts: list[zmq.Frame], view: SessionView) -> int:
        if kind == SAY and (told := read_told(parts)) is not None:
            self._count(told)
            if told.stream in PICTURES and told.payload is not None:
                self._newest[told.stream] = told
            view.take(told.message, told.payload, self.now_ns())
            return 1
        if kind == NOW and len(parts) == 1 and len(parts[0].bytes) == NOW_FORMAT.size:
            rig_ns, disk_free_gb = NOW_FORMAT.unpack(parts[0].bytes)
            self._offset_ns = rig_ns - self._clock.now_ns()
            view.disk_free_gb = disk_free_gb if disk_free_gb == disk_free_gb else None
        elif kind == EARLIER and len(parts) == 1:
            self._earlier = parts[0].bytes
            self._answered.set()
        elif kind == END:
            self._ended = True
        return 0

    def _count(self, told: Told) -> None:
        expected = self._next_number.get(told.stream, told.sequence)
        self.lost += max(0, told.sequence - expected)
        self._next_number[told.stream] = told.sequence + 1

    def earlier(self) -> Earlier | None:
        """What happened before, asked of the rig. Called in a thread while `drain` goes on in another."""
        self._asked.set()
        if not self._answered.wait(EARLIER_S) or not self._earlier:
            raise FileFormatError("the rig did not tell")
        return unpack_earlier(self._earlier)

    def over(self, view: SessionView) -> str:
        """Why the session is over, or an empty text while it runs."""
        if self._ended:
            return "the session ended"
        if self._clock.now_ns() - self._heard_ns > GONE_NS:
            return "nothing is heard of the session any more"
        return ""

    def close(self) -> None:
        """Let go."""
        self._answered.set()
        self._context.destroy(linger=0)
