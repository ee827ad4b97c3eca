"""From the stop key to the line low, through a real terminal, a real session and the real firmware in simavr.

    python -m tests.benchmarks.bench_emergency_stop [TRIES [FRAMES_A_SECOND [MESSAGES_A_SECOND]]]

Each try begins early in a pulse of 900 ms: the key is written to the terminal of a screen that a flood of messages
reaches as well, and the next falling edge is looked up in the board's own record. The second path is measured from
the death of the online process, whose heartbeat ends with it, in sessions of their own: in the board's time from the
last byte that it heard, which is what the firmware promises, and in the host's from the kill. simavr's clock stands
still while the machine keeps its process waiting, so that on a busy machine the host's time is the longer one by that.
Every try is printed as it is made.
"""

import csv
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import zmq

from online.errors import SessionFailed
from online.messages import Command
from rig.control import ControlError, send_command
from rig.ttl.simulated_board import start_board_process
from tests.rigs import PROTOCOL, start, write_recording, write_rig
from tests.tui.terminals import Terminal, run_dir_in

HIGH = PROTOCOL.replace("width_ms = 20", "width_ms = 900").replace("max_width_ms = 100", "max_width_ms = 900")
HIGH = HIGH.replace("window_ms = 1000", "window_ms = 1900").replace(
    "catch_probability = 0.25", "catch_probability = 0.0"
)
HIGH = HIGH.replace("enter = 0.4", "enter = 0.01").replace("refractory_ms = 300", "refractory_ms = 1900")


SECOND_PATHS = 5
LOW_AFTER_US = 60_000
TRIES_A_SESSION = 34
SESSION_S = 120.0
MOST_SESSIONS = 12  # on a machine that is too busy, not each of them comes to run


class Pins:
    """The board's record of edges of output 0, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def edges(self) -> list[tuple[int, int]]:
        if not self._path.exists():
            return []
        with self._path.open() as file:
            rows = [row for row in csv.DictReader(file) if row.get("level")]
        return [(int(row["host_ns"]), int(row["level"])) for row in rows if row["output"] == "0"]

    def low_us(self, time_ns: int) -> int:
        """Device time of the first falling edge after a time of the host."""
        with self._path.open() as file:
            rows = [row for row in csv.DictReader(file) if row.get("level") == "0" and row["output"] == "0"]
        return next(int(row["device_us"]) for row in rows if int(row["host_ns"]) > time_ns)

    def last_heard_us(self, until_us: int) -> int:
        """When the board heard its last byte until then, in its own time."""
        lines = self._path.with_name("heard.csv").read_text().split("\n")[:-1]
        return max(time_us for time_us in (int(line.split(",")[0]) for line in lines) if time_us <= until_us)

    def high(self) -> bool:
        edges = self.edges()
        return bool(edges) and edges[-1][1] == 1

    def low_after_ms(self, time_ns: int) -> float:
        return next((t - time_ns) / 1e6 for t, level in self.edges() if level == 0 and t > time_ns)


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def until(terminal: Terminal, condition: Callable[[], bool]) -> None:
    terminal.until(condition, turns=20_000)


def tries(terminal: Terminal, run_dir: Path, pins: Pins, count: int) -> list[float]:
    """Delays in ms, the line high at each key; fewer where the session ended first."""
    rng = np.random.default_rng(0)
    delays: list[float] = []
    with suppress(AssertionError):
        while len(delays) < count:
            until(terminal, lambda: not pins.high())
            until(terminal, lambda: armed_again(run_dir, pins))
            wake_ns = time.monotonic_ns() + int(rng.integers(20, 300)) * 1_000_000
            until(terminal, lambda wake_ns=wake_ns: time.monotonic_ns() > wake_ns)
            if not pins.high():
                continue
            pressed_ns = time.monotonic_ns()
            terminal.type("!")
            until(terminal, lambda: not pins.high())
            delays.append(pins.low_after_ms(pressed_ns))
            say(f"try {len(delays)} of this session: {delays[-1]:.1f} ms")
    return delays


def armed_again(run_dir: Path, pins: Pins) -> bool:
    """Whether the line is high; where it stays low, the board is armed (again: it may have disarmed itself)."""
    if pins.high():
        return True
    edges = pins.edges()
    if edges and time.monotonic_ns() - edges[-1][0] > 500_000_000:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        with suppress(ControlError):
            send_command(context, run_dir, "online", Command(name="arm", text="", sent_time_ns=0), 500)
        context.destroy(linger=0)
        select.select([], [], [], 0.05)
    return False


def second_path(process_id: int, pins: Pins) -> tuple[float, float]:
    """To the line low, in ms: from the kill of the online process, in the host's time, and from the last byte that the
    board heard, in its own."""
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    online = next(c for c in children if b"online_process" in Path(f"/proc/{c}/cmdline").read_bytes())
    while not pins.high():
        select.select([], [], [], 0.005)
    killed_ns = time.monotonic_ns()
    os.kill(int(online), signal.SIGKILL)
    while pins.high():
        select.select([], [], [], 0.01)
    low_us = pins.low_us(killed_ns)
    return pins.low_after_ms(killed_ns), (low_us - pins.last_heard_us(low_us)) / 1000


@contextmanager
def session_on_firmware(folder: Path, seconds: float, rate_hz: float) -> Iterator[tuple[Path, int, Pins]]:
    """A running session whose board is the firmware: its private directory, its process, its pins."""
    if not (folder / "rec").exists():
        write_recording(folder / "rec", int(rate_hz * seconds), rate_hz=rate_hz)
    private = Path(tempfile.mkdtemp(prefix="el", dir=folder))
    pins = Pins(private / "pins.csv")
    options = ["--idle", "60", "--heard", str(private / "heard.csv")]
    board, port = start_board_process("tests.firmware.paced_board", private / "pins.csv", *options)
    files = write_rig(folder, 'driver = "recording"\npath = "rec"', private, protocol=HIGH, rate_hz=rate_hz)
    files.rig.write_text(files.rig.read_text().replace('port = "simulated"', f'port = "{port}"'))
    process = start(files)
    try:
        while not pins.high():
            if process.poll() is not None:
                raise SessionFailed(process.communicate()[1])
            select.select([], [], [], 0.1)
        yield run_dir_in(private), process.pid, pins
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()
        board.terminate()
        board.wait()


def first_path(folder: Path, count: int, rate_hz: float, flood_hz: float) -> list[float]:
    """Delays of the key in ms, in as many sessions as it takes."""
    flood_folder = folder / "f"
    flood_folder.mkdir()
    flood = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.flood", str(flood_folder), str(flood_hz)])
    delays: list[float] = []
    try:
        for _ in range(MOST_SESSIONS):
            if len(delays) >= count:
                break
            with suppress(SessionFailed), session_on_firmware(folder, SESSION_S, rate_hz) as (run_dir, _, pins):
                terminal = Terminal("tests.benchmarks.watched_live", str(run_dir), str(flood_folder))
                try:
                    until(terminal, lambda terminal=terminal: b"either" in terminal.drawn)
                    delays += tries(terminal, run_dir, pins, min(TRIES_A_SESSION, count - len(delays)))
                finally:
                    terminal.close()
            say(f"{len(delays)} tries" + (f", p50 so far {np.median(delays):.1f} ms" if delays else ""))
    finally:
        flood.kill()
        flood.wait()
    return delays


def second_paths(folder: Path, count: int, rate_hz: float) -> list[tuple[float, float]]:
    """Delays of the second path, one a session."""
    found: list[tuple[float, float]] = []
    for _ in range(MOST_SESSIONS):
        if len(found) >= count:
            break
        with suppress(SessionFailed), session_on_firmware(folder, SESSION_S, rate_hz) as (_, process_id, pins):
            found.append(second_path(process_id, pins))
            say(f"second path {len(found)}: {found[-1][0]:.1f} ms from the kill, {found[-1][1]:.1f} ms of device time")
    return found


def main(count: int, rate_hz: float, flood_hz: float) -> None:
    """Both paths, printed, each as soon as it is known; fails where the second one was too slow in the board's time."""
    with tempfile.TemporaryDirectory(prefix="el") as name:
        folder = Path(name)
        seconds = second_paths(folder, min(SECOND_PATHS, count), rate_hz)
        wall, device = zip(*seconds, strict=True) if seconds else ((np.nan,), (np.nan,))
        sys.stdout.write(
            f"death of the online process to line low, {len(seconds)} sessions: "
            f"from the kill median {np.median(wall):.1f} ms, max {max(wall):.1f} ms; from the last byte heard, in "
            f"device time, median {np.median(device):.1f} ms, max {max(device):.1f} ms\n"
        )
        sys.stdout.flush()
        delays = first_path(folder, count, rate_hz, flood_hz) or [np.nan]
    sys.stdout.write(
        f"key to line low, {len(delays)} tries at {rate_hz:.0f} frames/s, "
        f"{flood_hz:.0f} messages/s more for the screen: "
        f"p50 {np.median(delays):.1f} ms, p95 {np.percentile(delays, 95):.1f} ms, max {max(delays):.1f} ms\n"
    )
    if not max(device) * 1000 < LOW_AFTER_US:
        raise SystemExit(f"the second path took {max(device):.1f} ms of device time, more than 60")


if __name__ == "__main__":
    words = dict(enumerate(map(float, sys.argv[1:])))
    main(int(words.get(0, 100)), words.get(1, 90.0), words.get(2, 2000.0))
