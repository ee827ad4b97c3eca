"""A process whose supervisor is killed before it has been loaded ends by itself, too."""

import fcntl
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rig.children import PARENT
from rig.configuration import WatchConfig
from rig.launch import Launch
from rig.private_directory import ALIVE
from rig.process import ProcessLink
from rig.watch_keys import new_pair, write_secret
from tests.fake_rig import write_files

STARTS_AND_DIES = """
import os, sys
from rig.children import spawn
with open(sys.argv[3], "wb") as log:
    print(spawn(sys.argv[1], [sys.argv[2]], log).pid, flush=True)
os._exit(0)
"""
PATIENCE_S = 30


def ends(child: int) -> bool:
    """Whether a process that is nobody's child any more ends by itself; it is ended where not."""
    try:
        handle = os.pidfd_open(child)
    except ProcessLookupError:
        return True
    ended, _, _ = select.select([handle], [], [], PATIENCE_S)
    if not ended:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    os.close(handle)
    return bool(ended)


def test_who_starts_and_dies_at_once_leaves_no_process(private: Path, tmp_path: Path) -> None:
    write_files(private)
    keys = tmp_path / "keys"
    keys.mkdir()
    write_secret(keys / "rig.key", dict(zip(("public", "secret"), new_pair(), strict=True)))
    launch = Launch.load(private)
    watch = WatchConfig(address="tcp://127.0.0.1:0", keys=keys)
    launch.model_copy(update={"rig": launch.rig.model_copy(update={"watch": watch})}).save()
    (private / ALIVE).touch()
    words = [sys.executable, "-c", STARTS_AND_DIES, "rig.watch_process", str(private), str(tmp_path / "log")]
    child = int(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
    assert ends(child), (tmp_path / "log").read_text()
    with (private / ALIVE).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_process_of_a_session_waits_for_no_start_where_who_started_it_is_gone(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    monkeypatch.setenv(PARENT, str(gone.pid))
    with ProcessLink("camera", private) as link:
        assert not link.wait_for_start()
