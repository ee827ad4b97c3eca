"""Lets others look at a running session over the network: only where the rig file says so, only with a key, and only to
look. A process of its own at low priority, which hears the streams as a screen does; its death ends nothing."""

import os
import shutil
import sys
import threading
from contextlib import suppress
from pathlib import Path

import zmq
from zmq.auth.thread import ThreadAuthenticator

from online.errors import ConfigError, EtholoopError
from rig.bus import Received, Subscriber
from rig.children import parent_id
from rig.clock import Clock, SystemClock
from rig.configuration import WatchConfig
from rig.launch import Launch
from rig.private_directory import holding
from rig.process import parent_runs
from rig.services import STREAMS
from rig.tui.earlier import read_earlier
from rig.tui.session_facts import load_facts
from rig.watch_keys import allowed, rig_keys
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
    SEQUENCE,
    pack_earlier,
    pack_facts,
)

SHOWN = tuple(name for name in STREAMS if name != "engine")
MOST_WATCHERS = 8
FORGOTTEN_NS = 10_000_000_000
"""Silence after which a watcher gives its place back."""
PICTURE_NS = 100_000_000
NOW_NS = 100_000_000
POLL_MS = 20
QUEUED = 256
LONGEST_WORD = 1024
NICENESS = 10


class Guests:
    """Whose key opens: looked up at every handshake, so that a name may be added or revoked while a session runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def callback(self, domain: str, key: bytes) -> bool:
        """As pyzmq's authenticator asks; the key is in Z85."""
        return key.decode() in allowed(self._folder).values()


class WatchRelay:
    """One socket for all watchers. `address` is where it listens."""

    def __init__(self, run_dir: Path, config: WatchConfig, clock: Clock) -> None:
        self._launch = Launch.load(run_dir)
        self._clock = clock
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._guard = ThreadAuthenticator(self.context)
        self._guard.start()
        self._guard.configure_curve_callback(domain="*", credentials_provider=Guests(config.keys))
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.set_hwm(QUEUED)
        self.socket.setsockopt(zmq.LINGER, 500)
        self.socket.setsockopt(zmq.MAXMSGSIZE, LONGEST_WORD)
        self.socket.setsockopt(zmq.HEARTBEAT_IVL, 2000)
        self.socket.curve_publickey, self.socket.curve_secretkey = (key.encode() for key in rig_keys(config.keys))
        self.socket.curve_server = True
        try:
            self.socket.bind(config.address)
        except zmq.ZMQError as error:
            raise ConfigError(f"[watch] address {config.address}: {error}") from error
        endpoint = self.socket.getsockopt(zmq.LAST_ENDPOINT)
        self.address = endpoint.decode() if isinstance(endpoint, bytes) else config.address
        self._streams = {name: Subscriber(self.context, run_dir, name) for name in SHOWN}
        self._facts = pack_facts(load_facts(run_dir), self._launch.protocol.read_text())
        self._heard_ns: dict[bytes, int] = {}
        self._next_ns = dict.fromkeys(("picture", "now"), 0)

    @property
    def over(self) -> bool:
        """Whether the supervisor has said its last word."""
        return self._streams["events.supervisor"].ended

    def step(self) -> None:
        """Answer who asks, pass on what came, forget who is gone."""
        self.socket.poll(POLL_MS)
        now_ns = self._clock.now_ns()
        with suppress(zmq.Again):
            while True:
                watcher, *words = self.socket.recv_multipart(zmq.NOBLOCK)
                self._answer(watcher, words, now_ns)
        for name, subscriber in self._streams.items():
            while (received := subscriber.receive(now_ns)) is not None:
                self._pass_on(name, received, subscriber, now_ns)
        self._heard_ns = {w: heard for w, heard in self._heard_ns.items() if now_ns - heard < FORGOTTEN_NS}
        if now_ns >= self._next_ns["now"]:
            self._next_ns["now"] = now_ns + NOW_NS
            self._say(NOW, NOW_FORMAT.pack(now_ns, self._disk_free_gb()))

    def _disk_free_gb(self) -> float:
        try:
            return shutil.disk_usage(self._launch.session_dir or self._launch.run_dir).free / 1e9
        except OSError:
            return float("nan")

    def _answer(self, watcher: bytes, words: list[bytes], now_ns: int) -> None:
        match words:
            case [word] if word == HELLO and watcher not in self._heard_ns and len(self._heard_ns) >= MOST_WATCHERS:
                self.socket.send_multipart([watcher, FULL])
            case [word] if word == HELLO:
                self._heard_ns[watcher] = now_ns
                self.socket.send_multipart([watcher, FACTS, self._facts])
            case [word] if word == HERE and watcher in self._heard_ns:
                self._heard_ns[watcher] = now_ns
            case [word] if word == EARLIER and watcher in self._heard_ns:
                self.socket.send_multipart([watcher, EARLIER, self._earlier()])
            case _:
                pass  # there is no other word

    def _earlier(self) -> bytes:
        if self._launch.session_dir is None:
            return pack_earlier("the session has no folder")
        try:
            return pack_earlier(read_earlier(self._launch.session_dir))
        except EtholoopError as error:
            return pack_earlier(str(error))

    def _pass_on(self, name: str, received: Received, subscriber: Subscriber, now_ns: int) -> None:
        number = SEQUENCE.pack(subscriber.received + subscriber.lost)
        parts: list[bytes | memoryview] = [name.encode(), number, received.message.encode()]
        if received.payload is not None and (name != "frames" or now_ns >= self._next_ns["picture"]):
            parts.append(received.payload)
            if name == "frames":
                self._next_ns["picture"] = now_ns + PICTURE_NS
        self._say(SAY, *parts)

    def _say(self, *parts: bytes | memoryview) -> None:
        """To all; who does not keep up misses it, and counts what it missed."""
        for watcher in self._heard_ns:
            with suppress(zmq.Again):
                self.socket.send_multipart([watcher, *parts], zmq.NOBLOCK)

    def close(self) -> None:
        """Say the last word; release everything."""
        self._say(END)
        for subscriber in self._streams.values():
            subscriber.close()
        self.socket.close()
        self._guard.stop()
        self.context.term()


def main() -> int:
    """Entry point: `python -m rig.watch_process RUN_DIR`; ends with the session."""
    run_dir, parent = Path(sys.argv[1]), parent_id()
    os.nice(NICENESS)
    config = Launch.load(run_dir).rig.watch
    if config is None:
        return 0
    over = threading.Event()
    with holding(run_dir):
        try:
            server = WatchRelay(run_dir, config, SystemClock())
        except EtholoopError as error:
            sys.stderr.write(f"{error}\n")
            return error.exit_code
        while not server.over and not over.is_set() and parent_runs(parent):
            server.step()
        server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
