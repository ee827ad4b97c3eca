"""Trains that a board cannot do are found before a session starts."""

from pathlib import Path

import pytest

from online.errors import ConfigError
from protocols.parse import parse_protocol
from rig.configuration import load_rig
from rig.session_checks import SessionRequest, check_request, undoable_trains
from rig.ttl.configuration import BoardConfig, Sketch
from tests.rigs import PROTOCOL, RigFiles, write_rig
from tests.test_board_record import RECORDING

PERIODIC = """
[[rules]]
kind = "periodic"
name = "clockwork"
output = "laser"
period_ms = 5000
"""
TRAIN = "width_ms = 20\nperiod_ms = 100\ncount = 3"
SECOND = '[[outputs]]\nname = "led"\nchannel = 1\nwidth_ms = 20\n'
CHANNELS = {"laser": 0, "led": 1}
BOARDS = {
    "etholoop": BoardConfig(port="simulated", channels=CHANNELS),
    "harp-behavior": BoardConfig(driver="harp-behavior", port="/dev/a", channels=CHANNELS),
    "harp-cuttlefish": BoardConfig(driver="harp-cuttlefish", port="/dev/a", channels=CHANNELS),
    "pulse-pal": BoardConfig(driver="pulse-pal", port="/dev/a", channels=CHANNELS),
    "serial-character": BoardConfig(
        driver="serial-character", port="/dev/a", channels={"laser": 0}, sketch=Sketch(start="P", pulse_ms=20)
    ),
}


@pytest.fixture
def files(tmp_path: Path) -> RigFiles:
    return write_rig(tmp_path, RECORDING, tmp_path)


@pytest.mark.parametrize("driver", BOARDS)
def test_what_every_board_can_do_is_no_problem(files: RigFiles, driver: str) -> None:
    assert problems_of(files, driver, PROTOCOL) == []


def problems_of(files: RigFiles, driver: str, text: str) -> list[str]:
    rig = load_rig(files.rig).model_copy(update={"board": BOARDS[driver]})
    return undoable_trains(parse_protocol(text, "protocol.toml"), rig, 60.0)


@pytest.mark.parametrize(
    ("driver", "text", "complaint"),
    [
        ("serial-character", PROTOCOL.replace("width_ms = 20", "width_ms = 30"), "[[outputs]] 'laser': the sketch's"),
        ("serial-character", PROTOCOL.replace("refractory_ms", "delay_ms = 5\nrefractory_ms"), "[[rules]] 'either': "),
        ("serial-character", PROTOCOL + PERIODIC, "[[rules]] 'clockwork': the sketch's pulse is 20 ms at once"),
        ("harp-behavior", PROTOCOL.replace("width_ms = 20", TRAIN), "[[outputs]] 'laser': count: "),
        ("harp-behavior", PROTOCOL.replace("width_ms = 20", "width_ms = 2.5"), "'laser': grid: "),
        ("harp-behavior", PROTOCOL + PERIODIC, "'clockwork': "),
        ("harp-cuttlefish", PROTOCOL + SECOND, "'led': this cuTTLefish serves output 0"),
        ("pulse-pal", PROTOCOL.replace("width_ms = 20", TRAIN.replace("count = 3", "count = 60")), "no watchdog"),
    ],
)
def test_what_a_board_cannot_do_is_named(files: RigFiles, driver: str, text: str, complaint: str) -> None:
    (problem, *_) = problems_of(files, driver, text)
    assert complaint in problem


def test_a_session_with_such_a_train_does_not_start(files: RigFiles) -> None:
    here, other = 'driver = "etholoop"\nport = "simulated"', 'driver = "harp-behavior"\nport = "/dev/no-board"'
    text = files.rig.read_text()
    assert here in text
    files.rig.write_text(text.replace(here, other))
    check_request(SessionRequest(files.rig, files.model, files.protocol, "m1", files.out))
    files.protocol.write_text(PROTOCOL.replace("width_ms = 20", "width_ms = 2.5"))
    with pytest.raises(ConfigError, match=r"do not fit:\n  \[\[outputs\]\] 'laser': grid"):
        check_request(SessionRequest(files.rig, files.model, files.protocol, "m1", files.out))
