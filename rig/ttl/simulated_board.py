"""A simulated board behind a pseudo-terminal: a process of its own that outlives the host, as a real board would.

    python -m rig.ttl.simulated_board --log pins.csv

prints the path of its port. Every edge of every output goes to the log (``host_ns,device_us,output,level``), one line
at a time, so that it can be read whatever happened. The process ends on SIGTERM or when nobody has held the port for
a while.
"""

import errno
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

import click

from online.errors import BoardLost
from rig.scheduling import BOARD_PRIORITY, real_time
from rig.ttl.emulated_lines import Board, Edge, new_board, next_event_us, reset
from rig.ttl.emulator import step

LOG_HEADER = "host_ns,device_us,output,level\n"
LONGEST_WAIT_US = 20_000
LATENESS_US = 5_000  # a machine that kept this process waiting for longer may have kept the host waiting, too:
GRACE_US = 20_000  # it is given this long to be heard before its silence counts
READY_TIMEOUT_S = 30.0
END_TIMEOUT_S = 1.0
FIRST_HOST_S = 300.0
"""How long it waits for its first host, which may have much to prepare."""


class BoardProgram(Protocol):
    """What runs behind the pseudo-terminal; times are microseconds since it was switched on."""

    def step(self, time_us: int, data: bytes) -> bytes:
        """Run until `time_us`, receive `data`, return what was sent."""

    def wake_us(self) -> int | None:
        """When it next does something by itself."""

    def excuse(self, late_us: int, heard: bool) -> int:
        """This process was kept waiting; what it `heard` now may have come on time, and nothing that a board would not
        have done then may be done for that. Returns by how much (us) its clock must stand still for it."""

    def take_edges(self) -> list[Edge]:
        """Edges since the last call."""

    def reset(self) -> None:
        """What opening the port does to an Arduino Uno."""


class EmulatedBoard:
    """The Python emulator as a board program. A `settled` one was switched on more than a duty window ago."""

    def __init__(self, settled: bool, loopback: dict[int, int]) -> None:
        self.board: Board = new_board(settled=settled)
        self.board.loopback = loopback
        for output, number in loopback.items():
            self.board.inputs[number] = self.board.levels[output]

    def step(self, time_us: int, data: bytes) -> bytes:
        """See BoardProgram."""
        return step(self.board, time_us, data)

    def wake_us(self) -> int | None:
        """See BoardProgram."""
        return next_event_us(self.board)

    def excuse(self, late_us: int, heard: bool) -> int:
        """See BoardProgram: heartbeats and commands are judged as if they had come on time; the clock goes on."""
        self.board.late_us = late_us + 1 if heard else 0
        self.board.last_beat_us += self.board.late_us
        return 0

    def take_edges(self) -> list[Edge]:
        """See BoardProgram."""
        edges, self.board.edges = self.board.edges, []
        return edges

    def reset(self) -> None:
        """See BoardProgram."""
        self.board = reset(self.board)


class PinLog:
    """Writes edges to a file from a thread of its own: a busy disk must not stop the board's clock."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", buffering=1)
        self._file.write(LOG_HEADER)
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="pin log", daemon=True)
        self._thread.start()

    def put(self, host_ns: int, edge: Edge) -> None:
        """Log one edge."""
        self._lines.put(f"{host_ns},{edge.time_us},{edge.output},{edge.level}\n")

    def close(self) -> None:
        """Write what is left and close."""
        self._lines.put(None)
        self._thread.join()
        self._file.close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            self._file.write(line)


class PortServer:
    """Moves bytes between a pseudo-terminal and a board program in real time."""

    def __init__(
        self, program: BoardProgram, log_path: Path, idle_s: float, reset_on_open: bool, heard_path: Path | None = None
    ) -> None:
        self.program = program
        self.idle_s = idle_s
        self.reset_on_open = reset_on_open
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self.master, False)
        self.log = PinLog(log_path)
        self.heard = heard_path.open("w", buffering=1) if heard_path else None
        self.origin_ns = time.monotonic_ns()
        self.held = False
        self.stopped = False

    def now_us(self) -> int:
        """Device time."""
        return (time.monotonic_ns() - self.origin_ns) // 1000

    def serve(self) -> None:
        """Run until stopped, or until nobody has held the port for `idle_s` after the first host; ends the log."""
        try:
            self._serve()
        finally:
            self.log.close()

    def _serve(self) -> None:
        last_held_us = self.now_us()
        patience_s = max(self.idle_s, FIRST_HOST_S)
        while not self.stopped:
            due_us = self._due_us()
            data = self._receive(due_us)
            if not data and self.held and self.now_us() - due_us > LATENESS_US:
                data = self._receive(self.now_us() + GRACE_US)
            now_us = self.now_us()
            still_us = self.program.excuse(max(0, now_us - due_us), bool(data))
            self.origin_ns += still_us * 1000
            now_us -= still_us
            self._send(self.program.step(now_us, data))
            if data and self.heard:
                self.heard.write(f"{now_us},{data.hex()}\n")
            for edge in self.program.take_edges():
                host_ns = self.origin_ns + edge.time_us * 1000
                self.log.put(host_ns, edge)
            if self.held:
                last_held_us, patience_s = now_us, self.idle_s
            elif now_us - last_held_us > patience_s * 1e6:
                return

    def _due_us(self) -> int:
        wake_us, latest_us = self.program.wake_us(), self.now_us() + LONGEST_WAIT_US
        return latest_us if wake_us is None else min(wake_us, latest_us)

    def _receive(self, due_us: int) -> bytes:
        wait_us = max(0, due_us - self.now_us())
        if self.held:
            select.select([self.master], [], [], wait_us * 1e-6)
        else:
            time.sleep(min(wait_us, 2_000) * 1e-6)
        try:
            data = os.read(self.master, 4096)
        except BlockingIOError:
            data = b""
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self.held = False
            return b""
        if not self.held and self.reset_on_open:
            self.program.reset()
        self.held = True
        return data

    def _send(self, data: bytes) -> None:
        try:
            os.write(self.master, data)
        except (BlockingIOError, OSError):
            return  # as on a wire, what nobody reads is gone


def start_board_process(module: str, log_path: Path, *options: str) -> tuple[subprocess.Popen[bytes], str]:
    """Run a board's module in a process and a session of its own; returns the process and the path of its port."""
    command = [sys.executable, "-m", module, "--log", str(log_path), *options]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], READY_TIMEOUT_S)
    port = process.stdout.readline().decode().strip() if ready else ""
    process.stdout.close()
    if not port:
        process.kill()
        process.wait()
        raise BoardLost(f"the simulated board did not start; try {' '.join(command)} to see why")
    return process, port


def end_board_process(process: subprocess.Popen[bytes]) -> None:
    """End a board's process, also one that is stopped and hears nothing."""
    process.terminate()
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start_simulated_board(log_path: Path, *options: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start the emulator as a board."""
    return start_board_process("rig.ttl.simulated_board", log_path, *options)


def serve_until_terminated(server: PortServer) -> None:
    """Say where the port is, then serve until SIGTERM or until nobody holds it."""
    signal.signal(signal.SIGTERM, lambda *_: setattr(server, "stopped", True))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    real_time(BOARD_PRIORITY)
    click.echo(server.port)
    sys.stdout.flush()
    server.serve()


@click.command()
@click.option("--log", "log_path", type=click.Path(path_type=Path), required=True, help="Where edges are written.")
@click.option("--idle", "idle_s", default=10.0, show_default=True, help="Seconds without a host before it ends.")
@click.option("--settled/--fresh", default=True, show_default=True, help="Switched on long ago, or just now.")
@click.option("--reset-on-open", is_flag=True, help="Reset whenever the port is opened, as an Arduino Uno does.")
@click.option("--loopback", nargs=2, type=int, multiple=True, help="OUTPUT INPUT: wire an output to an input.")
def main(
    log_path: Path, idle_s: float, settled: bool, reset_on_open: bool, loopback: tuple[tuple[int, int], ...]
) -> None:
    """Run a simulated board until SIGTERM.

    Example: python -m rig.ttl.simulated_board --log pins.csv
    """
    serve_until_terminated(PortServer(EmulatedBoard(settled, dict(loopback)), log_path, idle_s, reset_on_open))


if __name__ == "__main__":
    main()
