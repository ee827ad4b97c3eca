"""Depth images in a file, read one by one into a buffer that the caller lends."""

import sys
import zlib
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from online.errors import FileFormatError


class FrameSource(Protocol):
    """Frames by number; the next frame in order is the cheap one, any other may cost a search."""

    height: int
    width: int
    num_frames: int

    def read_frame(self, index: int, buffer: NDArray[np.uint16]) -> None:
        """Fill `buffer` (H, W) with frame `index`."""

    def close(self) -> None:
        """Release the file."""


def check_request(source: FrameSource, index: int, buffer: NDArray[np.uint16]) -> None:
    """Refuse a buffer of another shape or type, and a frame that is not there: both are the caller's bugs."""
    if buffer.shape != (source.height, source.width) or buffer.dtype != np.uint16 or not buffer.flags.c_contiguous:
        raise ValueError(
            f"a C-ordered uint16 buffer of {(source.height, source.width)} is needed, not {buffer.dtype} {buffer.shape}"
        )
    if not 0 <= index < source.num_frames:
        raise IndexError(f"frame {index} asked of {source.num_frames}")


class Readable(Protocol):
    """What `RawFrames` needs of a file."""

    def seek(self, offset: int, /) -> int:
        """Go to a byte."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read at most as many bytes as `buffer` has; 0 at the end."""

    def close(self) -> None:
        """Release the file."""


class Closable(Protocol):
    """Something to be released."""

    def close(self) -> None:
        """Release it."""


class RawFrames:
    """Headerless little-endian uint16 frames (`depth.dat`), in a file or inside an archive.

    `files`: the file itself, then whatever must be closed after it.
    """

    def __init__(
        self, files: tuple[Readable, *tuple[Closable, ...]], name: str, shape: tuple[int, int], num_frames: int
    ) -> None:
        self.height, self.width = shape
        self.num_frames = num_frames
        self._file = files[0]
        self._files = files
        self._name = name
        self._frame_bytes = self.height * self.width * 2

    def read_frame(self, index: int, buffer: NDArray[np.uint16]) -> None:
        """Fill `buffer` (H, W) with frame `index`."""
        check_request(self, index, buffer)
        rest = buffer.reshape(-1).view(np.uint8).data
        try:
            self._file.seek(index * self._frame_bytes)
            while rest:
                count = self._file.readinto(rest)
                if not count:
                    raise FileFormatError(f"{self._name} ends within frame {index}: the file is truncated")
                rest = rest[count:]
        except (OSError, EOFError, zlib.error) as error:
            raise FileFormatError(f"{self._name}: frame {index} cannot be read ({error})") from error
        if sys.byteorder == "big":
            buffer.byteswap(inplace=True)

    def close(self) -> None:
        """Release the file."""
        for file in self._files:
            file.close()
