"""A device belongs to one program, and to nobody once that program is dead."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from online.errors import BusyError
from rig.locks import acquire

HOLD = """
import sys, pathlib
from rig.locks import acquire
acquire("realsense:123", pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_user_is_refused_until_the_first_gives_it_back(tmp_path: Path) -> None:
    with acquire("board:/dev/ttyACM0", tmp_path):
        with pytest.raises(BusyError, match=f"/dev/ttyACM0 is in use by process {os.getpid()}"):
            acquire("board:/dev/ttyACM0", tmp_path)
        acquire("board:/dev/ttyACM1", tmp_path).release()
    lock = acquire("board:/dev/ttyACM0", tmp_path)
    lock.release()
    lock.release()


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"process {holder.pid}"):
            acquire("realsense:123", tmp_path)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    acquire("realsense:123", tmp_path).release()


def test_identities_that_look_alike_are_kept_apart(tmp_path: Path) -> None:
    with acquire("a/b", tmp_path), acquire("a:b", tmp_path):
        assert len(list(tmp_path.iterdir())) == 2


def test_a_lock_file_of_another_user_can_still_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    acquire("x", tmp_path).release()
    real_open = os.open

    def only_reading(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError
        return real_open(path, flags, mode)

    monkeypatch.setattr(os, "open", only_reading)
    with acquire("x", tmp_path), pytest.raises(BusyError):
        acquire("x", tmp_path)
