"""`etholoop ttl check` on boards that are as they should be, and on some that are not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from rig.ttl import check_command
from rig.ttl.board_check import Bench, _refusal_armed
from rig.ttl.check_command import NUM_FINDINGS, command, histogram
from rig.ttl.emulated_lines import new_board
from rig.ttl.simulated_board import start_board_process
from rig.ttl.wire import Kind, Reason
from tests.firmware.simulated_firmware import build_mutant
from tests.test_ttl_board_state import desk_with
from tests.ttl_benches import needs_simavr


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_command, "NUM_ROUND_TRIPS", 30)


@pytest.fixture
def firmware_port(tmp_path: Path) -> Iterator[str]:
    options = ("--loopback", "0", "2", "--loopback", "6", "0")
    process, port = start_board_process("tests.firmware.paced_board", tmp_path / "pins.csv", *options)
    yield port
    process.terminate()
    process.wait()


def test_a_simulated_board_is_as_it_should_be(tmp_path: Path) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text(
        '[camera]\ndriver = "recording"\npath = "rec"\n[arena]\nfile = "arena.toml"\n'
        '[board]\nport = "simulated"\nchannels = {laser = 1}\nloopback = {laser = 2}\n'
    )
    done = CliRunner().invoke(command, ["--rig", str(rig), "--pulses", "3"], input="y\ny\n")
    assert done.exit_code == 0, done.output
    assert "pull-down" in done.output
    assert "output 1 to input 2: 3 of 3 pulses seen whole" in done.output
    assert done.output.count("\nrefused") == NUM_FINDINGS
    assert "FAILED" not in done.output


@needs_simavr
def test_the_firmware_is_as_it_should_be(firmware_port: str) -> None:
    wires = ["--loopback", "0", "2", "--loopback", "6", "0"]
    done = CliRunner().invoke(command, ["--port", firmware_port, *wires, "--pulses", "5", "--yes", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["board"]["firmware"] == "1.2 on board 1"
    assert [len(loopback["widths_us"]) for loopback in found["loopback"]] == [5, 5]
    latencies = [latency for loopback in found["loopback"] for latency in loopback["latencies_us"]]
    assert all(abs(latency) < 10 for latency in latencies), latencies
    assert found["round_trip_ms"]["p99"] >= found["round_trip_ms"]["p50"] > 0
    assert found["pull_downs"] is None


def test_missing_wires_missing_pull_downs_and_a_no_are_told() -> None:
    arguments = ["--port", "simulated", "--loopback", "0", "2", "--pulses", "2"]
    done = CliRunner().invoke(command, arguments, input="y\nn\n")
    assert done.exit_code == 1
    assert "outputs without pull-down resistors" in done.output
    assert CliRunner().invoke(command, arguments, input="n\n").exit_code == 1
    nobody = CliRunner().invoke(command, arguments, input="")
    assert (nobody.exit_code, "add --yes" in nobody.output) == (2, True)
    assert CliRunner().invoke(command, [*arguments, "--json"]).exit_code == 2
    assert CliRunner().invoke(command, ["--yes"]).exit_code == 2


def test_an_output_with_two_wires_is_refused() -> None:
    done = CliRunner().invoke(command, ["--port", "simulated", "--loopback", "0", "2", "--loopback", "0", "1", "--yes"])
    assert done.exit_code == 2
    assert "an output is named twice" in done.output


@needs_simavr
def test_an_output_that_reaches_no_input_fails(firmware_port: str) -> None:
    done = CliRunner().invoke(command, ["--port", firmware_port, "--loopback", "1", "1", "--pulses", "2", "--yes"])
    assert done.exit_code == 1
    assert "output 1 to input 1: 0 of 2 pulses seen whole" in done.output


@needs_simavr
def test_a_board_that_keeps_no_duty_is_found_out(tmp_path: Path) -> None:
    old = "if (channel->used + most_high(pulse) > allowed_slots) return REASON_DUTY;"
    elf = build_mutant(tmp_path, "mutant", old, "")
    process, port = start_board_process("tests.firmware.paced_board", tmp_path / "pins.csv", "--elf", str(elf))
    done = CliRunner().invoke(command, ["--port", port, "--yes"])
    process.terminate()
    process.wait()
    assert done.exit_code == 1
    assert "more light than the duty allows: DUTY expected, NONE found" in done.output


def test_a_board_that_this_machine_let_disarm_is_armed_and_asked_again() -> None:
    desk = desk_with(new_board(settled=True))
    bench = Bench(desk.driver, desk.clock, lambda: None)
    wanted = ("a pulse of no width", Reason.WIDTH, Kind.PULSE, (0, 0, 0, 0, 1))
    assert _refusal_armed(bench, *wanted).found == "WIDTH"
    assert bench.disarmed == 1
    assert _refusal_armed(bench, *wanted).found == "WIDTH"
    assert bench.disarmed == 1


def test_a_histogram_has_a_bar_for_each_bin() -> None:
    lines = histogram("us", [4, 4, 4, 4, 8, 25])
    assert [line.split()[-1] for line in lines[1:]] == ["4", "1", "0", "0", "0", "0", "0", "1"]
    assert lines[1].count("#") == 4 * lines[2].count("#")
    assert histogram("us", []) == []
