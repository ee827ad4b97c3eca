"""The live screen as a process of its own on this terminal, and the terminal given back after it.

Nothing of textual is imported here.
"""

import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

FAREWELL_S = 6.0
LEAVE_SCREEN = "\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[<u\x1b[0m"
GONE = "the screen is gone, the session goes on: `etholoop attach` opens it again, Ctrl-C ends the session"


def open_screen(run_dir: Path) -> subprocess.Popen[bytes]:
    """Start the live screen on a session's private directory."""
    return subprocess.Popen([sys.executable, "-m", "rig.tui.live", str(run_dir)])


class LiveScreen:
    """Opens the screen of one session and watches over it: text is held back while it is up, and a screen that dies
    leaves a usable terminal at once."""

    def __init__(
        self, say: Callable[[str], None], start: Callable[[Path], subprocess.Popen[bytes]] = open_screen
    ) -> None:
        self._say = say
        self._start = start
        self._terminal: list[Any] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.watch: threading.Thread | None = None
        self._held: list[str] = []
        self._lock = threading.Lock()
        self._over = False

    def open(self, run_dir: Path) -> None:
        """Open the screen and watch it from a thread."""
        if sys.stdin.isatty():
            self._terminal = termios.tcgetattr(sys.stdin.fileno())
        self._process = self._start(run_dir)
        self.watch = threading.Thread(target=self._wait, daemon=True, name="screen")
        self.watch.start()

    def report(self, line: str) -> None:
        """Say a line now, or once the screen is gone."""
        with self._lock:
            if self._process is None:
                self._say(line)
            else:
                self._held.append(line)

    def close(self) -> None:
        """The session is over: the screen goes by itself; if it does not, it is ended."""
        self._over = True
        process, watch = self._process, self.watch
        if process is not None and watch is not None:
            watch.join(FAREWELL_S)
            if watch.is_alive():
                process.kill()
                watch.join()

    def _wait(self) -> None:
        process = self._process
        if process is None:
            return
        code = process.wait()
        if code != 0:
            self._give_terminal_back()
        with self._lock:
            self._process = None
            for line in self._held:
                self._say(line)
            self._held.clear()
            if not self._over:
                self._say(GONE)

    def _give_terminal_back(self) -> None:
        """Undo what a killed screen left: alternate screen, hidden cursor, mouse reports, raw mode."""
        if self._terminal is not None:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, self._terminal)
        if sys.stdout.isatty():
            sys.stdout.write(LEAVE_SCREEN)
            sys.stdout.flush()
