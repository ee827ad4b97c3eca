"""The check list before a session: what is wrong is named, item by item."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from protocols.parse import parse_protocol
from rig.clock import SystemClock
from rig.configuration import load_rig
from rig.session_checks import SessionRequest
from rig.tui.check_list import lines_of, wrapped
from rig.tui.checks import (
    Check,
    arm_words,
    check_board,
    check_clock,
    check_disk,
    check_files,
    check_fits,
    check_moved,
    check_rate,
    fresh_list,
    may_start,
)
from rig.tui.last_setup import load_last, save_last
from rig.tui.lines import text_of_line
from rig.tui.path_suggester import complete
from tests.fake_rig_files import CAMERA, FLOOR_MM, make_arena
from tests.rigs import PROTOCOL, tiny_model, write_recording, write_rig


@pytest.fixture
def request_(tmp_path: Path) -> SessionRequest:
    write_recording(tmp_path / "rec", 5)
    files = write_rig(tmp_path, 'driver = "recording"\npath = "rec"', tmp_path)
    return SessionRequest(rig=files.rig, model=files.model, protocol=files.protocol, subject="m1", out=files.out)


def test_good_files_are_good(request_: SessionRequest) -> None:
    checks, known = check_files(request_)
    assert {check.state for check in checks.values()} == {"good"}
    assert "will be made" in checks["folder"].detail
    assert not request_.out.exists(), "to look makes nothing"
    assert set(checks) == {"subject", "rig", "model", "protocol", "arm", "folder"}
    assert checks["arm"].detail == "the protocol has none"
    assert known.rig is not None
    assert known.bundle is not None
    assert known.protocol is not None


def test_an_arm_is_shown_unless_it_is_sealed(request_: SessionRequest) -> None:
    arms = '[[arms]]\nname = "paired"\nrules = ["either"]\n[assignment]\nsubjects = {m1 = "paired"}\n'
    request_.protocol.write_text(PROTOCOL + arms)
    checks, known = check_files(request_)
    assert checks["arm"].detail == "paired", checks["protocol"].detail
    assert known.protocol is not None
    assert known.protocol.assignment is not None
    sealed = known.protocol.assignment.model_copy(update={"sealed": "arms.sealed", "subjects": None})
    assert arm_words(known.protocol.model_copy(update={"assignment": sealed}), "paired") == "assigned under seal"


def test_a_missing_subject_does_not_hide_the_rest(request_: SessionRequest) -> None:
    checks, known = check_files(replace(request_, subject="  "))
    assert checks["subject"].state == "bad"
    assert checks["protocol"].state == "good"
    assert known.protocol is not None


def test_each_bad_file_is_named_with_its_reason(request_: SessionRequest, tmp_path: Path) -> None:
    bad = replace(request_, rig=tmp_path / "no.toml", model=tmp_path / "no.model.h5")
    checks, known = check_files(bad)
    assert "cannot be read" in checks["rig"].detail
    assert "no such file" in checks["model"].detail
    assert checks["protocol"].state == "waiting"
    assert known.protocol is None
    request_.protocol.write_text(PROTOCOL.replace("refractory_ms", "refactory_ms"))
    checks, _ = check_files(request_)
    assert checks["protocol"].state == "bad"
    assert "refractory_ms" in checks["protocol"].detail
    assert "name a folder" in check_files(replace(request_, out=Path()))[0]["folder"].detail
    (tmp_path / "file").write_text("")
    checks, _ = check_files(replace(request_, out=tmp_path / "file"))
    assert checks["folder"].state == "bad"


def test_rate_disk_clock_and_fit(tmp_path: Path) -> None:
    assert check_rate(CAMERA, None, 0).state == "running"
    assert check_rate(CAMERA, 29.5, 1).state == "good"
    assert "USB" in check_rate(CAMERA, 22.0, 40).detail
    protocol = parse_protocol(PROTOCOL, "p")
    assert check_disk(tmp_path, CAMERA, True, protocol).state == "good"
    huge = parse_protocol(PROTOCOL.replace("duration_ms = 600000", "duration_ms = 900000000"), "p")
    assert "free some space" in check_disk(tmp_path, replace(CAMERA, width=100_000, height=10_000), True, huge).detail
    assert check_clock(1e-9, 1.8e9).state == "good"
    assert "1970" in check_clock(1e-9, 0.0).detail
    assert check_clock(0.016, 1.8e9).state == "bad"
    assert check_fits(tiny_model(30.0), CAMERA).detail == "one filter"
    assert check_fits(tiny_model(15.0), CAMERA).detail == "2 interleaved filters"
    assert check_fits(tiny_model(25.0), CAMERA).state == "bad"


def test_a_camera_that_was_moved_is_warned_of() -> None:
    arena = make_arena()
    seen = np.full(arena.region.shape, FLOOR_MM, np.float32)
    seen[200:240, 200:260] -= 40
    assert check_moved(arena, seen).state == "good", "a mouse is no movement of the camera"
    assert "20 mm off" in check_moved(arena, seen - 20).detail
    assert check_moved(arena, seen - 20).state == "warning"
    assert "lens" in check_moved(arena, np.zeros_like(seen)).detail
    assert check_moved(arena, seen[:10]).state == "bad"


def test_the_board_is_opened_with_the_limits(request_: SessionRequest, tmp_path: Path) -> None:
    rig, protocol = load_rig(request_.rig), parse_protocol(PROTOCOL, "p")
    assert "(simulated)" in check_board(rig, protocol, SystemClock(), tmp_path).detail
    greedy = protocol.model_copy(update={"limits": protocol.limits.model_copy(update={"max_duty": 1.0})})
    assert "duty" in check_board(rig, greedy, SystemClock(), tmp_path).detail
    lost = rig.model_copy(update={"board": rig.board.model_copy(update={"port": "/dev/ttyNOWHERE"})})
    assert "/dev/ttyNOWHERE" in check_board(lost, protocol, SystemClock(), tmp_path).detail


def test_start_waits_for_all_but_warnings() -> None:
    checks = fresh_list()
    assert not may_start(checks)
    checks = {name: replace(check, state="good") for name, check in checks.items()}
    assert may_start(checks)
    checks["moved"] = replace(checks["moved"], state="warning")
    assert may_start(checks)
    checks["board"] = replace(checks["board"], state="bad")
    assert not may_start(checks)


def test_the_reason_stands_beneath_what_is_bad() -> None:
    lines = lines_of(
        [Check("a", "camera found", "bad", "no camera " * 12), Check("b", "clock", "good", "fine")], 40, 20
    )
    said = [text_of_line(line) for line in lines]
    assert said[1].startswith("✕ camera found")
    assert said[2].strip().startswith("no camera")
    assert said[-1].startswith("● clock  fine")
    assert all(len(line) <= 40 for line in said)
    assert len(wrapped("word " * 500, 20)) == 5
    path = "/data/" + "long/" * 20 + "rig.toml"
    assert "".join(wrapped(path, 30)) == path, "a path is broken, not cut"


def test_whatever_locks_the_start_is_seen_on_a_small_screen() -> None:
    checks = [Check(f"{n}", f"item {n}", "good", "fine") for n in range(10)]
    checks[2] = Check("2", "item 2", "bad", "\n".join(f"problem {n} of the protocol" for n in range(6)))
    checks[9] = Check("9", "item 9", "bad", "no board")
    checks[5] = Check("5", "item 5", "waiting")
    said = [text_of_line(line) for line in lines_of(checks, 36, 16)]
    assert len(said) <= 16
    assert sum("problem" in line for line in said) == 6
    assert all(any(line.startswith(sign) for line in said) for sign in ("✕ item 2", "✕ item 9", "○ item 5"))
    assert said[-1].startswith("● 7 others are good")
    said = [text_of_line(line) for line in lines_of(checks, 36, 9)]
    assert len(said) <= 9
    assert all(any(line.startswith(sign) for line in said) for sign in ("✕ item 2", "✕ item 9", "○ item 5"))


def test_last_entries_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "setup.toml"
    assert load_last(path) == dict.fromkeys(("subject", "rig", "model", "protocol", "out"), "")
    entries = {"subject": "m1", "rig": "a.toml", "model": 'odd "name"', "protocol": "p", "out": "data"}
    save_last(entries, path)
    assert load_last(path) == entries
    path.write_text("not [ toml")
    assert load_last(path)["subject"] == ""


def test_paths_are_completed(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mice.model.h5").write_text("")
    (tmp_path / "models" / "notes.txt").write_text("")
    assert complete(f"{tmp_path}/mo", ".model.h5") == f"{tmp_path}/models/"
    assert complete(f"{tmp_path}/models/", ".model.h5") == f"{tmp_path}/models/mice.model.h5"
    assert complete(f"{tmp_path}/models/mi", "") is None, "only folders where a folder is wanted"
    assert complete(f"{tmp_path}/models/x", ".model.h5") is None
    assert complete("/nowhere/at/all", ".toml") is None
