"""Which sessions run on this machine, found by their private directories."""

import json
import os
import tempfile
from pathlib import Path

import zmq

from online.errors import ConfigError
from online.messages import Command
from rig.clock import SystemClock
from rig.control import ControlError, send_command

ANSWER_MS = 1000


def running_sessions(base: Path | None = None) -> list[Path]:
    """Private directories of this user whose supervisor answers."""
    return sorted(run_dir for run_dir in _own(base or Path(tempfile.gettempdir())) if answers(run_dir))


def _own(base: Path) -> list[Path]:
    return [p.parent for p in base.glob("etholoop-*/launch.json") if p.stat().st_uid == os.getuid()]


def where_it_runs(folder: Path) -> Path:
    """The private directory of the session that is being written to `folder` now; `folder` where none is."""
    for run_dir in _own(Path(tempfile.gettempdir())):
        written = json.loads((run_dir / "launch.json").read_text()).get("session_dir")
        if written is not None and Path(written) == folder.resolve() and answers(run_dir):
            return run_dir
    return folder


def answers(run_dir: Path) -> bool:
    """Whether a session's supervisor is there."""
    command = Command(name="status", text="", sent_time_ns=SystemClock().now_ns())
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        return send_command(context, run_dir, "supervisor", command, ANSWER_MS).ok
    except ControlError:
        return False
    finally:
        context.destroy(linger=0)


def choose_session(run_dir: Path | None) -> Path:
    """The session that was named, or the only one that runs.

    Raises
    ------
    ConfigError
        when none runs, or several do and none was named.
    """
    if run_dir is not None:
        if not (run_dir / "launch.json").exists() or not answers(run_dir):
            raise ConfigError(f"{run_dir}: no session runs there; `etholoop attach` alone finds those that run")
        return run_dir
    found = running_sessions()
    if not found:
        raise ConfigError("no session runs on this machine; start one with `etholoop run` or `etholoop rig`")
    if len(found) > 1:
        names = "\n  ".join(str(path) for path in found)
        raise ConfigError(f"several sessions run; name one:\n  {names}")
    return found[0]
