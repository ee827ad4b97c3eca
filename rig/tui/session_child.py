"""A session as a process of its own, which outlives the screen that started it.

It is `etholoop run` without a screen, in a process group of its own, its words in a file: the screen reads there
which private directory to attach to, where the data are, and what went wrong.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rig.session_checks import SessionRequest

DATA = "session runs; data in "
ATTACH = "watch or control it elsewhere: etholoop attach "


class SessionChild:
    """One session that was started from the screen."""

    def __init__(self, request: SessionRequest) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="etl-run-"))
        self._words = self._folder / "words"
        arguments = ["--rig", request.rig, "--model", request.model, "--protocol", request.protocol]
        arguments += ["--subject", request.subject, "--out", request.out]
        with self._words.open("wb") as words:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rig.tui.run_detached", "--no-ui", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def lines(self) -> list[str]:
        """What the session said so far."""
        try:
            return self._words.read_text(errors="replace").splitlines()
        except OSError:
            return []

    def _after(self, mark: str) -> Path | None:
        found = [line.removeprefix(mark) for line in self.lines() if line.startswith(mark)]
        return Path(found[-1]) if found else None

    @property
    def run_dir(self) -> Path | None:
        """The private directory, once the session runs."""
        return self._after(ATTACH)

    @property
    def folder(self) -> Path | None:
        """Where its data are, once it runs."""
        return self._after(DATA)

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """End it in good order, also while it still prepares."""
        if self.exit_code is None:
            self.process.terminate()

    def forget(self) -> None:
        """Remove the file of its words, once it ended."""
        if self.exit_code is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
