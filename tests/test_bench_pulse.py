"""A test pulse while no session runs: within the limits, seen on the pin, and kept in a record."""

import csv
import json
import threading
from pathlib import Path

import pytest

from online.errors import BoardRefused
from protocols.parse import parse_protocol
from protocols.schema import Protocol
from rig.bench_pulse import RECORD, bench_pulse
from rig.clock import SystemClock
from rig.configuration import RigConfig, load_rig
from rig.tui.emergency import BenchStop, StopResult
from tests.rigs import PROTOCOL, write_recording, write_rig
from tests.ttl_benches import wait_until


@pytest.fixture
def rig(tmp_path: Path) -> RigConfig:
    write_recording(tmp_path / "rec", 5)
    return load_rig(write_rig(tmp_path, 'driver = "recording"\npath = "rec"', tmp_path).rig)


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / RECORD).read_text().splitlines()]


def test_a_pulse_by_hand_is_given_and_recorded(rig: RigConfig, tmp_path: Path) -> None:
    protocol = parse_protocol(PROTOCOL, "protocol")
    receipt = bench_pulse(rig, protocol, protocol.output("laser"), SystemClock(), tmp_path)
    assert receipt.outcome == "executed"
    with (tmp_path / "manual-pins.csv").open() as file:
        edges = [(int(row["device_us"]), int(row["level"])) for row in csv.DictReader(file) if row["output"] == "0"]
    assert [level for _, level in edges] == [1, 0]
    assert edges[1][0] - edges[0][0] == 20_000
    (line,) = lines(tmp_path)
    assert (line["output"], line["outcome"]) == ("laser", "executed")


def test_a_pulse_by_hand_keeps_the_limits(rig: RigConfig, tmp_path: Path) -> None:
    protocol = parse_protocol(PROTOCOL, "protocol")
    wide = protocol.output("laser").model_copy(update={"width_ms": 200.0})
    outputs = tuple(wide for _ in protocol.outputs)
    tampered: Protocol = protocol.model_copy(update={"outputs": outputs})
    with pytest.raises(BoardRefused, match="width"):
        bench_pulse(rig, tampered, wide, SystemClock(), tmp_path)
    assert lines(tmp_path)[0]["outcome"] == "refused"
    assert ",1\n" not in (tmp_path / "manual-pins.csv").read_text()


def test_a_train_by_hand_is_stopped_at_once_and_said_to_be_cut_short(rig: RigConfig, tmp_path: Path) -> None:
    protocol = parse_protocol(PROTOCOL.replace("width_ms = 20", "width_ms = 20\ncount = 80\nperiod_ms = 100"), "p")
    pins, stop = tmp_path / "manual-pins.csv", BenchStop(SystemClock())
    results: list[StopResult] = []

    def press() -> None:
        wait_until(lambda: pins.exists() and pins.read_text().count(",0,1\n") >= 3, "three pulses")
        results.append(stop.fire())

    key = threading.Thread(target=press)
    key.start()
    with pytest.raises(BoardRefused, match="cut short"):
        bench_pulse(rig, protocol, protocol.output("laser"), SystemClock(), tmp_path, stop)
    key.join()
    (result,) = results
    assert result.confirmed
    with pins.open() as file:
        edges = [(int(row["host_ns"]), int(row["level"])) for row in csv.DictReader(file) if row["output"] == "0"]
    assert edges[-1][1] == 0
    assert stop.confirmed_ns is not None
    assert edges[-1][0] < stop.confirmed_ns + 1_000_000, "nothing after the confirmation (but the clocks' difference)"
    assert len(edges) < 160
    assert "stopped by the operator" in str(lines(tmp_path)[0]["reason"])
