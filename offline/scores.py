"""Reading and writing `pca_scores.h5`.

Layout (moseq2-pca): `/scores/<uuid>` (T, C) float32, NaN rows at dropped frames; `/scores_idx/<uuid>` (T,) float32, the
frame number of each row or NaN; `/metadata/<uuid>/...` about the acquisition. Ours also note on `/scores/<uuid>`
whether the components were learned from that session as well, and at the root the frame rate
and a hash of each component.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from online.errors import FileFormatError

Array = NDArray[np.float64]

IN_COMPONENTS = "in_components"
COMPONENT_KEYS = "component_keys"
MOST_SPREADS = 1e4
"""How many median deviations from the median a score may lie: far more than any mouse, far less than damaged bytes."""


@dataclass(frozen=True, slots=True)
class ScoredSession:
    """Scores (T, C) of one session, NaN rows where frames were dropped; its group, its subject (empty where unknown),
    the frame number (T,) of each row, NaN at dropped frames, whether the components were learned from this session as
    well, the `component_keys` of (at least) the components (each None where unknown), and whether the file says that a
    `depth_camera` was there."""

    uuid: str
    scores: Array
    source: Path
    group: str = "default"
    subject: str = ""
    frame_numbers: NDArray[np.float32] | None = None
    in_components: bool | None = None
    component_keys: tuple[str, ...] | None = None
    depth_camera: bool = False

    @property
    def of_crops(self) -> bool:
        """Whether the scores are known to be of a depth camera's crops, not of posture itself."""
        return self.depth_camera or self.component_keys is not None


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def session_key(uuid: str) -> str:
    """Under which a model keeps the hash of a session that trained it."""
    return f"session {uuid}"


def session_sha256(scores: Array) -> str:
    """Hash of a session's scores (T, D), whatever file they are in: rows without a mouse left out, as float32."""
    known = scores[np.isfinite(scores).all(axis=1)]
    return hashlib.sha256(np.ascontiguousarray(known, "<f4").tobytes()).hexdigest()


def read_scores(path: Path, num_components: int | None = None) -> list[ScoredSession]:
    """All sessions of one file, in order of uuid; the first `num_components` columns, or all.

    Raises
    ------
    FileFormatError
        if the file is not HDF5 or has no scores, or fewer components than asked for.
    """
    try:
        with h5py.File(path) as file:
            group = file.get("scores")
            if not isinstance(group, h5py.Group) or not len(group):
                raise FileFormatError(f"{path}: no scores in this file; make it with 'etholoop pca ... --scores'")
            keys = file.attrs.get(COMPONENT_KEYS)
            return [
                replace(
                    _read_one(path, uuid, group[uuid], num_components),
                    subject=_subject(file, uuid),
                    frame_numbers=_frame_numbers(file, uuid, len(group[uuid])),
                    component_keys=tuple(keys.split()) if isinstance(keys, str) else None,
                    depth_camera=f"metadata/{uuid}/DepthResolution" in file,
                )
                for uuid in sorted(group)
            ]
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read as HDF5 ({error})") from error


def _read_one(path: Path, uuid: str, data: h5py.Dataset, num_components: int | None) -> ScoredSession:
    if not isinstance(data, h5py.Dataset) or data.ndim != 2:
        raise FileFormatError(f"{path}: scores/{uuid} is not a table of frames by components")
    if data.dtype.kind not in "fiu":
        raise FileFormatError(f"{path}: scores/{uuid} holds {data.dtype}, not real numbers")
    wanted = data.shape[1] if num_components is None else num_components
    if data.shape[1] < wanted:
        raise FileFormatError(f"{path}: scores/{uuid} has {data.shape[1]} components, {wanted} are needed (--pcs)")
    scores = data[:, :wanted].astype(np.float64)
    scores[~np.isfinite(scores)] = np.nan
    noted = data.attrs.get(IN_COMPONENTS)
    return ScoredSession(uuid, scores, path, in_components=None if noted is None else bool(noted))


def _frame_numbers(file: h5py.File, uuid: str, rows: int) -> NDArray[np.float32] | None:
    data = file.get(f"scores_idx/{uuid}")
    if not isinstance(data, h5py.Dataset) or data.shape != (rows,):
        return None
    return np.asarray(data, np.float32)


def _subject(file: h5py.File, uuid: str) -> str:
    data = file.get(f"metadata/{uuid}/SubjectName")
    if not isinstance(data, h5py.Dataset) or h5py.check_string_dtype(data.dtype) is None or data.shape != ():
        return ""
    return str(data.asstr()[()])


def read_frame_rate(path: Path) -> float | None:
    """Frame rate noted in a scores file, None where it is not."""
    with h5py.File(path) as file:
        value = file.attrs.get("frame_rate_hz")
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: its frame_rate_hz is no number ({value!r})") from error


class ScoresWriter:
    """Writes the sessions of an open `pca_scores.h5`."""

    def __init__(self, file: h5py.File, frame_rate_hz: float, component_keys: tuple[str, ...] = ()) -> None:
        self._file = file
        self._file.attrs["frame_rate_hz"] = frame_rate_hz
        if component_keys:
            self._file.attrs[COMPONENT_KEYS] = " ".join(component_keys)

    def add(
        self,
        uuid: str,
        scores: NDArray[np.float32],
        frame_numbers: NDArray[np.float32],
        in_components: bool | None = None,
    ) -> None:
        """Write one session: scores (T, C), the frame number (T,) of each row, NaN at dropped frames, and whether the
        components were learned from it as well, where that is known."""
        data = self._file.create_dataset(f"scores/{uuid}", data=scores, compression="gzip", compression_opts=1)
        if in_components is not None:
            data.attrs[IN_COMPONENTS] = in_components
        self._file.create_dataset(f"scores_idx/{uuid}", data=frame_numbers)

    def copy_metadata(self, uuid: str, acquisition: h5py.Group | None) -> None:
        """Copy a session's acquisition metadata."""
        target = self._file.require_group(f"metadata/{uuid}")
        if acquisition is not None:
            for name in acquisition:
                acquisition.copy(name, target)


def refuse_outliers(sessions: Sequence[ScoredSession]) -> None:
    """Raise FileFormatError for a score that no animal has: one alone would be the whole covariance."""
    rows = np.concatenate([s.scores[np.isfinite(s.scores).all(1)] for s in sessions])
    if not len(rows):
        return
    middle = np.median(rows, axis=0)
    spread = np.median(np.abs(rows - middle), axis=0)
    for session in sessions:
        far = np.isfinite(session.scores) & (np.abs(session.scores - middle) > MOST_SPREADS * spread) & (spread > 0)
        for row, dimension in np.argwhere(far)[:1]:
            raise FileFormatError(
                f"session {session.uuid}, row {row}: score {dimension + 1} is {session.scores[row, dimension]:g}, and "
                f"half of all lie within {spread[dimension]:.3g} of {middle[dimension]:.3g}: damaged; score it again"
            )
