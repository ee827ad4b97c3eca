"""Control channels: an operator's or the supervisor's command, one reply each.

A process that can be commanded binds a ControlServer and polls it in its loop; anyone in the session's private
directory may ask with `send_command`.
"""

from pathlib import Path

import zmq

from online.errors import EtholoopError
from online.messages import Command, Message, MessageError, Reply, decode
from rig.services import control_address

CONFIRMED = "confirmed"
"""First word of the text of a `test_pulse`, which reaches an animal; the name of an output may follow."""


class ControlError(EtholoopError):
    """A command had no answer in time, or no sensible one."""


class ControlServer:
    """The commanded end. Each command taken must be answered before the next is taken."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], directory: Path, process: str) -> None:
        self.socket = context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 200)
        self.socket.bind(control_address(str(directory), process))
        self._asker: list[bytes] = []

    def receive(self) -> Command | None:
        """The next command, or None when none waits. What is not a command is answered with a refusal."""
        try:
            *envelope, raw = self.socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        self._asker = envelope
        try:
            message = decode(raw)
        except MessageError as error:
            self.reply(Reply(ok=False, detail=str(error)[:400], done_time_ns=0))
            return None
        if not isinstance(message, Command):
            self.reply(Reply(ok=False, detail=f"a Command is needed, not {type(message).__name__}", done_time_ns=0))
            return None
        return message

    def reply(self, reply: Reply) -> None:
        """Answer the command taken last."""
        self.socket.send_multipart([*self._asker, reply.encode()])

    def close(self) -> None:
        """Release the socket."""
        self.socket.close()


def send_command(
    context: zmq.Context[zmq.Socket[bytes]], directory: Path, process: str, command: Command, timeout_ms: int
) -> Reply:
    """Ask `process` and wait for its reply.

    Raises
    ------
    ControlError
        if no reply comes within `timeout_ms`.
    """
    with context.socket(zmq.REQ) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(control_address(str(directory), process))
        socket.send(command.encode())
        if not socket.poll(timeout_ms):
            raise ControlError(f"the {process} process did not answer '{command.name}' within {timeout_ms} ms")
        reply: Message = decode(socket.recv())
    if not isinstance(reply, Reply):
        raise ControlError(f"the {process} process answered '{command.name}' with a {type(reply).__name__}")
    return reply
