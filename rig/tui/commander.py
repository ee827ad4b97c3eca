"""An operator's commands, sent in a thread so that the screen never waits."""

from pathlib import Path

import zmq

from online.messages import Command, CommandName, Reply
from rig.clock import Clock
from rig.control import ControlError, send_command

TIMEOUT_MS = 2000
PROCESS_OF: dict[CommandName, str] = {"note": "supervisor", "stop": "supervisor"}


class Commander:
    """Knows which process carries out which command."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], run_dir: Path, clock: Clock) -> None:
        self._context = context
        self._run_dir = run_dir
        self._clock = clock

    def send(self, name: CommandName, text: str = "") -> Reply:
        """Send and wait; an answer that does not come is a refusal that says so."""
        command = Command(name=name, text=text, sent_time_ns=self._clock.now_ns())
        try:
            return send_command(self._context, self._run_dir, PROCESS_OF.get(name, "online"), command, TIMEOUT_MS)
        except ControlError as error:
            return Reply(ok=False, detail=str(error), done_time_ns=self._clock.now_ns())
