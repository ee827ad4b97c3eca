"""Names of syllables, in a TOML file beside the model bundle: naming changes no hash of the model.

    [syllables]
    3 = "rear"
    17 = "rear"
    4 = "walk"

Several labels may share a name: a name then stands for the set of them.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import tomli_w

from online.errors import ConfigError
from online.files.bundle import SUFFIX
from online.files.whole_file import whole_file


def names_path(bundle_path: Path) -> Path:
    """`mouse.names.toml` for `mouse.model.h5`."""
    stem = bundle_path.name.removesuffix(SUFFIX) if bundle_path.name.endswith(SUFFIX) else bundle_path.stem
    return bundle_path.with_name(f"{stem}.names.toml")


def load_names(bundle_path: Path, num_syllables: int) -> dict[int, str]:
    """Names by syllable; empty where no file stands beside the bundle.

    Raises
    ------
    ConfigError
        if the file is not TOML, or a key is no syllable of the model, or a name is not usable.
    """
    path = names_path(bundle_path)
    if not path.exists():
        return {}
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from error
    unknown = sorted(set(table) - {"syllables"})
    if unknown or not isinstance(table.get("syllables", {}), dict):
        raise ConfigError(f'{path}: only a table [syllables] is allowed, with lines such as: 3 = "rear"')
    return {_syllable(path, key, num_syllables): _name(path, name) for key, name in table.get("syllables", {}).items()}


def save_names(bundle_path: Path, names: dict[int, str], num_syllables: int) -> Path:
    """Write the names beside the bundle, all at once, and return where."""
    path = names_path(bundle_path)
    table = {str(_syllable(path, str(k), num_syllables)): _name(path, names[k]) for k in sorted(names)}
    with whole_file(path) as temporary:
        temporary.write_text(tomli_w.dumps({"syllables": table}))
    return path


def by_name(names: Mapping[int, str]) -> dict[str, tuple[int, ...]]:
    """The syllables that each name stands for: a name may be given to several."""
    return {name: tuple(sorted(k for k, n in names.items() if n == name)) for name in sorted(set(names.values()))}


def _syllable(path: Path, key: str, num_syllables: int) -> int:
    if not key.isdecimal() or int(key) >= num_syllables:
        raise ConfigError(f"{path}: {key!r} is no syllable of this model; allowed are 0 ... {num_syllables - 1}")
    return int(key)


def _name(path: Path, name: object) -> str:
    if not isinstance(name, str) or not name.strip() or name.isdecimal():
        raise ConfigError(f"{path}: {name!r} cannot be a name: a word in quotes is needed, not a bare number")
    return name
