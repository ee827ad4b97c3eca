"""A mask that a person drew: the pixels of the camera's image that something hides, whatever the mouse does.

Two forms. A picture (PNG or TIFF) of the camera's size, white where pixels are masked and black elsewhere, painted over
the picture that `etholoop arena` writes. Or polygons in TOML, in pixels of that picture (column, row):

    image_size_px = [640, 480]

    [[polygons]]
    name = "arm of the swivel"
    corners_px = [[300, 0], [340, 0], [340, 210], [300, 210]]

The TOML may also outline what the animal wears, in mm ahead of its body's centre and to its right, so that a mouse with
an implant scores as one without:

    [[implants]]
    name = "headstage"
    corners_mm = [[15, -8], [35, -8], [35, 8], [15, 8]]
"""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from online.arena import Arena
from online.errors import ConfigError, FileFormatError

Point = tuple[float, float]


class Polygon(BaseModel):
    """Corners in order, (column, row); `name` is for people."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    corners_px: Annotated[tuple[Point, ...], Field(min_length=3)]


class Implant(BaseModel):
    """Corners in order, (mm ahead of the body's centre, mm to its right); `name` is for people."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    corners_mm: Annotated[tuple[Point, ...], Field(min_length=3)]


class MaskDrawing(BaseModel):
    """The TOML form; `image_size_px` (columns, rows) of the camera, so that no mask is used for another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_size_px: tuple[int, int] | None = None
    polygons: tuple[Polygon, ...] = ()
    implants: tuple[Implant, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.polygons and not self.implants:
            raise ValueError("neither [[polygons]] nor [[implants]] are given")
        if self.polygons and self.image_size_px is None:
            raise ValueError("image_size_px is missing: columns and rows of the camera's image")
        return self


def with_mask(arena: Arena, path: Path) -> Arena:
    """The arena with what a mask file hides, besides what it hid already.

    What hides the floor has cut its pixels out of the region; those between the region's pixels become part of it.

    Raises
    ------
    ConfigError
        if the file is not there, or its TOML says something impossible.
    FileFormatError
        if it is no picture, or has other colours than black and white.
    """
    if path.suffix != ".toml":
        return _masked(arena, load_painting(path), path)
    drawing = load_drawing(path)
    arena = replace(arena, implants=arena.implants + tuple(implant.corners_mm for implant in drawing.implants))
    return _masked(arena, pixels_of(drawing, path), path) if drawing.polygons else arena


def _masked(arena: Arena, mask: NDArray[np.bool_], path: Path) -> Arena:
    if mask.shape != arena.region.shape:
        raise ConfigError(
            f"{path}: a mask of {mask.shape[1]} x {mask.shape[0]} pixels; the camera gives {arena.region.shape[1]} x "
            f"{arena.region.shape[0]}: draw it on the picture of `etholoop arena`"
        )
    region = arena.region | (mask & _between(arena.region))
    return replace(arena, region=region, masked=mask if arena.masked is None else mask | arena.masked)


def _between(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels with a pixel of the region on both sides, along their row or along their column."""
    inside = np.zeros_like(region)
    for axis in (0, 1):
        before, after = (np.logical_or.accumulate(np.flip(region, flip), axis) for flip in ((), axis))
        inside |= before & np.flip(after, axis)
    return inside


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(f"no mask file {path}: paint one over the picture of the arena, or list polygons in TOML")


def load_drawing(path: Path) -> MaskDrawing:
    """Polygons and implants of a TOML file."""
    _require_file(path)
    try:
        return MaskDrawing.model_validate(tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    except ValidationError as error:
        problems = (f"  {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigError(f"{path}: not a mask:\n" + "\n".join(problems)) from error


def pixels_of(drawing: MaskDrawing, path: Path) -> NDArray[np.bool_]:
    """Pixels (H, W) inside the polygons of the file at `path`."""
    width, height = drawing.image_size_px or (0, 0)
    if not (0 < width <= 10_000 and 0 < height <= 10_000):
        raise ConfigError(f"{path}: image_size_px = {[width, height]}: columns and rows of the camera's image")
    image = Image.new("1", (width, height))
    for polygon in drawing.polygons:
        columns, rows = zip(*polygon.corners_px, strict=True)
        if max(columns) < 0 or max(rows) < 0 or min(columns) >= width or min(rows) >= height:
            raise ConfigError(f"{path}: polygon {polygon.name!r} lies outside of {width} x {height} pixels")
        ImageDraw.Draw(image).polygon(list(polygon.corners_px), fill=1)
    return np.asarray(image)


def load_painting(path: Path) -> NDArray[np.bool_]:
    """White pixels (H, W) of a picture."""
    _require_file(path)
    try:
        with Image.open(path) as image:
            grey = np.asarray(image.convert("L"))
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise FileFormatError(f"{path}: not a picture ({error}); a mask is PNG, TIFF, or TOML") from error
    between = float(((grey > 64) & (grey < 192)).mean())
    if between > 0.01:
        raise FileFormatError(
            f"{path}: {100 * between:.0f} % of the picture is grey: a mask is white where pixels are masked and black "
            "elsewhere; paint it on a layer of its own, fill the rest with black, and save that alone"
        )
    return grey > 128
