"""A test pulse while no session runs: within the limits, seen on the pin, and kept in a record."""

import csv
import json
from pathlib import Path

import pytest

from online.errors import BoardRefused
from protocols.parse import parse_protocol
from protocols.schema import Protocol
from rig.bench_pulse import RECORD, bench_pulse
from rig.clock import SystemClock
from rig.configuration import RigConfig, load_rig
from tests.rigs import PROTOCOL, write_recording, write_rig


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
