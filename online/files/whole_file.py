"""Files that are either whole or absent."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder with the same ending: renamed to `path` at the end, once it is on the disk;
    removed when the block fails.

    The name is this process's own: of two that write the same file at once, both write it whole, and the later stays.
    What processes that were killed had begun is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
