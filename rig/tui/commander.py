"""An operator's commands, sent in a thread so that the screen never waits."""

import os
from pathlib import Path

import zmq

from online.messages import Command, CommandName, Reply
from rig.acknowledgement import words_of
from rig.clock import Clock
from rig.control import ControlError, send_command

TIMEOUT_MS = 2000
PROCESS_OF: dict[CommandName, str] = {"note": "supervisor", "acknowledge": "supervisor", "stop": "supervisor"}
GATES = frozenset({"arm", "disarm", "pause", "resume"})


def here() -> str:
    """Where this screen is: its terminal, or else its process."""
    try:
        return f"at {os.ttyname(0).removeprefix('/dev/')}"
    except OSError:
        return f"at process {os.getpid()}"


class Commander:
    """Knows which process carries out which command; tells it where the command was given."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], run_dir: Path, clock: Clock, here: str = "") -> None:
        self._context = context
        self._run_dir = run_dir
        self._clock = clock
        self._here = here

    def acknowledge(self, source: str, text: str) -> Reply:
        """Have it recorded that an alert was acknowledged here."""
        return self.send("acknowledge", words_of(self._here, source, text))

    def send(self, name: CommandName, text: str = "") -> Reply:
        """Send and wait; an answer that does not come is a refusal that says so."""
        words = text or (self._here if name in GATES else "")
        command = Command(name=name, text=words, sent_time_ns=self._clock.now_ns())
        try:
            return send_command(self._context, self._run_dir, PROCESS_OF.get(name, "online"), command, TIMEOUT_MS)
        except ControlError as error:
            return Reply(ok=False, detail=str(error), done_time_ns=self._clock.now_ns())
