"""`results_00.mp4`: the crop and the arena side by side, heights in colour, the frame's number in the corner."""

from fractions import Fraction
from pathlib import Path

import av
import matplotlib
import numpy as np
from numpy.typing import NDArray

from online.arena import Arena
from online.extracted import Extracted
from online.model import ExtractionSettings

# 3 x 5 digits, a row of three bits each from the top.
_DIGITS = ("75557", "26227", "71747", "71717", "55711", "74717", "74757", "71111", "75757", "75717")
_MARK = 3


class PreviewMovie:
    """An open movie (H.264); frames are appended in order."""

    def __init__(self, path: Path, arena: Arena, settings: ExtractionSettings, camera: tuple[float, float]) -> None:
        rate_hz, self._unit_mm = camera
        rows, columns = np.nonzero(arena.region)
        self._box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        self._corner = int(columns.min()), int(rows.min())
        self._background = np.where(arena.region, arena.background_mm, 0)[self._box]
        self._limits = settings.min_height_mm, settings.max_height_mm
        ramp = np.linspace(0, 1, 256)
        self._colours = (matplotlib.colormaps["turbo"](ramp)[:, :3] * 255).astype(np.uint8)
        self._colours[0] = 0
        size, (height, width) = settings.crop_size_px, self._background.shape
        self._size = size
        self._canvas = np.zeros((max(size, height) // 2 * 2 + 2, (size + width) // 2 * 2 + 2), np.uint8)
        self._container = av.open(str(path), "w", format="mp4")
        self._stream = self._container.add_stream("libx264", rate=Fraction(round(rate_hz * 100), 100))
        self._stream.height, self._stream.width = self._canvas.shape
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"preset": "veryfast", "crf": "23"}

    def append(self, index: int, frame: NDArray[np.uint16], extracted: Extracted) -> None:
        """Add one frame."""
        canvas, size = self._canvas, self._size
        seen = frame[self._box]
        heights = np.where((seen > 0) & (self._background > 0), self._background - seen * self._unit_mm, 0)
        canvas[:size, :size] = self._shade(extracted.crop)
        arena = canvas[: heights.shape[0], size : size + heights.shape[1]]
        arena[...] = self._shade(heights)
        if not extracted.missing:
            self._mark(arena, extracted.x_px - self._corner[0], extracted.y_px - self._corner[1])
        self._number(index)
        self._write(self._colours[canvas])

    def _shade(self, heights: NDArray[np.float32] | NDArray[np.uint8]) -> NDArray[np.uint8]:
        low, high = self._limits
        mm = np.asarray(heights, np.float32)
        return np.where((mm >= low) & (mm <= high), mm * (254 / high) + 1, 0).astype(np.uint8)

    @staticmethod
    def _mark(arena: NDArray[np.uint8], x_px: float, y_px: float) -> None:
        row, column = round(y_px), round(x_px)
        arena[max(row - _MARK, 0) : row + _MARK + 1, max(column, 0) : column + 1] = 255
        arena[max(row, 0) : row + 1, max(column - _MARK, 0) : column + _MARK + 1] = 255

    def _number(self, index: int) -> None:
        top = self._canvas.shape[0] - 14
        self._canvas[top:, : self._size] = 0
        for place, digit in enumerate(str(index)):
            for row, bits in enumerate(_DIGITS[int(digit)]):
                for column in range(3):
                    if int(bits) >> (2 - column) & 1:
                        x, y = 2 + 8 * place + 2 * column, top + 2 + 2 * row
                        self._canvas[y : y + 2, x : x + 2] = 130

    def _write(self, image: NDArray[np.uint8]) -> None:
        picture = av.VideoFrame.from_ndarray(image, format="rgb24")
        for packet in self._stream.encode(picture):
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the movie."""
        for packet in self._stream.encode():
            self._container.mux(packet)
        self._container.close()
