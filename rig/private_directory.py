"""The private directory of a session: sockets, logs, and the copies that run; and what killed sessions left of theirs.

Every process of a session holds a shared lock on the file `alive` in it, which the kernel drops when the process dies:
a directory that nobody holds belongs to a session whose supervisor was killed.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from online.errors import ConfigError

PREFIX = "etholoop-"
LONGEST_PRIVATE = 80  # the address of a socket below it has room for 107 bytes
ALIVE = "alive"


@contextmanager
def private_directory() -> Iterator[Path]:
    """A directory that only this user may enter; removed at the end."""
    try:
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
    except OSError as error:
        raise ConfigError(f"no temporary directory can be made: {error}; set TMPDIR to a folder with room") from error
    try:
        if len(os.fsencode(path)) > LONGEST_PRIVATE:
            raise ConfigError(f"{path.parent} is too long a path for sockets: set TMPDIR=/tmp")
        with (path / "locking").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            (path / "locking").rename(path / ALIVE)
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def holding(run_dir: Path) -> Iterator[None]:
    """Hold the session's directory while this process lives."""
    with (run_dir / ALIVE).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def sweep(conclude: Callable[[Path], None]) -> None:
    """Call `conclude` with each directory of this user's that a killed session left, then remove it."""
    for alive in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{ALIVE}"):
        try:
            with alive.open("rb") as lock:
                if alive.stat().st_uid != os.getuid():
                    continue
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                conclude(alive.parent)
        except OSError:  # in use, or gone meanwhile
            continue
        shutil.rmtree(alive.parent, ignore_errors=True)
