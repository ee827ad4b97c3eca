"""`session.h5`: everything that happened in a session, written while it happens, readable after `kill -9`.

Layout
------
/frames/header (T,) rows of `Frame` with `truth_*`; /frames/depth (T, H, W) uint16 counts, 0 = no reading (absent when
the rig file turns it off); /poses/rows, /poses/crop (T, 80, 80) uint8 mm; /syllables/rows, /syllables/posterior
(T, K) float64, /syllables/scores (T, D) float64, /syllables/further (T, E, K) float64 where the protocol asks for E
further kinds of evidence; /engine/rows, /engine/near (why rules that were near their threshold gave no trial, a row for
each rule and frame); /pulses/trials, /pulses/receipts; /board/events, /board/clock (barcodes shown, inputs, and how the
board's clock ran: all that alignment with other recordings needs); /events/rows; /losses/rows (time_ns, stream, lost);
/health/rows (`online.files.health_rows`). /configuration holds the model bundle, protocol, what the protocol refers to,
rig file and arena as bytes. Attributes of the root: schema version, subject, start times, seeds, software versions,
camera and board, as JSON. Rows are those of `online.files.tables`. The file is opened for single-writer-multiple-reader
and flushed whole.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from online.errors import FileFormatError
from online.files.health_rows import HEALTH_ROW, HealthRows
from online.files.tables import row_dtype, row_values
from online.messages import (
    DeviceClock,
    DeviceEvent,
    EngineInput,
    Event,
    Frame,
    Health,
    Message,
    NearMisses,
    Pose,
    PulseReceipt,
    Syllables,
    Trial,
)

SCHEMA_VERSION = 1
SUPERBLOCK_3 = b"\x89HDF\r\n\x1a\n\x03"
TABLES: dict[str, type[Message]] = {
    "frames/header": Frame,
    "poses/rows": Pose,
    "syllables/rows": Syllables,
    "engine/rows": EngineInput,
    "pulses/trials": Trial,
    "pulses/receipts": PulseReceipt,
    "board/events": DeviceEvent,
    "board/clock": DeviceClock,
    "events/rows": Event,
}
TYPED_ATTRIBUTES = ("subject", "session")
LOSS_ROW = np.dtype([("time_ns", "<i8"), ("stream", "S64"), ("lost", "<i8")])
NEAR_ROW = np.dtype(
    [("frame_index", "<i8"), ("rule", "S64"), ("cause", "S32"), ("part", "<i2")]
    + [(name, "<f8") for name in ("target_probability", "threshold", "value", "needed")]
)
_TABLE_OF = {kind: path for path, kind in TABLES.items()}
_ROWS_A_CHUNK = 256


@dataclass(frozen=True, slots=True)
class SessionShape:
    """Sizes that the file is laid out for. `record_depth` False leaves raw depth out; `compression_level` is igzip's, 1
    to 3, or 0 for none; `num_further`: kinds of evidence beyond the filtered posterior."""

    height: int
    width: int
    num_syllables: int
    num_further: int
    num_dims: int
    crop_size_px: int
    record_depth: bool
    compression_level: int


def _gzip(level: int) -> dict[str, Any]:
    return {"compression": "gzip", "compression_opts": level, "shuffle": True} if level else {}


def _near_rows(near: NearMisses) -> list[tuple[Any, ...]]:
    values = near.values.reshape(-1, 4).tolist()
    names = zip(near.rule, near.cause, near.part, values, strict=True)
    return [(near.frame_index, rule.encode(), cause.encode(), part, *row) for rule, cause, part, row in names]


class SessionWriter:
    """Appends messages to a new session file; `flush` makes all of them safe and visible to readers."""

    def __init__(
        self, path: Path, shape: SessionShape, configuration: Mapping[str, bytes], attributes: Mapping[str, Any]
    ) -> None:
        self._file = h5py.File(path, "x", libver="latest")
        tables = (*TABLES, "engine/near", "losses/rows", "health/rows")
        self._pending: dict[str, list[tuple[Any, ...]]] = {name: [] for name in tables}
        self._health = HealthRows()
        self._level = shape.compression_level
        self._arrays: dict[str, h5py.Dataset] = {}
        for name, kind in TABLES.items():
            self._table(name, row_dtype(kind))
        self._table("losses/rows", LOSS_ROW)
        self._table("engine/near", NEAR_ROW, 1)
        self._table("health/rows", HEALTH_ROW)
        size = shape.crop_size_px
        self._array("poses/crop", (size, size), "u1", 16, 1)
        self._array("syllables/posterior", (shape.num_syllables,), "<f8", 64, 1)
        self._array("syllables/scores", (shape.num_dims,), "<f8", 64, 1)
        if shape.num_further:
            self._array("syllables/further", (shape.num_further, shape.num_syllables), "<f8", 64, 1)
        if shape.record_depth:
            self._array("frames/depth", (shape.height, shape.width), "<u2", 1, shape.compression_level)
        for name, content in configuration.items():
            self._file.create_dataset(f"configuration/{name}", data=np.frombuffer(content, np.uint8))
        for name, value in {"schema_version": SCHEMA_VERSION, **attributes}.items():
            self._file.attrs[name] = value if isinstance(value, (str, int, float)) else json.dumps(value)
        self._file.swmr_mode = True

    def _table(self, name: str, dtype: np.dtype[np.void], level: int = 0) -> None:
        self._file.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(_ROWS_A_CHUNK,), **_gzip(level))

    def _array(self, name: str, shape: tuple[int, ...], dtype: str, rows: int, level: int) -> None:
        self._arrays[name] = self._file.create_dataset(
            name, (0, *shape), dtype, maxshape=(None, *shape), chunks=(rows, *shape), **_gzip(level)
        )

    def append(self, message: Message, payload: memoryview | None) -> None:
        """Add one message, with its raw buffer where its stream has one."""
        if isinstance(message, NearMisses):
            self._pending["engine/near"].extend(_near_rows(message))
            return
        if isinstance(message, Health):
            self._pending["health/rows"] += self._health.of(message)
            return
        kind = type(message)
        self._pending[_TABLE_OF[kind]].append(row_values(message, kind))
        if isinstance(message, Frame) and "frames/depth" in self._arrays:
            if payload is None:
                raise FileFormatError("a frame came without its image")
            image = np.frombuffer(payload, "<u2").reshape(message.height, message.width)
            self._append_image("frames/depth", image)
        elif isinstance(message, Pose):
            dataset = self._arrays["poses/crop"]
            crop = np.zeros(dataset.shape[1:], np.uint8)
            if payload is not None:
                crop[...] = np.frombuffer(payload, np.uint8).reshape(crop.shape)
            self._append_array("poses/crop", crop)
        elif isinstance(message, Syllables):
            self._append_array("syllables/posterior", message.posterior)
            self._append_array("syllables/scores", message.scores)
            if "syllables/further" in self._arrays:
                further = self._arrays["syllables/further"]
                self._append_array("syllables/further", message.further.reshape(further.shape[1:]))

    def _append_array(self, name: str, value: NDArray[Any]) -> None:
        dataset = self._arrays[name]
        rows = dataset.shape[0]
        dataset.resize(rows + 1, axis=0)
        dataset[rows] = value

    def _append_image(self, name: str, image: NDArray[np.uint16]) -> None:
        """Add a chunk of its own, compressed here: igzip writes what HDF5's filters read, several times faster."""
        dataset = self._arrays[name]
        rows = dataset.shape[0]
        dataset.resize(rows + 1, axis=0)
        if not dataset.compression:
            dataset[rows] = image
            return
        shuffled = np.ascontiguousarray(image.reshape(-1, 1).view(np.uint8).T)
        dataset.id.write_direct_chunk((rows, 0, 0), isal_zlib.compress(shuffled, self._level))

    def append_loss(self, time_ns: int, stream: str, lost: int) -> None:
        """Note that `lost` messages of a stream never came."""
        self._pending["losses/rows"].append((time_ns, stream.encode(), lost))

    def flush(self) -> None:
        """Write what is pending and flush the whole file."""
        for name, rows in self._pending.items():
            if rows:
                dataset = self._file[name]
                start = dataset.shape[0]
                dataset.resize(start + len(rows), axis=0)
                dataset[start:] = np.array(rows, dataset.dtype)
                rows.clear()
        self._file.flush()

    def close(self) -> None:
        """Flush and close; harmless twice."""
        if self._file:
            self.flush()
            self._file.close()


class SessionReader:
    """Reads a finished, growing, or killed session file. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        path = path / "session.h5" if path.is_dir() else path
        try:
            _refuse_cut(path)
            self._file = h5py.File(path, "r", libver="latest", swmr=True)
        except FileNotFoundError as error:
            raise FileFormatError(f"{path}: no session file here; name a session folder or its session.h5") from error
        except OSError as error:
            raise FileFormatError(f"{path}: not a readable session file ({error})") from error
        version = self._file.attrs.get("schema_version")
        if version != SCHEMA_VERSION:
            self._file.close()
            raise FileFormatError(f"{path}: session schema {version}, {SCHEMA_VERSION} understood")

    def __enter__(self) -> "SessionReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def attributes(self) -> dict[str, Any]:
        """Root attributes; JSON texts are decoded, but never what a person typed."""
        return {n: v if n in TYPED_ATTRIBUTES else _decoded(v) for n, v in self._file.attrs.items()}

    def configuration(self, name: str) -> bytes:
        """Bytes of a configuration file that ran: `model`, `protocol`, `materials`, `rig`, `arena`."""
        content: bytes = self._file[f"configuration/{name}"][()].tobytes()
        return content

    def table(self, name: str) -> NDArray[np.void]:
        """All rows of a table of `TABLES`, of `engine/near`, `losses/rows` or `health/rows`."""
        if name not in self._file:
            raise FileFormatError(f"{self._file.filename}: has no {name}: written by another version of Etholoop")
        rows: NDArray[np.void] = self._file[name][()]
        return rows

    def array(self, name: str) -> h5py.Dataset | None:
        """A big dataset (`frames/depth`, `poses/crop`, `syllables/posterior`, `syllables/scores`,
        `syllables/further`), read by slices."""
        return self._file.get(name)


def _refuse_cut(path: Path) -> None:
    """Refuse a file that ends before its superblock (version 3) says: reading it as one that grows would wait for the
    rest without end.

    Raises
    ------
    FileFormatError
        for such a file.
    """
    with path.open("rb") as file:
        head = file.read(36)
    if head[:9] != SUPERBLOCK_3 or len(head) < 36:
        return
    stated = int.from_bytes(head[28:36], "little")
    size = path.stat().st_size
    if size < stated:
        raise FileFormatError(f"{path}: cut short, {size} bytes of {stated}: copy it again")


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)
    return value.item() if isinstance(value, np.generic) else value
