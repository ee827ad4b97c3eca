"""Starting child processes and asking whether they live."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from online import errors
from online.errors import EtholoopError, SessionFailed
from online.messages import Health

PARENT = "ETHOLOOP_PARENT"
"""Environment variable in which a process that is being started is told who starts it."""


@dataclass(slots=True)
class Child:
    """One child process of a session and what it said of itself."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    ready_detail: str | None = None
    over: str | None = None
    finished: str | None = None
    failed: str | None = None
    last_beat_ns: int | None = None
    health: Health | None = None

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.poll()

    def last_words(self) -> str:
        """The end of what it wrote to its log."""
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""


@dataclass(slots=True)
class Nursery:
    """The children of one session; each writes its log to the session's private directory."""

    run_dir: Path
    children: dict[str, Child] = field(default_factory=dict)

    def start(self, name: str) -> Child:
        """Start `rig.<name>_process` on this session."""
        log = self.run_dir / f"{name}.log"
        with log.open("wb") as output:
            process = spawn(f"rig.{name}_process", [str(self.run_dir)], output)
        child = Child(name, process, log)
        self.children[name] = child
        return child

    def running(self) -> list[Child]:
        """Children that have not ended."""
        return [child for child in self.children.values() if child.exit_code is None]

    def kill(self) -> None:
        """End what still runs, whatever it does, and wait for it."""
        for child in self.running():
            child.process.kill()
        for child in self.children.values():
            child.process.wait()


def raise_failure(child: Child) -> None:
    """Raise what a child said that it failed of (its error's class is kept), or SessionFailed where it ended silently;
    nothing while it runs."""
    if child.failed is not None:
        kind, _, text = child.failed.partition(": ")
        error = getattr(errors, kind, None)
        if isinstance(error, type) and issubclass(error, EtholoopError):
            raise error(text)
        raise SessionFailed(f"the {child.name} process failed: {child.failed}; {child.last_words()}")
    if child.exit_code is not None:
        raise SessionFailed(f"the {child.name} process ended with code {child.exit_code}: {child.last_words()}")


def spawn(module: str, arguments: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Run a module of ours in a process of its own, output to a file, input closed."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", PARENT: str(os.getpid())},
    )


def parent_id() -> int:
    """Process id of who started this one: as it said itself, for it may be gone before our program has been loaded."""
    return int(os.environ.get(PARENT, os.getppid()))
