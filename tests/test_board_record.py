"""What a board reports, in the record: events as rows, loopback, and the sync output that the protocol asks for."""

from pathlib import Path

import numpy as np
import pytest

from online.errors import BoardRefused, ConfigError
from online.files.tables import MISSING_INT, row_dtype, row_values
from online.messages import DeviceEvent, Message, PulseReceipt, Trial
from rig.board_record import SyncLine, device_event
from rig.configuration import load_rig
from rig.loopback import LoopbackWatch, look
from rig.session_checks import SessionRequest, check_request
from rig.ttl.protocol import BoardEvent
from rig.ttl.wire import Reason
from tests.rigs import PROTOCOL, RigFiles, write_rig

RECORDING = 'driver = "recording"\npath = "rec"'
STROBE = '[[outputs]]\nname = "sync"\nsync = "strobe"\n\n[limits]'


def rows_of(kind: type[Message], *messages: dict[str, object]) -> np.ndarray:
    """Rows of a session's table; fields that are not given are missing."""
    rows = [
        tuple(message.get(name, fallback(kind, name)) for name in row_dtype(kind).names or ()) for message in messages
    ]
    return np.array(rows, row_dtype(kind))


def fallback(kind: type[Message], name: str) -> object:
    column = row_dtype(kind)[name]
    return {"i": MISSING_INT, "S": b"", "f": np.nan}[column.kind]


def rise(device_us: int, number: int = 2) -> dict[str, object]:
    times = {"device_time_us": device_us, "host_time_ns": device_us * 1000 + 7}
    return {"kind": b"input_changed", "line": number, "value": 1} | times


TRIALS = rows_of(
    Trial,
    {"channel": 0, "command_sequence": 5, "count": 3, "period_us": 20_000, "delay_us": 500, "written_time_ns": 900_000},
    {"channel": 0, "command_sequence": 6, "count": 1, "period_us": 0, "delay_us": 0, "written_time_ns": 0},
    {"channel": 1, "command_sequence": 7, "count": 1, "period_us": 0, "delay_us": 0, "written_time_ns": 0},
)
RECEIPTS = rows_of(
    PulseReceipt,
    {"command_sequence": 5, "outcome": b"executed", "device_time_us": 2_000},
    {"command_sequence": 6, "outcome": b"refused", "device_time_us": 90_000},
    {"command_sequence": 7, "outcome": b"executed", "device_time_us": 2_000},
)


def test_each_pulse_of_a_train_is_looked_for_on_its_input() -> None:
    events = rows_of(DeviceEvent, rise(2_004), rise(22_000), rise(42_009), rise(2_004, number=1))
    (seen,) = look({"laser": (0, 2)}, TRIALS, RECEIPTS, events).values()
    assert (seen.pulses, seen.seen, seen.unasked) == (3, 3, 0)
    assert seen.after_execution_ns == [4_000]
    assert seen.after_writing_ns == [2_004_007 - 900_000 - 500_000]


def test_pulses_that_never_came_and_some_that_nobody_asked_for_are_told() -> None:
    events = rows_of(DeviceEvent, rise(22_000), rise(60_000), rise(90_000))
    (seen,) = look({"laser": (0, 2)}, TRIALS, RECEIPTS, events).values()
    assert (seen.pulses, seen.seen, seen.unasked) == (3, 1, 2)


def test_a_train_that_was_cut_is_judged_by_the_pulses_that_it_began() -> None:
    ended = {"kind": b"train_ended", "line": 0, "value": 1, "command_sequence": 5}
    (seen,) = look({"laser": (0, 2)}, TRIALS, RECEIPTS, rows_of(DeviceEvent, rise(2_000), ended)).values()
    assert (seen.pulses, seen.seen, seen.unasked) == (1, 1, 0)


def reported(kind: str, device_us: int, **values: int) -> BoardEvent:
    return BoardEvent(kind, device_us, device_us * 1000, tuple(values.items()))


def test_pulses_that_do_not_come_back_are_told_during_the_session_and_once() -> None:
    watch = LoopbackWatch({"laser": (0, 2)})

    def train(start_us: int, pulses: int, seen: int) -> list[str]:
        for n in range(seen):
            watch.take(reported("input_changed", start_us + 1_000 * n, input=2, level=1))
            watch.take(reported("input_changed", start_us + 1_000 * n + 500, input=2, level=0))
        watch.take(reported("input_changed", start_us, input=1, level=1))
        watch.take(reported("train_ended", start_us + 20_000, channel=1, pulses=5))
        watch.take(reported("train_ended", start_us + 20_000, channel=0, pulses=pulses))
        assert watch.complaints((start_us + 30_000) * 1000) == []
        return watch.complaints((start_us + 300_000) * 1000)

    assert train(0, pulses=3, seen=3) == []
    (told,) = train(1_000_000, pulses=3, seen=2)
    assert told.startswith("loopback laser: 2 of 3 pulses were seen on input 2")
    assert train(2_000_000, pulses=3, seen=0) == []
    assert train(3_000_000, pulses=1, seen=1) == []
    (told,) = train(4_000_000, pulses=1, seen=2)
    assert "2 of 1 pulses" in told


@pytest.mark.parametrize(
    ("kind", "values", "row"),
    [
        ("barcode", {"barcode": 0xFFFFFFFF}, (None, 0xFFFFFFFF, None, "")),
        ("input_changed", {"input": 3, "level": 0}, (3, 0, None, "")),
        ("strobe", {"frame_index": 8, "reason": int(Reason.BUSY)}, (None, 8, None, "busy")),
        ("disarmed", {"reason": int(Reason.HEARTBEAT_LOST)}, (None, None, None, "heartbeat_lost")),
        (
            "train_ended",
            {"command_sequence": 9, "channel": 1, "pulses": 4, "reason": int(Reason.COMPLETED)},
            (1, 4, 9, "completed"),
        ),
    ],
)
def test_every_report_has_its_row(kind: str, values: dict[str, int], row: tuple[object, ...]) -> None:
    message = device_event(BoardEvent(kind, 5, 6, tuple(values.items())))
    assert (message.line, message.value, message.command_sequence, message.reason) == row
    assert len(row_values(message, DeviceEvent)) == len(row_dtype(DeviceEvent))


class SyncBoard:
    """A sync output that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def set_sync(self, mode: str, seed: int) -> None:
        self.told.append((mode, seed))

    def strobe(self, frame_index: int) -> None:
        self.told.append(("frame", frame_index))


def test_barcodes_are_never_drawn_twice_from_one_seed() -> None:
    board = SyncBoard()
    for session in ("monday", "tuesday"):
        line = SyncLine(board, "barcode", session)  # type: ignore[arg-type]
        line.on()
        line.mark(3)
        line.on()
        line.off()
    seeds = [seed for mode, seed in board.told if mode == "barcode"]
    assert len(set(seeds)) == 4
    assert all(0 < seed < 2**32 for seed in seeds)
    assert board.told[2] == ("off", 0)


def test_frames_are_marked_in_strobe_mode_alone() -> None:
    board = SyncBoard()
    for mode in ("off", "strobe"):
        line = SyncLine(board, mode, "s")  # type: ignore[arg-type]
        line.on()
        line.mark(7)
        line.off()
    assert [what for what, _ in board.told] == ["strobe", "frame", "off"]


@pytest.fixture
def files(tmp_path: Path) -> RigFiles:
    return write_rig(tmp_path, RECORDING, tmp_path)


def check(files: RigFiles) -> None:
    check_request(SessionRequest(files.rig, files.model, files.protocol, "m1", files.out))


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ('name = "laser"\nchannel = 0', ""),
        ('name = "other"\nchannel = 1', ""),
        ('name = "laser"\nchannel = 1', "'laser', channel = 1: the rig file's board has 'laser' on channel 0"),
        ('name = "led"\nchannel = 2', "channel = 2: the rig file's board has only {laser = 0, led = 1}"),
    ],
)
def test_outputs_are_held_against_the_rigs_channels(files: RigFiles, output: str, complaint: str) -> None:
    files.rig.write_text(files.rig.read_text().replace("{laser = 0}", "{laser = 0, led = 1}"))
    name = output.split('"')[1]
    text = PROTOCOL.replace('name = "laser"\nchannel = 0', output).replace('output = "laser"', f'output = "{name}"')
    files.protocol.write_text(text)
    if not complaint:
        return check(files)
    with pytest.raises(ConfigError) as caught:
        check(files)
    assert complaint in str(caught.value)
    return None


def test_a_sync_output_that_the_board_has_not_is_told_beforehand(files: RigFiles) -> None:
    files.protocol.write_text(PROTOCOL.replace("[limits]", STROBE))
    check(files)
    other = files.rig.read_text().replace('"etholoop"', '"pulse-pal"').replace('"simulated"', '"/dev/ttyACM0"')
    files.rig.write_text(other)
    with pytest.raises(ConfigError, match=r'sync = "strobe".*pulse-pal board has no sync output'):
        check(files)


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        ("loopback = {led = 0}", "there is no channel 'led'"),
        ("loopback = {laser = 4}", "loopback"),
        ("loopback = {laser = 3}\ninterlock = true", "input 3 is the interlock"),
    ],
)
def test_wires_that_cannot_be_are_refused(files: RigFiles, extra: str, complaint: str) -> None:
    files.rig.write_text(files.rig.read_text() + extra + "\n")
    with pytest.raises(ConfigError, match=complaint):
        load_rig(files.rig)


def test_a_board_without_a_sync_output_says_so() -> None:
    class Bare(SyncBoard):
        def set_sync(self, mode: str, seed: int) -> None:
            raise BoardRefused("this board has no sync output")

    SyncLine(Bare(), "off", "s").on()  # type: ignore[arg-type]
    with pytest.raises(BoardRefused):
        SyncLine(Bare(), "barcode", "s").on()  # type: ignore[arg-type]
