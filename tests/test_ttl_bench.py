"""`etholoop bench ttl` measures what it says, on the simulated board and on the paced firmware."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from online.errors import BoardRefused
from rig.ttl import bench_command
from rig.ttl.bench_command import command, frame_bytes, wire_ms
from rig.ttl.simulated_board import start_board_process
from rig.ttl.wire import Kind, WireFrame, encode
from tests.ttl_benches import needs_simavr


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_command, "TRACED", 5)


def test_commands_echoes_and_pins_are_all_timed() -> None:
    done = CliRunner().invoke(command, ["--commands", "20", "--json"])
    assert done.exit_code == 0, done.exception
    found = json.loads(done.stdout)
    rows = found["ms"]
    assert found["commands"] == 20
    assert set(rows) == {"bare pyserial echo", "command to acknowledgement", "command to pin", "the call itself"}
    assert rows["bare pyserial echo"]["over_echo"] == 1
    assert 0 < rows["the call itself"]["p50"] <= rows["command to acknowledgement"]["p50"]
    assert rows["command to pin"]["max"] > 0
    assert 0 < found["peak_bytes_of_a_call"] < 100_000


@needs_simavr
def test_the_paced_firmware_is_timed_by_its_port(tmp_path: Path) -> None:
    process, port = start_board_process("tests.firmware.paced_board", tmp_path / "pins.csv")
    done = CliRunner().invoke(command, ["--port", port, "--commands", "10"], input="y\n")
    process.terminate()
    process.wait()
    assert done.exit_code == 0, done.exception
    assert "command to acknowledgement" in done.output
    assert "command to pin" not in done.output
    assert CliRunner().invoke(command, ["--port", port], input="n\n").exit_code == 1


def test_frames_take_their_time_on_the_wire() -> None:
    raw = encode(WireFrame(Kind.PULSE, 1, 1, (0, 0, 0, 1, 0, 1)))
    assert frame_bytes(Kind.PULSE) == len(raw) == 35
    assert wire_ms(Kind.PULSE) == pytest.approx(0.70)


def test_a_refusal_that_is_not_a_late_heartbeat_is_an_error() -> None:
    class Disarmed:
        armed = False

        def arm(self) -> None:
            self.armed = True

    board, times = Disarmed(), bench_command.Times()
    for refusal in ("the board is not armed", "a command was refused: not_armed"):
        board.armed = False
        bench_command.arm_again(board, times, BoardRefused(refusal))  # type: ignore[arg-type]
        assert board.armed
    assert times.disarmed == 2
    with pytest.raises(BoardRefused, match="duty"):
        bench_command.arm_again(board, times, BoardRefused("duty"))  # type: ignore[arg-type]
