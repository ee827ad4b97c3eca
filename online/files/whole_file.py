"""Files that are either whole or absent."""

import errno
import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from online.errors import CannotWrite

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder with the same ending: renamed to `path` at the end, once it is on the disk;
    removed when the block fails.

    The name is this process's own: of two that write the same file at once, both write it whole, and the later stays.
    What processes that were killed had begun is removed.

    Raises
    ------
    CannotWrite
        if the folder cannot be written, or the disk has no room.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        temporary.unlink(missing_ok=True)
    try:
        with _explained(path, _NO_ROOM):
            yield temporary
        with _explained(path):
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def _explained(path: Path, numbers: tuple[int, ...] | None = None) -> Iterator[None]:
    """Turns the system's errors (those of `numbers`, or all) into one that says which file was not written, and why."""
    try:
        yield
    except OSError as error:
        if isinstance(error, CannotWrite) or (numbers is not None and error.errno not in numbers):
            raise
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise CannotWrite(f"{path} could not be written: {reason}; make room, or choose another place") from error


def _remove_leftovers(path: Path) -> None:
    start, end = f".{path.stem}.", f".part{path.suffix}"
    for begun in path.parent.glob(f"{glob.escape(start)}*{glob.escape(end)}"):
        writer = begun.name.removeprefix(start).removesuffix(end)
        if writer.isdecimal() and not _is_running(int(writer)):
            begun.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    with suppress(PermissionError):
        try:
            os.kill(process, 0)
        except (ProcessLookupError, OverflowError):
            return False
    return True
