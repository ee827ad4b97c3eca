"""Where a command may write, found out before it starts: never over what it reads."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from online.errors import CannotWrite, ConfigError

_RECORDINGS = ("session.h5", "results_00.h5", "depth.dat", "depth.avi", "depth_ts.txt", "metadata.json", "truth.h5")
"""Files for whose sake a folder is given as an input."""


def check_outputs(outputs: Mapping[str, Path | None], inputs: Iterable[Path | None]) -> None:
    """Refuse outputs, by the option that names them, that would replace an input (or the yaml beside one, or a
    recording in a folder that is one) or each other, or that cannot be written. None stands for an option not given.

    Raises
    ------
    ConfigError
        for the first of them.
    """
    read = {_identity(file): file for path in inputs if path is not None for file in _files_of(path)}
    taken: dict[object, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        identity = _identity(path)
        if identity in read:
            raise ConfigError(f"{option} {path}: would overwrite an input ({read[identity]}); choose another name")
        if identity in taken:
            raise ConfigError(f"{option} {path}: {taken[identity]} is written there; choose another name")
        taken[identity] = option
        _require_writable(option, path)


def refuse_existing(outputs: Mapping[str, Path | None], overwrite: bool) -> None:
    """Raise ConfigError for the first output, by the option that names it, that exists, unless --overwrite was given.

    For what took long to make and what other files refer to, such as a model, by whose numbers protocols and names go.
    """
    for option, path in outputs.items():
        if path is not None and not overwrite and path.exists():
            raise ConfigError(f"{option} {path}: exists already; choose another name, or --overwrite replaces it")


def require_room(option: str, path: Path, needed_bytes: int) -> None:
    """Raise CannotWrite where the disk that `path` will lie on has less than `needed_bytes` left."""
    free = shutil.disk_usage(_existing_folder(path)).free
    if needed_bytes > free:
        raise CannotWrite(
            f"{option} {path}: up to {needed_bytes / 1e6:.0f} MB are needed and {free / 1e6:.0f} MB are free; make room"
        )


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        return [folder / name for folder in (path, path / "proc") for name in _RECORDINGS if (folder / name).exists()]
    return [path, path.with_suffix(".yaml")]


def _identity(path: Path) -> object:
    """The same for all names of one file."""
    try:
        status = path.stat()
    except OSError:
        return path.absolute().parent.resolve() / path.name
    return status.st_dev, status.st_ino


def _require_writable(option: str, path: Path) -> None:
    if path.is_dir():
        raise ConfigError(f"{option} {path}: is a folder; name a file")
    folder = _existing_folder(path)
    if not folder.is_dir():
        raise ConfigError(f"{option} {path}: {folder} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{option} {path}: nothing can be written in {folder} (read-only, or not yours)")


def _existing_folder(path: Path) -> Path:
    """The nearest folder above `path` that exists (it may be a file)."""
    folder = path.absolute().parent
    while not os.path.lexists(folder):
        folder = folder.parent
    return folder
