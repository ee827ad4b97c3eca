"""How running sessions end: a process that dies, falls silent or is stopped, a lost board, a full file, Ctrl-C."""

import contextlib
import json
import os
import resource
import select
import signal
import tempfile
from pathlib import Path

import pytest

from online.files.session_file import SessionReader
from online.files.tables import is_missing
from rig.private_directory import sweep
from rig.session_run import conclude_killed
from tests.live_sessions import RECORDING, SYNC, children_of, modules_of, wait_for_pulses, wait_until_running
from tests.rigs import PROTOCOL, RigFiles, edges, finish, start, write_recording, write_rig

pytestmark = pytest.mark.xdist_group("live")  # one live session at a time


@pytest.fixture
def endless(tmp_path: Path, private: Path) -> RigFiles:
    """A minute of recording: longer than any test waits."""
    write_recording(tmp_path / "rec", 3600)
    return write_rig(tmp_path, RECORDING, private)


@pytest.mark.parametrize("victim", ["camera", "online", "recorder"])
def test_a_killed_process_leaves_the_line_low_and_the_record_readable(endless: RigFiles, victim: str) -> None:
    process = start(endless)
    wait_for_pulses(process, endless, 6)
    children = children_of(process.pid)
    os.kill(children[victim], signal.SIGKILL)
    code, out, err = finish(process)
    assert code == 5, err
    summary = json.loads(out)
    folder = Path(summary["folder"])
    assert any(victim in failure for failure in summary["ending"]["failures"])
    assert "low" in summary["ending"]["line"]
    assert edges(folder)[-1][1] == 0
    with SessionReader(folder) as session:
        assert len(session.table("frames/header")) > 0
    assert not any(Path(f"/proc/{child}").exists() for child in children.values())


def test_a_killed_supervisor_leaves_no_process_the_line_low_and_the_record_whole(
    endless: RigFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(endless)
    wait_for_pulses(process, endless, 2)
    children = children_of(process.pid)
    process.kill()
    wait_until_ended(children)
    process.communicate()
    (pins,) = endless.private.glob("etholoop-*/pins.csv")
    assert edges(pins.parent)[-1][1] == 0
    (folder,) = endless.out.iterdir()
    with SessionReader(folder) as session:
        trials, receipts = session.table("pulses/trials"), session.table("pulses/receipts")
        sent = trials["command_sequence"][~is_missing(trials["command_sequence"])]
        assert sorted(receipts["command_sequence"].tolist()) == sorted(sent.tolist())
    monkeypatch.setattr(tempfile, "tempdir", str(endless.private))
    sweep(lambda run_dir: conclude_killed(run_dir, print))
    assert not pins.parent.exists()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["ending"]["failures"] == ["supervisor: killed"]
    assert summary["commands"]["executed"] >= 2
    assert (folder / "pins.csv").exists()


def test_an_input_that_falls_silent_is_said_and_recorded(endless: RigFiles) -> None:
    process = start(endless)
    wait_for_pulses(process, endless, 1)
    camera = children_of(process.pid)["camera"]
    os.kill(camera, signal.SIGSTOP)
    assert process.stderr is not None
    assert any(line.startswith("ALERT  online hears no frames") for line in process.stderr)
    os.kill(camera, signal.SIGCONT)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert code == 0, err
    summary = json.loads(out)
    assert "online hears no frames" in [alert["what"] for alert in summary["alerts"]]
    with SessionReader(Path(summary["folder"])) as session:
        rows = session.table("health/rows")
    heard = rows[(rows["process"] == b"online") & (rows["stream"] == b"frames")]
    assert {0, 1} == set(heard["alive"].tolist())
    assert {b"camera", b"online", b"recorder"} == set(rows["process"].tolist())


def test_a_supervisor_that_was_stopped_for_a_while_says_that_the_session_failed(endless: RigFiles) -> None:
    process = start(endless)
    wait_for_pulses(process, endless, 2)
    children = children_of(process.pid)
    process.send_signal(signal.SIGSTOP)
    wait_until_ended(children)
    process.send_signal(signal.SIGCONT)
    code, out, err = finish(process)
    assert code == 5, err
    summary = json.loads(out)
    assert any("stopped by a signal" in failure for failure in summary["ending"]["failures"])
    assert edges(Path(summary["folder"]))[-1][1] == 0


def wait_until_ended(children: dict[str, int]) -> None:
    """Until each is gone, or a zombie that its parent has not looked at."""
    for pid in children.values():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            while ") Z" not in Path(f"/proc/{pid}/stat").read_text():
                select.select([], [], [], 0.02)


def test_a_board_that_is_lost_ends_the_session_at_once(endless: RigFiles) -> None:
    endless.protocol.write_text(PROTOCOL.replace("target = [0, 1]", "target = [2]"))
    process = start(endless)
    wait_until_running(process)
    os.kill(modules_of(process.pid)["rig.ttl.simulated_board"], signal.SIGKILL)
    code, out, err = finish(process)
    assert code == 5, err
    summary = json.loads(out)
    assert any("BoardLost" in failure for failure in summary["ending"]["failures"])
    assert "did not answer" in summary["ending"]["line"]


@pytest.mark.parametrize("victim", ["online", "recorder"])
def test_a_process_that_dies_while_the_session_ends_is_a_failure(endless: RigFiles, victim: str) -> None:
    process = start(endless)
    wait_for_pulses(process, endless, 1)
    children = children_of(process.pid)
    os.kill(children[victim], signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    wait_until_ended({"camera": children["camera"]})
    os.kill(children[victim], signal.SIGKILL)
    code, out, err = finish(process)
    assert code == 5, err
    summary = json.loads(out)
    assert any(failure.startswith(f"{victim}: died with code -9") for failure in summary["ending"]["failures"])
    assert "low" in summary["ending"]["line"]


def test_a_file_that_cannot_grow_ends_the_session_in_plain_words(endless: RigFiles) -> None:
    process = start(endless)
    wait_for_pulses(process, endless, 1)
    resource.prlimit(children_of(process.pid)["recorder"], resource.RLIMIT_FSIZE, (1000, 1000))
    code, out, err = finish(process)
    assert code == 5, err
    summary = json.loads(out)
    (failure,) = summary["ending"]["failures"]
    assert failure.startswith("recorder: SessionFailed: writing to")
    assert failure.endswith("File too large")
    assert "low" in summary["ending"]["line"]


def test_nothing_pulses_for_long_that_nobody_records(endless: RigFiles) -> None:
    process = start(endless)
    wait_for_pulses(process, endless, 2)
    os.kill(children_of(process.pid)["recorder"], signal.SIGSTOP)
    code, out, err = finish(process)
    assert code == 5, err
    assert "recorder silent: disarmed" in err
    summary = json.loads(out)
    assert any("recorder" in failure for failure in summary["ending"]["failures"])
    assert edges(Path(summary["folder"]))[-1][1] == 0


def test_ctrl_c_ends_a_session_cleanly(endless: RigFiles) -> None:
    endless.protocol.write_text(PROTOCOL.replace("[limits]", SYNC.replace("barcode", "strobe")))
    process = start(endless)
    wait_for_pulses(process, endless, 1)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert code == 0, err
    summary = json.loads(out)
    assert summary["ending"]["reason"] == "stopped by SIGINT"
    assert summary["ending"]["failures"] == []
    assert summary["frames"]["recorded"] == summary["frames"]["decoded"] > 0
    with SessionReader(Path(summary["folder"])) as session:
        events, frames = session.table("board/events"), session.table("engine/rows")
    assert events["value"][events["kind"] == b"strobe"].tolist() == frames["frame_index"].tolist()
