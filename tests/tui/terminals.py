"""A program on a terminal of its own (a pseudo-terminal): keys go in, what it draws is read away."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path


class Terminal:
    """`python -m MODULE ARGUMENTS` on a pseudo-terminal of the given size."""

    def __init__(self, module: str, *arguments: str, columns: int = 120, rows: int = 40) -> None:
        self._end, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.drawn = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        )
        os.close(inner)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._end, keys.encode())

    def until(self, condition: Callable[[], bool], turns: int = 3000) -> None:
        """Let the program draw until something holds."""
        for _ in range(turns):
            if condition():
                return
            if select.select([self._end], [], [], 0.02)[0]:
                try:
                    self.drawn = (self.drawn + os.read(self._end, 65536))[-400_000:]
                except OSError:
                    self.process.wait()
                    assert condition(), "the program ended first"
                    return
        raise AssertionError(f"it did not come to this; drawn last: {self.drawn[-2000:]!r}")

    def vanish(self) -> None:
        """Take the terminal away; the program does not belong to it, and gets no signal."""
        os.close(self._end)
        self._end = -1

    def close(self) -> None:
        """End the program, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self._end >= 0:
            os.close(self._end)


def run_dir_in(private: Path) -> Path:
    """The private directory of the one session that runs below `private`."""
    (run_dir,) = private.glob("etholoop-*")
    return run_dir
