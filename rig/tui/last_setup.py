"""What was entered last time, kept for the next: a TOML file in the user's state directory."""

import os
import tomllib
from pathlib import Path

import tomli_w

from online.files.whole_file import whole_file

FIELDS = ("subject", "rig", "model", "protocol", "out")


def state_file() -> Path:
    """`$XDG_STATE_HOME/etholoop/setup.toml`, by default below `~/.local/state`."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "etholoop" / "setup.toml"


def load_last(path: Path | None = None) -> dict[str, str]:
    """The last entries; empty texts where nothing is known, also where the file is damaged."""
    try:
        table = tomllib.loads((path or state_file()).read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        table = {}
    return {field: str(table.get(field, "")) for field in FIELDS}


def save_last(entries: dict[str, str], path: Path | None = None) -> None:
    """Keep the entries for next time."""
    path = path or state_file()
    with whole_file(path) as temporary:
        temporary.write_text(tomli_w.dumps({field: entries[field] for field in FIELDS}))
