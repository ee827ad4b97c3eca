"""Reading extracted sessions, `results_00.h5` in moseq2-extract's layout, in pieces of bounded size."""

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from online.errors import EtholoopError, FileFormatError
from online.frame_grid import SlotRule, frame_period_ms, slot_indices
from online.model import ExtractionSettings

KINECT_RESOLUTION_PX = (512, 424)
KINECT_FIELD_OF_VIEW_DEG = 70.6
CHUNK_FRAMES = 2048
COVERED = "frames_covered"
PIXEL_SIZE_FIELD = "mm_per_crop_pixel"
SAME_PIXEL_SIZE = 0.03
LONGEST_GAP_S = 600


@dataclass(frozen=True, slots=True)
class Results:
    """One extracted session. slots (n,): place of each frame on the camera's regular grid, from 0; subject: whose it
    is, empty where unknown."""

    path: Path
    uuid: str
    num_frames: int
    crop_size_px: int
    frame_rate_hz: float
    slots: NDArray[np.int64]
    extraction: ExtractionSettings
    subject: str = ""


def open_results(path: Path, rule: SlotRule = "round", mm_per_crop_pixel: float | None = None) -> Results:
    """Check a results file and read everything but its frames.

    Raises
    ------
    FileFormatError
        if it is not HDF5, has no square uint8 crops or no uuid, or its time stamps do not fit its frames.
    """
    try:
        with h5py.File(path) as file:
            frames = file.get("frames")
            if not isinstance(frames, h5py.Dataset) or frames.ndim != 3 or frames.shape[1] != frames.shape[2]:
                raise FileFormatError(f"{path}: no square crops under /frames; extract the session again")
            if frames.dtype != np.uint8:
                raise FileFormatError(f"{path}: crops are {frames.dtype}, not uint8 millimetres")
            rate, slots = _timing(path, file, len(frames), rule)
            return Results(
                path=path,
                uuid=_uuid(path, file),
                num_frames=len(frames),
                crop_size_px=int(frames.shape[1]),
                frame_rate_hz=rate,
                slots=slots,
                extraction=_extraction(path, file, int(frames.shape[1]), mm_per_crop_pixel),
                subject=str(_scalar(file, "metadata/acquisition/SubjectName") or ""),
            )
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read as HDF5 ({error})") from error


def open_all(
    paths: tuple[Path, ...], rule: SlotRule = "round", mm_per_crop_pixel: float | None = None
) -> tuple[list[Results], list[str]]:
    """Sessions in order of uuid, and what is wrong with the files that could not be used.

    Raises
    ------
    EtholoopError
        if no file could be used, or sessions differ in crop size, or one appears twice.
    """
    sessions: list[Results] = []
    complaints: list[str] = []
    for path in paths:
        try:
            sessions.append(open_results(path, rule, mm_per_crop_pixel))
        except FileFormatError as error:
            complaints.append(str(error))
    if not sessions:
        raise FileFormatError("no usable results: " + "; ".join(complaints))
    sessions.sort(key=lambda s: s.uuid)
    for first, second in itertools.pairwise(sessions):
        if first.uuid == second.uuid:
            raise EtholoopError(f"session {first.uuid} is in {first.path} and in {second.path}: give one of them")
    odd = [s for s in sessions if s.crop_size_px != sessions[0].crop_size_px]
    if odd:
        raise EtholoopError(f"{odd[0].path}: crops of {odd[0].crop_size_px} px, others {sessions[0].crop_size_px} px")
    return sessions, complaints


def extraction_difference(ours: ExtractionSettings, theirs: ExtractionSettings) -> str | None:
    """The first setting in which two extractions differ, with both values; pixel sizes may differ by 3 %, by which they
    are measured wrong."""
    for field in fields(ExtractionSettings):
        mine, other = getattr(ours, field.name), getattr(theirs, field.name)
        alike = abs(mine / other - 1) <= SAME_PIXEL_SIZE if field.name == PIXEL_SIZE_FIELD else mine == other
        if not alike:
            return f"{field.name} ({mine} and {other})"
    return None


def read_crops(session: Results, chunk: int = CHUNK_FRAMES) -> Iterator[NDArray[np.uint8]]:
    """Crops (n, H, W) uint8 in order, `chunk` frames at a time."""
    with h5py.File(session.path) as file:
        for first in range(0, session.num_frames, chunk):
            yield file["frames"][first : first + chunk]


def read_covered(session: Results, chunk: int = CHUNK_FRAMES) -> Iterator[NDArray[np.uint8] | None]:
    """What hides the crops of `read_crops` (n, H, W), 1 where they are not known; None where all are known."""
    with h5py.File(session.path) as file:
        stored = file.get(COVERED)
        for first in range(0, session.num_frames, chunk):
            covered = None if stored is None else stored[first : first + chunk].astype(np.uint8)
            yield covered if covered is not None and covered.any() else None


def read_held_crops(session: Results, chunk: int = CHUNK_FRAMES) -> Iterator[NDArray[np.uint8]]:
    """`read_crops`, a hidden pixel showing what was last seen there (0 before): what comes over it and goes is no
    change of behaviour. Frames without a mouse stay empty and are not looked back upon."""
    last = np.zeros((session.crop_size_px, session.crop_size_px), np.uint8)
    for crops, covered in zip(read_crops(session, chunk), read_covered(session, chunk), strict=True):
        for index in np.flatnonzero(crops.any(axis=(1, 2))):
            if covered is not None:
                np.copyto(crops[index], last, where=covered[index] > 0)
            last[...] = crops[index]
        yield crops


def _uuid(path: Path, file: h5py.File) -> str:
    value = _scalar(file, "metadata/uuid")
    if not value:
        raise FileFormatError(f"{path}: no /metadata/uuid to tell sessions apart; extract the session again")
    name = str(value)
    if "/" in name or name in (".", ".."):
        raise FileFormatError(f"{path}: /metadata/uuid {name!r} cannot be the name of a session; extract it again")
    return name


def _timing(path: Path, file: h5py.File, num_frames: int, rule: SlotRule) -> tuple[float, NDArray[np.int64]]:
    stamps = file.get("timestamps", file.get("metadata/timestamps"))
    if stamps is None:
        rate = _scalar(file, "metadata/extraction/parameters/fps")
        if rate is None:
            raise FileFormatError(f"{path}: neither time stamps nor a frame rate; extract the session again")
        return float(rate), np.arange(num_frames, dtype=np.int64)
    stamps_ms = np.asarray(stamps, np.float64)
    if len(stamps_ms) != num_frames:
        raise FileFormatError(f"{path}: {len(stamps_ms)} time stamps for {num_frames} frames")
    if num_frames < 2:
        return float(_scalar(file, "metadata/extraction/parameters/fps") or 30.0), np.arange(num_frames)
    try:
        rate_hz, slots = round(1000 / frame_period_ms(stamps_ms), 1), slot_indices(stamps_ms, rule)
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error
    longest = int(np.diff(slots).max())
    if longest > max(num_frames, LONGEST_GAP_S * rate_hz):
        raise FileFormatError(
            f"{path}: the time stamps leap by {longest / rate_hz:.0f} s, more than the session is long: the clock was "
            "set meanwhile; cut the session there"
        )
    return rate_hz, slots


def read_extraction(path: Path, crop_size_px: int, mm_per_crop_pixel: float) -> ExtractionSettings:
    """How the crops of a results file were made.

    Raises
    ------
    FileFormatError
        if it is not HDF5, or says something that cannot be.
    """
    try:
        with h5py.File(path) as file:
            return _extraction(path, file, crop_size_px, mm_per_crop_pixel)
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read as HDF5 ({error})") from error


def _extraction(path: Path, file: h5py.File, crop_size_px: int, mm_per_crop_pixel: float | None) -> ExtractionSettings:
    parameters = "metadata/extraction/parameters/"
    default = ExtractionSettings(mm_per_crop_pixel=1.0)

    def noted(name: str, otherwise: float) -> Any:
        value = _scalar(file, parameters + name)
        return otherwise if value is None else value

    given = mm_per_crop_pixel if mm_per_crop_pixel is not None else _pixel_size(path, file)
    return ExtractionSettings(
        mm_per_crop_pixel=given,
        crop_size_px=crop_size_px,
        min_height_mm=float(noted("min_height", default.min_height_mm)),
        max_height_mm=float(noted("max_height", default.max_height_mm)),
        opening_diameter_px=int(noted("tail_filter_size", default.opening_diameter_px)),
        median_diameter_px=int(noted("spatial_filter_size", default.median_diameter_px)),
        convention=_convention(path, _scalar(file, parameters + "etholoop_convention")),
        reference_size_mm=_scalar(file, parameters + "etholoop_reference_size_mm"),
        head_tail_weights=json.loads(_scalar(file, parameters + "etholoop_head_tail_weights") or "null"),
    )


def _convention(path: Path, noted: str | None) -> Literal["etholoop", "moseq2"]:
    """How crops are to be made at the rig; published results do not say, and ours come close to theirs."""
    match noted:
        case None | "etholoop":
            return "etholoop"
        case "moseq2":
            return "moseq2"
    raise FileFormatError(f"{path}: crops of an unknown convention {noted!r}; extract the session again")


def _pixel_size(path: Path, file: h5py.File) -> float:
    """Size of a crop pixel: as noted by the extraction, else of a Kinect v2 at the floor's distance."""
    for place in ("metadata/extraction/", "metadata/extraction/parameters/"):
        noted = _scalar(file, place + PIXEL_SIZE_FIELD)
        if noted is not None:
            return float(noted)
    depth_mm = _scalar(file, "metadata/extraction/true_depth")
    resolution = file.get("metadata/acquisition/DepthResolution")
    if depth_mm is None or resolution is None or tuple(np.asarray(resolution)) != KINECT_RESOLUTION_PX:
        raise FileFormatError(f"{path}: the size of a crop pixel is not noted; give --mm-per-crop-pixel")
    return float(depth_mm) * 2 * math.tan(math.radians(KINECT_FIELD_OF_VIEW_DEG / 2)) / KINECT_RESOLUTION_PX[0]


def _scalar(file: h5py.File, name: str) -> Any:
    """Value of a scalar dataset, the first entry of a short one, or None where it is absent or empty."""
    data = file.get(name)
    if not isinstance(data, h5py.Dataset) or data.shape is None or data.size == 0:
        return None
    if h5py.check_string_dtype(data.dtype) is not None:
        text = data.asstr()[()]
        return text if isinstance(text, str) else text.flat[0]
    return np.asarray(data).flat[0].item()
