"""HDF5 files that are either whole or absent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from online.files.whole_file import whole_file


@contextmanager
def whole_hdf5(path: Path) -> Iterator[h5py.File]:
    """A file made in memory, then written as a `whole_file`; for files that are small beside the memory.

    HDF5 itself must not meet a disk that is full: it cannot close the file any more, and crashes the process.

    Raises
    ------
    CannotWrite
        see `whole_file`.
    """
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    with whole_file(path) as temporary:
        temporary.write_bytes(image)
