"""An arena on disk: `NAME.toml` with the numbers, and beside it a TIFF with the images, named by its content.

The TIFF has two pages: background in mm (float32, 0 = unknown) and region (uint8, 255 inside); a third where pixels
are masked (uint8, 255 masked). The TOML is renamed
into place last and names its TIFF with its SHA-256, so that the two always belong together.
"""

import hashlib
import io
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import tomli_w

from online.arena import Arena, Intrinsics
from online.errors import ConfigError, FileFormatError
from online.files.whole_file import whole_file

FORMAT = "etholoop arena"
VERSION = 1


def save_arena(arena: Arena, path: Path) -> None:
    """Write `path` (.toml) and its TIFF; an older arena of the same name is replaced."""
    stale = set(path.parent.glob(f"{path.stem}-????????.tiff"))
    images = io.BytesIO()
    with tifffile.TiffWriter(images) as writer:
        writer.write(arena.background_mm, compression="zlib")
        for mask in (arena.region, arena.masked):
            if mask is not None:
                writer.write(np.where(mask, 255, 0).astype(np.uint8), compression="zlib")
    content = images.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    image_path = path.with_name(f"{path.stem}-{digest[:8]}.tiff")
    with whole_file(image_path) as temporary:
        temporary.write_bytes(content)
    camera = arena.intrinsics
    table = {
        "format": FORMAT,
        "version": VERSION,
        "images": {"file": image_path.name, "sha256": digest},
        "floor": {"distance_mm": arena.floor_distance_mm, "plane": list(arena.floor_plane)},
        "implants": [[list(corner) for corner in outline] for outline in arena.implants],
        "intrinsics": {"fx_px": camera.fx_px, "fy_px": camera.fy_px, "cx_px": camera.cx_px, "cy_px": camera.cy_px},
    }
    with whole_file(path) as temporary:
        temporary.write_text(tomli_w.dumps(table))
    for old in stale - {image_path}:
        old.unlink()


def load_arena(path: Path) -> Arena:
    """Read an arena.

    Raises
    ------
    ConfigError
        if the file is not there.
    FileFormatError
        if it is damaged, of another version, or its TIFF is not the one that belongs to it.
    """
    if not path.is_file():
        raise ConfigError(f"no arena file {path}; make one with 'etholoop arena'")
    try:
        table = tomllib.loads(path.read_text())
        if table["format"] != FORMAT or table["version"] != VERSION:
            raise FileFormatError(f"{path}: not an arena of version {VERSION}; calibrate again with 'etholoop arena'")
        return _arena_of(table, path)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, OSError, tifffile.TiffFileError) as error:
        raise FileFormatError(f"{path}: damaged arena file ({error!r}); calibrate again") from error


def _arena_of(table: dict[str, Any], path: Path) -> Arena:
    image_path = path.with_name(str(table["images"]["file"]))
    content = image_path.read_bytes()
    if hashlib.sha256(content).hexdigest() != table["images"]["sha256"]:
        raise FileFormatError(f"{image_path} is not the image that belongs to {path}; calibrate again")
    background, region, *masked = (page.asarray() for page in tifffile.TiffFile(io.BytesIO(content)).pages)
    a, b, c = (float(value) for value in table["floor"]["plane"])
    return Arena(
        background_mm=np.asarray(background, np.float32),
        region=region > 0,
        masked=masked[0] > 0 if masked else None,
        implants=tuple(tuple((float(x), float(y)) for x, y in outline) for outline in table.get("implants", [])),
        floor_distance_mm=float(table["floor"]["distance_mm"]),
        floor_plane=(a, b, c),
        intrinsics=Intrinsics(**{name: float(value) for name, value in table["intrinsics"].items()}),
    )
