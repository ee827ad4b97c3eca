"""Where a session's messages come from: a running session, or a finished one that is played again."""

from typing import Protocol

from rig.tui.earlier import Earlier
from rig.tui.session_view import SessionView


class Source(Protocol):
    """`drain` is called at every redraw; times are those of the messages, so a replay has a clock of its own."""

    @property
    def lost(self) -> int:
        """Messages that the screen missed."""

    def now_ns(self) -> int:
        """Now, on the messages' clock."""

    def drain(self, view: SessionView) -> int:
        """Hand over all that is due; returns how many messages came."""

    def earlier(self) -> Earlier | None:
        """What happened before the first message, once it can be known; raises FileFormatError when it cannot."""

    def over(self, view: SessionView) -> str:
        """Why nothing more will come, or an empty text."""

    def words(self) -> str:
        """What is to be said of the source at all times, such as the speed of a replay."""

    def close(self) -> None:
        """Let go of what it holds."""
