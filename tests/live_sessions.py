"""What tests of live sessions share: their camera, and looking at their processes from outside."""

import select
import subprocess
from pathlib import Path

from tests.rigs import RigFiles

RECORDING = 'driver = "recording"\npath = "rec"'
SYNC = '[[outputs]]\nname = "sync"\nsync = "barcode"\n\n[limits]'


def modules_of(parent: int) -> dict[str, int]:
    """Process ids of a process's children that run a module of ours, by module."""
    modules = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
            words = (status.parent / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        for module in words if int(fields[1]) == parent else ():
            if module.startswith(b"rig."):
                modules[module.decode()] = int(status.parent.name)
    return modules


def children_of(parent: int) -> dict[str, int]:
    """Process ids of a supervisor's children, by name."""
    return {module[4:-8]: pid for module, pid in modules_of(parent).items() if module.endswith("_process")}


def wait_until_running(process: subprocess.Popen[str]) -> None:
    """Read the supervisor's lines until the session runs."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        if line.startswith("session runs"):
            return
        said.append(line)
    raise AssertionError(f"the session never ran: {''.join(said)}")


def wait_for_pulses(process: subprocess.Popen[str], files: RigFiles, count: int) -> None:
    """Wait until the session runs and its board has pulsed."""
    wait_until_running(process)
    (pins,) = files.private.glob("etholoop-*/pins.csv")
    while not pins.exists() or pins.read_text().count(",0,1\n") < count:
        assert process.poll() is None, process.communicate()[1]
        select.select([], [], [], 0.02)
