"""The pieces of a session, whether they lie in a folder or in one archive."""

import io
import tarfile
import zlib
from pathlib import Path
from typing import Protocol

from online.errors import FileFormatError
from online.files.depth_source import RawFrames

_SUFFIXES = (".dat", ".avi", ".mkv")


class Parts(Protocol):
    """Where a session's pieces are read from; `depth_name` is the file with the images."""

    path: Path
    depth_name: str

    def read(self, name: str) -> bytes | None:
        """A small file whole, or None when there is no such file."""

    def depth_bytes(self) -> int:
        """Size of the depth file."""

    def open_raw(self, shape: tuple[int, int], num_frames: int) -> RawFrames:
        """The depth file as raw frames of `shape` (H, W), which then hold what is open."""

    def close(self) -> None:
        """Release what `open_raw` has not taken."""


def depth_file(names: list[str], where: Path) -> str:
    """The one depth file among `names`; infra-red files (`ir*`) do not count, and `depth.*` wins."""
    found = [n for n in names if n.lower().endswith(_SUFFIXES) and not Path(n).name.startswith("ir")]
    best = [n for n in found if Path(n).stem == "depth"] or found
    if not best:
        raise FileFormatError(f"{where} holds no depth recording (depth.dat, depth.avi or an .mkv)")
    if len(best) > 1:
        raise FileFormatError(
            f"{where} holds several depth recordings ({', '.join(sorted(best))}): name the one you mean"
        )
    return best[0]


class FolderParts:
    """A session folder, or one depth file in it."""

    def __init__(self, path: Path, depth_name: str | None = None) -> None:
        self.path = path
        self.depth_name = depth_name or depth_file([p.name for p in path.iterdir() if p.is_file()], path)
        if not self.depth_name.lower().endswith(_SUFFIXES):
            raise FileFormatError(f"{path / self.depth_name} is no depth recording (.dat, .avi, .mkv, .tar.gz, .tgz)")

    def read(self, name: str) -> bytes | None:
        """A small file whole, or None when there is no such file."""
        file = self.path / name
        return file.read_bytes() if file.is_file() else None

    def depth_bytes(self) -> int:
        """Size of the depth file."""
        return (self.path / self.depth_name).stat().st_size

    def open_raw(self, shape: tuple[int, int], num_frames: int) -> RawFrames:
        """The depth file as raw frames of `shape` (H, W)."""
        file = self.path / self.depth_name
        return RawFrames((file.open("rb", buffering=0),), str(file), shape, num_frames)

    def close(self) -> None:
        """Nothing is open."""


class ArchiveParts:
    """A session in a tar archive, read through without unpacking it.

    Opening decompresses the archive once to find its members. Frames in order are then decompressed on the way.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._tar = tarfile.open(path)  # noqa: SIM115 - the frames keep it open
        except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
            raise FileFormatError(f"{path} is no readable archive: {error}") from error
        try:
            self._members = {Path(m.name).name: m for m in self._tar.getmembers() if m.isfile()}
            self.depth_name = depth_file(list(self._members), path)
            if not self.depth_name.endswith(".dat"):
                raise FileFormatError(f"{path}: only depth.dat can be read within an archive: unpack it first")
        except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
            self._tar.close()
            raise FileFormatError(f"{path} is truncated or damaged: {error}") from error
        except FileFormatError:
            self._tar.close()
            raise

    def read(self, name: str) -> bytes | None:
        """A small file whole, or None when there is no such member."""
        member = self._members.get(name)
        file = None if member is None else self._tar.extractfile(member)
        return None if file is None else file.read()

    def depth_bytes(self) -> int:
        """Size of the depth file when unpacked."""
        return self._members[self.depth_name].size

    def open_raw(self, shape: tuple[int, int], num_frames: int) -> RawFrames:
        """The depth file as raw frames of `shape` (H, W); closing them closes the archive."""
        file = self._tar.extractfile(self._members[self.depth_name])
        if not isinstance(file, io.BufferedReader):
            raise FileFormatError(f"{self.path}: {self.depth_name} is not a plain file")
        return RawFrames((file, self._tar), f"{self.path}:{self.depth_name}", shape, num_frames)

    def close(self) -> None:
        """Close the archive."""
        self._tar.close()
