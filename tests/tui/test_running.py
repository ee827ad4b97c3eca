"""Sessions that run are found; others are not."""

import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from online.errors import ConfigError
from online.messages import Reply
from rig.control import ControlServer
from rig.tui.running import choose_session, running_sessions, where_it_runs


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="el"))
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    monkeypatch.setattr("rig.tui.running.ANSWER_MS", 2000)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def session(base: Path) -> Iterator[Path]:
    """A private directory with a supervisor that answers."""
    run_dir = base / "etholoop-abc"
    run_dir.mkdir()
    (run_dir / "launch.json").write_text("{}")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    server = ControlServer(context, run_dir, "supervisor")
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            if server.socket.poll(20) and server.receive() is not None:
                server.reply(Reply(ok=True, detail="", done_time_ns=0))

    thread = threading.Thread(target=serve)
    thread.start()
    yield run_dir
    over.set()
    thread.join()
    server.close()
    context.destroy(linger=0)


def test_a_folder_that_is_being_written_to_leads_to_its_session(session: Path, base: Path) -> None:
    folder, other = base / "data" / "m1", base / "data" / "m2"
    (session / "launch.json").write_text(json.dumps({"session_dir": str(folder)}))
    assert where_it_runs(folder) == session
    assert where_it_runs(other) == other


def test_the_only_session_is_found(session: Path, base: Path) -> None:
    dead = base / "etholoop-dead"
    dead.mkdir()
    (dead / "launch.json").write_text("{}")
    assert running_sessions() == [session]
    assert choose_session(None) == session
    assert choose_session(session) == session
    with pytest.raises(ConfigError, match="no session runs there"):
        choose_session(dead)


def test_where_nothing_runs_it_is_said(base: Path) -> None:
    with pytest.raises(ConfigError, match="no session runs on this machine"):
        choose_session(None)


def test_of_several_one_must_be_named(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.tui.running.running_sessions", lambda: [session, session])
    with pytest.raises(ConfigError, match="name one"):
        choose_session(None)
