"""Whole sessions: every process, real ZeroMQ, a real pseudo-terminal, a real session file."""

import csv
import json
import os
import signal
import tempfile
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

from online.barcode import BIT_US, MARK_US, NUM_BITS, next_barcode
from online.errors import ConfigError
from online.files.session_file import SessionReader
from online.files.tables import is_missing, text_of
from rig.private_directory import private_directory
from rig.session_checks import check_subject
from rig.ttl.simulated_board import start_simulated_board
from tests.live_sessions import RECORDING, SYNC, wait_until_running
from tests.rigs import PROTOCOL, RigFiles, edges, finish, run, start, write_recording, write_rig

pytestmark = pytest.mark.xdist_group("live")  # one live session at a time


@pytest.fixture
def short(tmp_path: Path, private: Path) -> RigFiles:
    """Five seconds of recording at 60 Hz with two dropped frames."""
    write_recording(tmp_path / "rec", 300, dropped=(100, 200))
    return write_rig(tmp_path, RECORDING, private)


STEPS = (
    "loading the program",
    "checking the rig file, the model and the protocol",
    "board: starting the simulated one",
    "camera: starting its process",
    "camera: opening the camera (recording)",
    "arena: being calibrated from the recording",
    "online: starting its process",
    "online: opening the board (/dev/pts/",
    "online: loading the model and warming up",
    "recorder: starting its process",
    "waiting until the processes hear each other",
    "session runs; data in ",
)
"""What is said before a session runs, in this order: each step as it begins."""


def test_a_recording_runs_through_the_whole_loop(short: RigFiles) -> None:
    short.protocol.write_text(PROTOCOL.replace("[limits]", SYNC))
    short.rig.write_text(short.rig.read_text() + "loopback = {laser = 2}\n")
    code, out, err = run(short)
    assert code == 0, err
    said = iter(err.splitlines())
    assert all(any(line.startswith(step) for line in said) for step in STEPS), err
    summary = json.loads(out)
    assert summary["frames"]["recorded"] == summary["frames"]["decoded"] == 300
    assert summary["frames"]["gaps"] == [1, 1]
    assert summary["messages_lost"] == {}
    assert not [alert for alert in summary["alerts"] if "loopback" in alert["what"]]
    assert summary["ending"]["failures"] == []
    folder = Path(summary["folder"])
    with SessionReader(folder) as session:
        check_record(session, folder)
        check_alignment(session, folder)
    assert summary["loopback"] == {"laser": dict.fromkeys(("pulses", "seen"), summary["commands"]["sent"]) | NO_OTHER}
    assert 0 <= summary["latency_ms"]["executed to seen (laser)"]["max"] < 1
    assert summary["latency_ms"]["written to seen (laser)"]["p50"] > 0
    assert {"session.h5", "summary.json", "protocol.toml", "rig.toml", "arena.toml"} <= {
        path.name for path in folder.iterdir()
    }


def check_record(session: SessionReader, folder: Path) -> None:
    """Every frame has one posterior; every pulse was executed by the board and is seen on the pin."""
    posterior = session.array("syllables/posterior")
    depth = session.array("frames/depth")
    assert posterior is not None
    assert depth is not None
    assert posterior.shape == (300, 3)
    np.testing.assert_allclose(posterior[()].sum(1), 1)
    assert depth.shape == (300, 120, 160)
    assert session.table("engine/rows")["order"].tolist() == list(range(300))
    trials = session.table("pulses/trials")
    receipts = session.table("pulses/receipts")
    sent = trials["command_sequence"][~is_missing(trials["command_sequence"])]
    assert len(sent) >= 3
    assert sorted(receipts["command_sequence"].tolist()) == sorted(sent.tolist())
    assert {text_of(o) for o in receipts["outcome"]} == {"executed"}
    assert [level for _, level in edges(folder)] == [1, 0] * len(sent)
    catches = [text_of(o) == "catch" for o in trials["outcome"]]
    assert any(catches)
    written = trials[~is_missing(trials["written_time_ns"])]
    for first, second in zip(
        ("capture", "arrival", "extracted", "decoded", "decided"),
        ("arrival", "extracted", "decoded", "decided", "written"),
        strict=True,
    ):
        assert (written[f"{second}_time_ns"] >= written[f"{first}_time_ns"]).all()


NO_OTHER = {"unasked": 0}


def check_alignment(session: SessionReader, folder: Path) -> None:
    """From the file alone, the sync output is read as another recording sees it: which barcode, when by which clock."""
    events, clock = session.table("board/events"), session.table("board/clock")
    shown = events[events["kind"] == b"barcode"]
    with (folder / "pins.csv").open() as file:
        sync = [(int(r["host_ns"]), int(r["device_us"])) for r in csv.DictReader(file) if r["output"] == "7"]
    longest_us = 4 * MARK_US + NUM_BITS * BIT_US
    starts = [edge for before, edge in pairwise([(0, -longest_us), *sync]) if edge[1] - before[1] >= longest_us]
    assert shown["device_time_us"].tolist() == [device_us for _, device_us in starts]
    assert shown["value"][0] == first_barcode([device_us for _, device_us in sync])
    assert [next_barcode(code) for code in shown["value"][:-1].tolist()] == shown["value"][1:].tolist()
    fit = clock[-1]
    for host_ns, device_us in starts:
        fitted_ns = fit["host_time_ns"] + fit["ns_per_us"] * (device_us - fit["device_time_us"])
        assert abs(fitted_ns - host_ns) < 5e6
    assert (clock["num_exchanges"] > 16).all()


def first_barcode(edges_us: list[int]) -> int:
    """The bits that the sync output shows from its first edge on."""
    middles_us = [edges_us[0] + 2 * MARK_US + bit * BIT_US + BIT_US // 2 for bit in range(NUM_BITS)]
    return sum((sum(edge <= middle for edge in edges_us) % 2) << bit for bit, middle in enumerate(middles_us))


def test_a_second_session_on_the_same_board_is_refused(tmp_path: Path, private: Path) -> None:
    write_recording(tmp_path / "rec", 3600)
    board, port = start_simulated_board(tmp_path / "pins.csv")
    try:
        files = write_rig(tmp_path, RECORDING, private)
        files.rig.write_text(files.rig.read_text().replace('"simulated"', f'"{port}"'))
        first = start(files)
        wait_until_running(first)
        code, _, err = run(files)
        assert code == 4
        assert "in use" in err
        assert len(list(files.out.iterdir())) == 1
        first.send_signal(signal.SIGINT)
        code, out, err = finish(first)
        assert code == 0, err
        assert json.loads(out)["ending"]["failures"] == []
    finally:
        board.terminate()
        board.wait()


def test_a_second_session_on_the_same_camera_is_refused(tmp_path: Path, private: Path) -> None:
    write_recording(tmp_path / "rec", 3600)
    fed = f'driver = "realsense"\nserial = "{private.name}"\nfeed = {{ driver = "recording", path = "{tmp_path}/rec" }}'
    files = write_rig(tmp_path, fed, private)
    first = start(files)
    wait_until_running(first)
    code, _, err = run(files)
    assert code == 4
    assert private.name in err
    assert "in use" in err
    first.send_signal(signal.SIGINT)
    code, _, err = finish(first)
    assert code == 0, err


def spoil_protocol(files: RigFiles) -> str:
    files.protocol.write_text(PROTOCOL.replace("refractory_ms", "refactory_ms"))
    return "refractory_ms"


def spoil_model(files: RigFiles) -> str:
    with h5py.File(files.model, "a") as file:
        paths: list[str] = []
        file.visit(lambda name: paths.append(name) if name.endswith("transition_matrix") else None)
        del file[paths[0]]
    return "transition_matrix"


def spoil_rate(files: RigFiles) -> str:
    files.rig.write_text(files.rig.read_text().replace('path = "rec"', 'path = "rec"\npace = 50.0'))
    return "cannot follow a camera at 50 Hz"


def spoil_port(files: RigFiles) -> str:
    files.rig.write_text(files.rig.read_text().replace('"simulated"', '"/dev/ttyNOWHERE"'))
    return "/dev/ttyNOWHERE"


def spoil_folder(files: RigFiles) -> str:
    files.out.write_text("a file, not a folder")
    return "cannot be written to"


def test_subjects_that_no_folder_or_file_can_hold_are_refused() -> None:
    for subject in (" ", "m\n1", "m" * 101, os.fsdecode(b"m\xff")):
        with pytest.raises(ConfigError, match="--subject"):
            check_subject(subject)
    check_subject("mouse é/12 {a}")


def test_a_temporary_directory_that_holds_no_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    for folder, words in ((deep, "TMPDIR=/tmp"), (tmp_path / "absent", "TMPDIR")):
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        with pytest.raises(ConfigError, match=words), private_directory():
            pass
    assert list(deep.iterdir()) == []


@pytest.mark.parametrize("spoil", [spoil_protocol, spoil_model, spoil_rate, spoil_port, spoil_folder])
def test_bad_input_gets_a_clear_error_and_no_half_started_session(short: RigFiles, spoil: object) -> None:
    assert callable(spoil)
    complaint = spoil(short)
    code, out, err = run(short)
    assert code in (2, 3, 4)
    assert complaint in err
    assert "Traceback" not in err
    assert out == ""
    assert not short.out.is_dir() or list(short.out.iterdir()) == []
