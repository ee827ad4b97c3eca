"""What kind of recording a path is."""

from pathlib import Path
from typing import Literal

import h5py

from online.errors import ConfigError

Kind = Literal["session", "results", "scores"]
_MEMBERS: tuple[tuple[Kind, str], ...] = (("session", "engine/rows"), ("scores", "scores"), ("results", "frames"))


def kind_of(path: Path) -> Kind:
    """An Etholoop session (folder or file), extracted results, or scores.

    Raises
    ------
    ConfigError
        if it is none of them.
    """
    if path.is_dir():
        results = path / "proc" / "results_00.h5"
        path = path / "session.h5"
        if not path.exists():
            extracted = f"a MoSeq folder: name {results}" if results.exists() else "no session.h5 in this folder"
            raise ConfigError(f"{path.parent}: {extracted}")
    try:
        with h5py.File(path, "r", libver="latest", swmr=True) as file:
            for kind, member in _MEMBERS:
                if member in file:
                    return kind
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read as HDF5: {error}") from error
    raise ConfigError(f"{path}: neither an Etholoop session, nor results_00.h5, nor pca_scores.h5")
