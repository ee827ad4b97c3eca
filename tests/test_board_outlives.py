"""The host's programs die or are stopped amid a pulse: the real firmware brings the line low by itself."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rig.ttl.simulated_board import start_board_process
from tests.live_sessions import RECORDING, children_of, wait_until_running
from tests.rigs import PROTOCOL, RigFiles, finish, start, write_recording, write_rig
from tests.ttl_benches import needs_simavr, read_edges, wait_until

pytestmark = [pytest.mark.xdist_group("live"), needs_simavr]
LONG = (
    PROTOCOL.replace("width_ms = 20", "width_ms = 5000")
    .replace("max_width_ms = 100", "max_width_ms = 5000")
    .replace("window_ms = 1000", "window_ms = 10000")
    .replace("catch_probability = 0.25", "catch_probability = 0.0")
)
PULSE_US = 5_000_000
LOW_AFTER_US = 60_000
HIGH_PATIENCE_S = 20.0  # the recording's mouse gives a pulse within seconds of a session's start


class LiveBoard:
    """The paced firmware as a process, with what its pins did and what it heard, both in device time."""

    def __init__(self, folder: Path) -> None:
        self.pins, self.heard = folder / "pins.csv", folder / "heard.csv"
        self.process, self.port = start_board_process(
            "tests.firmware.paced_board", self.pins, "--heard", str(self.heard), "--idle", "120"
        )

    def num_edges(self) -> int:
        return len(read_edges(self.pins))

    def last_heard_us(self) -> int:
        """When the last byte came."""
        return int(self.heard.read_text().rsplit("\n", 2)[-2].split(",")[0])


@pytest.fixture
def board(tmp_path: Path) -> Iterator[LiveBoard]:
    live = LiveBoard(tmp_path)
    yield live
    live.process.terminate()
    live.process.wait(10)


@pytest.fixture
def files(tmp_path: Path, private: Path, board: LiveBoard) -> RigFiles:
    write_recording(tmp_path / "rec", 900)
    made = write_rig(tmp_path, RECORDING, private, protocol=LONG)
    made.rig.write_text(made.rig.read_text().replace('port = "simulated"', f'port = "{board.port}"'))
    return made


def session_amid_a_pulse(files: RigFiles, board: LiveBoard) -> subprocess.Popen[str]:
    """A session whose board is high. On a machine so busy that a heartbeat came too late the board has disarmed, as
    it should, and never arms by itself: then another session is begun."""
    for _ in range(4):
        process = start(files)
        with suppress(AssertionError):
            wait_until_running(process)
            wait_until(lambda: board.num_edges() % 2 == 1, "a pulse", HIGH_PATIENCE_S)
            return process
        process.send_signal(signal.SIGINT)
        finish(process)
    raise AssertionError("no session ever pulsed")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
@pytest.mark.parametrize("victim", ["online", "supervisor"])
def test_the_line_falls_within_60_ms_of_the_last_heartbeat(
    files: RigFiles, board: LiveBoard, victim: str, how: signal.Signals
) -> None:
    process = session_amid_a_pulse(files, board)
    children = children_of(process.pid)
    os.kill(children["online"] if victim == "online" else process.pid, how)
    struck_ns = time.monotonic_ns()
    wait_until(lambda: board.num_edges() % 2 == 0, "the line to fall")
    *_, rise, fall = read_edges(board.pins)
    edges = board.num_edges()
    assert (rise.level, fall.level) == (1, 0)
    assert fall.device_us - rise.device_us < PULSE_US
    beats = [line.split(",") for line in board.heard.read_text().split("\n")[:-1]]
    before = max(int(time_us) for time_us, _ in beats if int(time_us) <= fall.device_us)
    assert fall.device_us - before < LOW_AFTER_US
    if how == signal.SIGSTOP and victim == "supervisor":
        os.kill(process.pid, signal.SIGCONT)
    if victim == "supervisor" and how == signal.SIGKILL:
        process.communicate()
    else:
        assert finish(process)[0] == 5
    assert board.num_edges() == edges
    assert struck_ns > rise.host_ns
