"""Writing `results_00.h5` and `results_00.yaml` in moseq2-extract's layout, readable by the published tools.

Velocities keep the published unit, per slot of the camera's grid, so that those tools read what they expect; frames
dropped between two frames are accounted for. `speed_mm_s` and `turning_rad_s` are per second. Where there is no mouse
scalars are NaN, `area_px` is 0 and the crop is empty. `frames_covered` (n, H, W) marks the pixels of the crops that a
mask or something above the mouse hides.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Self

import h5py
import numpy as np
import yaml
from numpy.typing import NDArray

from offline.extract.moseq2_scalars import moseq2_scalars
from offline.results import COVERED
from online.arena import Arena
from online.extracted import Extracted
from online.files.whole_file import whole_file
from online.model import ExtractionSettings

# name: (unit, description); the first 17 are the published ones.
SCALARS: dict[str, tuple[str, str]] = {
    "centroid_x_px": ("px", "centroid from the left of the region's bounding box"),
    "centroid_y_px": ("px", "centroid from the top of the region's bounding box"),
    "centroid_x_mm": ("mm", "centroid from the region's centre, rightwards"),
    "centroid_y_mm": ("mm", "centroid from the region's centre, downwards"),
    "width_px": ("px", "short axis of the ellipse with the body's moments"),
    "length_px": ("px", "long axis of the ellipse with the body's moments"),
    "width_mm": ("mm", "short axis"),
    "length_mm": ("mm", "long axis"),
    "area_px": ("px", "pixels of the crop between the height limits"),
    "area_mm": ("mm^2", "area of those pixels"),
    "height_ave_mm": ("mm", "mean height of those pixels above the floor"),
    "angle": ("rad", "heading, unwrapped; counter-clockwise on screen"),
    "velocity_2d_px": ("px/frame", "speed of the centroid in the image"),
    "velocity_2d_mm": ("mm/frame", "speed of the centroid"),
    "velocity_3d_px": ("px/frame", "speed with changes of height (mm) as a third coordinate"),
    "velocity_3d_mm": ("mm/frame", "speed with changes of height as a third coordinate"),
    "velocity_theta": ("rad", "direction of movement in the image, y downwards"),
    "speed_mm_s": ("mm/s", "speed of the centroid per second"),
    "turning_rad_s": ("rad/s", "change of heading per second"),
    "heading_probability": ("", "probability that head and tail are not confused"),
}
_CHUNK = 64


class ResultsWriter:
    """An open results file, a context manager; frames are appended in order."""

    def __init__(self, path: Path, num_frames: int, crop_size_px: int) -> None:
        self.file = h5py.File(path, "w")
        shape = (num_frames, crop_size_px, crop_size_px)
        chunks = (min(_CHUNK, num_frames), crop_size_px, crop_size_px)
        options = {"chunks": chunks, "compression": "gzip", "compression_opts": 4}
        self.frames = self.file.create_dataset("frames", shape, np.uint8, **options)
        self.masks = self.file.create_dataset("frames_mask", shape, bool, **options)
        self.covered = self.file.create_dataset(COVERED, shape, bool, **options)
        self.pending = np.zeros((3, chunks[0], crop_size_px, crop_size_px), np.uint8)
        self.rows = {name: np.full(num_frames, np.nan) for name in (*_FIELDS, "missing")}
        self.count = 0

    def append(self, extracted: Extracted, mask: NDArray[np.uint8]) -> None:
        """Add one frame; `mask` (crop size) is non-zero on the mouse."""
        place = self.count % len(self.pending[0])
        for images, image in zip(self.pending, (extracted.crop, mask, extracted.covered), strict=True):
            images[place] = image
        for name in _FIELDS:
            self.rows[name][self.count] = getattr(extracted, name)
        self.rows["missing"][self.count] = extracted.missing
        self.count += 1
        if place + 1 == len(self.pending[0]) or self.count == len(self.frames):
            first = self.count - place - 1
            self.frames[first : self.count] = self.pending[0, : place + 1]
            self.masks[first : self.count] = self.pending[1, : place + 1] > 0
            if self.pending[2, : place + 1].any():  # blocks that are never written take no room
                self.covered[first : self.count] = self.pending[2, : place + 1] > 0

    def write_scalars(self, slots: NDArray[np.int64], arena: Arena, published: bool) -> dict[str, NDArray[np.float64]]:
        """All scalars; `slots` (n,): each frame's place on the camera's grid; `published`: as moseq2 computes them."""
        rows, columns = np.nonzero(arena.region)
        scalars = scalars_of(self.rows, slots, (int(columns.min()), int(rows.min())))
        if published:
            scalars |= moseq2_scalars(scalars, arena.floor_distance_mm)
        for name, values in scalars.items():
            unit, description = SCALARS[name]
            data = self.file.create_dataset(f"scalars/{name}", data=values.astype(np.float32), compression="gzip")
            data.attrs["description"], data.attrs["unit"] = description, unit
            if published:
                data.attrs["convention"] = "moseq2"
        return scalars

    def write_table(self, group: str, values: Mapping[str, object]) -> None:
        """One small dataset for each value; what HDF5 cannot hold (nothing, nested tables) is left out."""
        for name, value in values.items():
            if value is not None and not isinstance(value, Mapping):
                self.file[f"{group}/{name}"] = value

    def write_arena(self, arena: Arena, first_frame: NDArray[np.uint16]) -> None:
        """Background, region and the first frame, as published."""
        extraction = "metadata/extraction"
        for name, image in (("background", arena.background_mm), ("roi", arena.region), ("first_frame", first_frame)):
            self.file.create_dataset(f"{extraction}/{name}", data=image, compression="gzip")
        self.file[f"{extraction}/true_depth"] = arena.floor_distance_mm
        self.file[f"{extraction}/floor_plane"] = arena.floor_plane
        for name, value in asdict(arena.intrinsics).items():
            self.file[f"{extraction}/intrinsics/{name}"] = value
        self.file[f"{extraction}/missing"] = self.rows["missing"] > 0
        self.file[f"{extraction}/first_frame_idx"] = [0]
        self.file[f"{extraction}/last_frame_idx"] = [len(self.frames) - 1]
        self.file[f"{extraction}/extract_version"] = f"etholoop {version('etholoop')}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


_FIELDS = (
    *("x_px", "y_px", "x_mm", "y_mm", "heading_rad", "heading_probability", "length_px", "width_px", "area_px"),
    *("length_mm", "width_mm", "area_mm2", "height_mm", "speed_mm_s", "turning_rad_s"),
)


def parameters_of(settings: ExtractionSettings, rate_hz: float) -> dict[str, object]:
    """Settings under the published names, and under ours where there is no published one."""
    return {
        "fps": round(rate_hz),
        "min_height": settings.min_height_mm,
        "max_height": settings.max_height_mm,
        "crop_size": [settings.crop_size_px, settings.crop_size_px],
        "tail_filter_size": [settings.opening_diameter_px, settings.opening_diameter_px],
        "tail_filter_shape": "ellipse",
        "spatial_filter_size": [settings.median_diameter_px],
        **{f"etholoop_{name}": _plain(value) for name, value in asdict(settings).items()},
        "mm_per_crop_pixel": settings.mm_per_crop_pixel,
    }


def _plain(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict) else value


def scalars_of(
    rows: Mapping[str, NDArray[np.float64]], slots: NDArray[np.int64], origin_px: tuple[int, int]
) -> dict[str, NDArray[np.float64]]:
    """The scalars of `SCALARS`, float64 (n,)."""
    seen = rows["missing"] == 0
    column, row = rows["x_px"] - origin_px[0], rows["y_px"] - origin_px[1]
    x, y, height = rows["x_mm"], rows["y_mm"], rows["height_mm"]
    angle = rows["heading_rad"].copy()
    angle[seen] = np.unwrap(angle[seen])
    steps = np.concatenate(([1], np.diff(slots))).astype(np.float64)

    def change(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate((np.zeros(1), np.diff(values))) / steps

    return {
        "centroid_x_px": column,
        "centroid_y_px": row,
        "centroid_x_mm": x,
        "centroid_y_mm": y,
        "width_px": rows["width_px"],
        "length_px": rows["length_px"],
        "width_mm": rows["width_mm"],
        "length_mm": rows["length_mm"],
        "area_px": np.where(seen, rows["area_px"], 0),
        "area_mm": rows["area_mm2"],
        "height_ave_mm": height,
        "angle": angle,
        "velocity_2d_px": np.hypot(change(column), change(row)),
        "velocity_2d_mm": np.hypot(change(x), change(y)),
        "velocity_3d_px": np.sqrt(change(column) ** 2 + change(row) ** 2 + change(height) ** 2),
        "velocity_3d_mm": np.sqrt(change(x) ** 2 + change(y) ** 2 + change(height) ** 2),
        "velocity_theta": np.arctan2(change(y), change(x)),
        "speed_mm_s": rows["speed_mm_s"],
        "turning_rad_s": rows["turning_rad_s"],
        "heading_probability": rows["heading_probability"],
    }


def write_yaml(path: Path, uuid: str, metadata: Mapping[str, object], parameters: Mapping[str, object]) -> None:
    """The small file beside the results by which the published tools find them."""
    content = {
        "complete": True,
        "skip": False,
        "uuid": uuid,
        "metadata": dict(metadata),
        "parameters": dict(parameters),
    }
    with whole_file(path) as temporary:
        temporary.write_text(yaml.safe_dump(content, sort_keys=False))
