"""Which outputs a rig file declares: all that an author away from the rig needs to know of it."""

import tomllib
from pathlib import Path

from online.errors import ConfigError


def declared_channels(path: Path) -> dict[str, int]:
    """Names and numbers of the outputs in a rig file's `[board]`; the rest of the file is not looked at.

    Raises
    ------
    ConfigError
        if the file cannot be read or declares none.
    """
    try:
        raw = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as a rig file: {error}") from error
    board = raw.get("board")
    channels = board.get("channels") if isinstance(board, dict) else None
    if not isinstance(channels, dict) or not channels or any(type(number) is not int for number in channels.values()):
        raise ConfigError(f"{path}: [board], key 'channels' must name outputs, for example channels = {{ laser = 0 }}")
    return dict(channels)
