"""Emergency stop: connections of its own to the process that owns the line and to the supervisor, behind no queue.

The sockets are connected before they are needed. `fire` is called by the thread that reads the keyboard, and returns
when the board's confirmation came back or the time is up. Where the online process does not answer, the supervisor
ends it: with its heartbeat gone the board drops the line by itself.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import zmq

from online.messages import Command, MessageError, Reply, decode
from rig.bench_pulse import StopWish
from rig.clock import Clock
from rig.services import control_address

ONLINE_TIMEOUT_MS = 100
SUPERVISOR_TIMEOUT_MS = 1500
BENCH_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class StopResult:
    """`confirmed` when the lines are low for sure; `low_ms` from the key to the board's confirmation."""

    confirmed: bool
    detail: str
    low_ms: float


class BenchStop(StopWish):
    """Stops a test pulse of the set-up, whose board this program holds itself."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def fire(self) -> StopResult:
        """Drive all lines low; returns what is known of it."""
        pressed_ns = self._clock.now_ns()
        self.wished.set()
        answered = self.answered.wait(BENCH_TIMEOUT_S)
        if answered and self.confirmed_ns is not None:
            return StopResult(True, "all lines low", max(0, self.confirmed_ns - pressed_ns) / 1e6)
        words = "the board did not confirm" if answered else "the board was not reached in time"
        return StopResult(False, words, (self._clock.now_ns() - pressed_ns) / 1e6)


class EmergencyLine:
    """Dedicated request sockets; `here` is what the record says of where the key was pressed.

    Threads take turns; a new press does not wait for an answer that is overdue. `last_resort` brings the lines low
    where no process of the session answers, such as while one is being closed; it returns whether the board confirmed.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], run_dir: Path, clock: Clock, here: str = "") -> None:
        self._clock = clock
        self._here = here
        self._lock = threading.Lock()
        self.last_resort: Callable[[], bool] | None = None
        self.timeouts_ms = {"online": ONLINE_TIMEOUT_MS, "supervisor": SUPERVISOR_TIMEOUT_MS}
        self._sockets = {process: self._connect(context, run_dir, process) for process in self.timeouts_ms}

    @staticmethod
    def _connect(context: zmq.Context[zmq.Socket[bytes]], run_dir: Path, process: str) -> zmq.Socket[bytes]:
        socket = context.socket(zmq.REQ)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.REQ_RELAXED, 1)
        socket.setsockopt(zmq.REQ_CORRELATE, 1)
        socket.connect(control_address(str(run_dir), process))
        return socket

    def fire(self) -> StopResult:
        """Drive all lines low; returns what is known of it."""
        pressed_ns = self._clock.now_ns()
        with self._lock:
            said: list[str] = []
            for process in self._sockets:
                reply = self._ask(process, pressed_ns)
                if isinstance(reply, Reply) and reply.ok:
                    return StopResult(True, reply.detail, (reply.done_time_ns - pressed_ns) / 1e6)
                said.append(f"{process}: {reply.detail if isinstance(reply, Reply) else reply}")
            if self.last_resort is not None and self.last_resort():
                low_ms = (self._clock.now_ns() - pressed_ns) / 1e6
                return StopResult(True, "all lines low (driven over the port)", low_ms)
        return StopResult(False, "; ".join(said), (self._clock.now_ns() - pressed_ns) / 1e6)

    def _ask(self, process: str, pressed_ns: int) -> Reply | str:
        socket = self._sockets[process]
        timeout_ms = self.timeouts_ms[process]
        try:
            socket.send(Command(name="emergency_stop", text=self._here, sent_time_ns=pressed_ns).encode(), zmq.NOBLOCK)
            if not socket.poll(timeout_ms):
                return f"no answer within {timeout_ms} ms"
            reply = decode(socket.recv(zmq.NOBLOCK))
        except (zmq.ZMQError, MessageError) as error:
            return str(error)
        return reply if isinstance(reply, Reply) else f"answered with a {type(reply).__name__}"

    def close(self) -> None:
        """Release the sockets."""
        with self._lock:
            for socket in self._sockets.values():
                socket.close()
