"""What a long run keeps on disk, so that it can be continued: named arrays of one very run.

Layout (HDF5): the arrays by name, attributes `fingerprint` (JSON: what the run is) and `sha256` of everything.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from online.errors import ConfigError, FileFormatError
from online.files.whole_hdf5 import whole_hdf5

Arrays = dict[str, NDArray[Any]]


def write_arrays(path: Path, arrays: Arrays, identity: dict[str, Any]) -> None:
    """Keep arrays; an older file is replaced only by a whole new one."""
    text = json.dumps(identity, sort_keys=True)
    with whole_hdf5(path) as file:
        for name, value in arrays.items():
            file[name] = value
        file.attrs.update(fingerprint=text, sha256=_digest(arrays, text))


def read_arrays(path: Path, identity: dict[str, Any]) -> Arrays:
    """Read the arrays of this very run.

    Raises
    ------
    FileFormatError
        if the file is damaged or no checkpoint.
    ConfigError
        if it belongs to a run with other data or options.
    """
    try:
        with h5py.File(path) as file:
            arrays: Arrays = {name: np.asarray(data[()]) for name, data in file.items()}
            text, digest = str(file.attrs["fingerprint"]), str(file.attrs["sha256"])
    except (OSError, KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(f"{path}: not a readable checkpoint ({error}); train without --resume") from error
    if _digest(arrays, text) != digest:
        raise FileFormatError(f"{path}: the checkpoint is damaged; delete it and train without --resume")
    theirs, ours = json.loads(text), json.loads(json.dumps(identity))
    differing = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    if differing:
        raise ConfigError(
            f"{path} is a checkpoint of another run: {', '.join(differing)} differ; give the same data and options, "
            "or train without --resume"
        )
    return arrays


def _digest(arrays: Arrays, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        value = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {value.dtype.str} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
