"""A terminal driver that acts on the stop keys in the thread that reads them, before the program's event queue."""

from collections.abc import Callable

from textual import events
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

STOP_KEYS = frozenset({"exclamation_mark", "f12"})


class StopKeyDriver(LinuxDriver):
    """`on_stop_key` is called in the reading thread; the key goes no further."""

    on_stop_key: Callable[[], None] | None = None

    def process_message(self, message: Message) -> None:
        """Take the stop keys out of the stream of events."""
        if isinstance(message, events.Key) and message.key in STOP_KEYS and StopKeyDriver.on_stop_key is not None:
            StopKeyDriver.on_stop_key()
            return
        super().process_message(message)
