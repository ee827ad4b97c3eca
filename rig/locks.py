"""One program at a time for each device: a lock that the kernel drops when its holder dies, `kill -9` included."""

import fcntl
import hashlib
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Self

from online.errors import BusyError

LOCK_DIRECTORY = Path("/tmp/etholoop-locks")
"""Shared by all users of the machine, as the devices are; so not where TMPDIR points, which may be a user's own."""


class DeviceLock:
    """A lock that is held until `release`, the end of its `with` block, or the death of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Give the device back; harmless when already done."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def acquire(identity: str, directory: Path = LOCK_DIRECTORY) -> DeviceLock:
    """Take the device named `identity` for this process alone.

    Raises
    ------
    BusyError
        if another holds it, or the lock's file cannot be made.
    """
    path = directory / _file_name(identity)
    try:
        _make_shared(directory)
        descriptor = _open(path)
    except OSError as error:
        raise BusyError(f"{identity} cannot be locked: {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        who = f"process {holder}" if holder else "another program"
        raise BusyError(f"{identity} is in use by {who}: end that session first") from error
    _sign(descriptor)
    return DeviceLock(descriptor)


def _file_name(identity: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9]+", "-", identity).strip("-")[-60:]
    return f"{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.lock"


def _make_shared(directory: Path) -> None:
    if not directory.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o1777)


def _open(path: Path) -> int:
    """Open for locking; a file made by another user can only be read, which is enough for `flock`."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags | os.O_RDWR)
    except FileNotFoundError:
        return os.open(path, flags | os.O_RDWR | os.O_CREAT, 0o644)
    except PermissionError:
        return os.open(path, flags | os.O_RDONLY)


def _sign(descriptor: int) -> None:
    """Leave the process id for the message of whom we keep out; another user's file keeps none."""
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
