"""A terminal driver that acts on the stop keys in the thread that reads them, before the program's event queue; and
that ends the program where the terminal is gone: not every one says so by a signal."""

import select
import threading
from collections.abc import Callable

from textual import events
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

STOP_KEYS = frozenset({"exclamation_mark", "f12"})
LOOK_MS = 500


class StopKeyDriver(LinuxDriver):
    """`on_stop_key` is called in the reading thread; the key goes no further."""

    on_stop_key: Callable[[], None] | None = None
    _watch: threading.Thread | None = None

    def start_application_mode(self) -> None:
        """Take the terminal, and watch over it."""
        super().start_application_mode()  # type: ignore[no-untyped-call] # textual gives it no types
        if self._watch is None and self.input_tty:
            self._watch = threading.Thread(target=self._end_without_terminal, daemon=True, name="terminal watch")
            self._watch.start()

    def _end_without_terminal(self) -> None:
        """Leave the program, never a session, once nobody holds the other end of the terminal."""
        poller = select.poll()
        poller.register(self.fileno, 0)  # hang-up and error are told in any case
        while not poller.poll(LOOK_MS):
            pass
        if self._loop.is_running():
            self._loop.call_soon_threadsafe(self._app.exit)

    def process_message(self, message: Message) -> None:
        """Take the stop keys out of the stream of events."""
        if isinstance(message, events.Key) and message.key in STOP_KEYS and StopKeyDriver.on_stop_key is not None:
            StopKeyDriver.on_stop_key()
            return
        super().process_message(message)
