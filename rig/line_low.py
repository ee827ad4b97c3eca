"""The lines low, from outside the online process: by it while it answers, else over the board's port itself."""

from collections.abc import Callable

from online.messages import Reply
from rig.children import Nursery
from rig.control import ControlError
from rig.ttl.configuration import BoardConfig
from rig.ttl.emergency import force_low

CONFIRMED_LOW = "all lines low (board confirmed)"
DRIVEN_LOW = "all lines low (driven over the port)"
ENDED_AND_LOW = "all lines low (online process ended, driven over the port)"
UNANSWERED = "the board did not answer: its own watchdog holds"
STOP_MS = 200
"""How long the online process has for the supervisor's emergency stop, before it is ended."""


class Lines:
    """The board's lines as the supervisor reaches them. `ask` sends a command to a child, as `Supervisor.command`."""

    def __init__(self, board: BoardConfig, nursery: Nursery, ask: Callable[..., Reply]) -> None:
        self._board = board
        self._nursery = nursery
        self._ask = ask

    def drive_low(self) -> str:
        """Bring them low; returns in words how that is known."""
        online = self._nursery.children.get("online")
        if online is not None and online.exit_code is None and online.failed is None:
            try:
                if self._ask("online", "emergency_stop", "by the supervisor", timeout_ms=STOP_MS).ok:
                    return CONFIRMED_LOW
            except ControlError:
                self.end_online()
        return DRIVEN_LOW if self.force() else UNANSWERED

    def end_online(self) -> bool:
        """End the online process, and the heartbeat with it; whether it still ran."""
        online = self._nursery.children.get("online")
        if online is None or online.exit_code is not None:
            return False
        online.process.kill()
        online.process.wait()
        return True

    def force(self) -> bool:
        """Drive them low over the port; True when the board confirmed it."""
        return force_low(self._board)
