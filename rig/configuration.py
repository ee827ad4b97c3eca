"""The rig file (TOML): which camera, arena, board and recorder this rig has."""

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from online.errors import ConfigError
from rig.cameras.configuration import CameraConfig
from rig.configuration_problems import explain
from rig.ttl.configuration import BoardConfig


class ArenaConfig(BaseModel):
    """`file`: a calibrated arena (`etholoop arena` writes one). `from_recording`: calibrate from the recording that
    is about to be played (recordings and simulated mice only). `mask`: pixels that something hides, drawn in a file
    (`online/files/mask_file.py`), besides those that the arena file masks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path | None = None
    from_recording: bool = False
    mask: Path | None = None
    seed: int = 0


class RecorderConfig(BaseModel):
    """What `session.h5` keeps. `compression_level`: 0 none, 1 fast, 3 small."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: bool = True
    compression_level: int = Field(default=1, ge=0, le=3)


class SchedulingConfig(BaseModel):
    """Priority of the camera and online processes: "fifo" is real-time, ahead of everything else on the machine;
    where the system refuses, that is recorded and the session goes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Literal["other", "fifo"] = "fifo"
    fifo_priority: int = Field(default=20, ge=1, le=90)


class WatchConfig(BaseModel):
    """Who has a key may look at sessions from other machines. `address`: where to listen, such as
    "tcp://192.168.1.5:5670"; `keys`: the folder that `etholoop keys` made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(pattern=r"^tcp://[^\s/]+:[0-9]{1,5}$")
    keys: Path


class RigConfig(BaseModel):
    """The whole rig file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "rig"
    camera: CameraConfig
    arena: ArenaConfig
    board: BoardConfig
    recorder: RecorderConfig = RecorderConfig()
    scheduling: SchedulingConfig = SchedulingConfig()
    watch: WatchConfig | None = None


def load_rig(path: Path) -> RigConfig:
    """Read a rig file; relative paths in it are relative to the file.

    Raises
    ------
    ConfigError
        listing every problem: key, value, what is allowed.
    """
    try:
        raw = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error
    try:
        return RigConfig.model_validate(anchored(raw, path.parent))
    except ValidationError as error:
        problems = dict.fromkeys(f"  {explain(detail, raw)}" for detail in error.errors())
        raise ConfigError(f"{path}:\n" + "\n".join(problems)) from error


PATH_KEYS = frozenset({"file", "path", "mask", "record_to", "pin_log", "keys"})


def anchored(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The table with relative paths (keys of PATH_KEYS) made absolute from `folder`."""
    return {
        key: anchored(value, folder)
        if isinstance(value, dict)
        else str((folder / value).resolve())
        if key in PATH_KEYS and isinstance(value, str)
        else value
        for key, value in table.items()
    }
