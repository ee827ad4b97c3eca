"""The rig file: what its mistakes are told as."""

from pathlib import Path

import pytest

from online.errors import ConfigError
from rig.configuration import load_rig

GOOD = """
[camera]
driver = "recording"
path = "mouse"
[arena]
file = "arena.toml"
[board]
driver = "etholoop"
port = "simulated"
channels = { laser = 0 }
"""


def complaint(folder: Path, old: str, new: str) -> str:
    """What is said of the good file with one change."""
    assert old in GOOD
    path = folder / "rig.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_rig(path)
    return str(caught.value)


def test_the_good_file_is_good(tmp_path: Path) -> None:
    (tmp_path / "rig.toml").write_text(GOOD)
    assert load_rig(tmp_path / "rig.toml").arena.file == tmp_path / "arena.toml"


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ('driver = "recording"', 'drivr = "recording"', ["[camera], key 'driver' is missing; the table has 'drivr'"]),
        ('driver = "recording"', 'driver = "kinect"', ["[camera], 'driver' = 'kinect': allowed: 'recording'"]),
        ('path = "mouse"', 'pth = "mouse"', ["[camera], key 'path' is missing", "[camera], key 'pth': unknown key"]),
        ('[arena]\nfile = "arena.toml"', "", ["[arena] is missing"]),
        ('file = "arena.toml"', 'seed = "x"', ["[arena], key 'seed' = 'x': "]),
    ],
)
def test_each_mistake_is_told_by_table_and_key(tmp_path: Path, old: str, new: str, lines: list[str]) -> None:
    said = complaint(tmp_path, old, new)
    assert "rig.toml" in said
    for line in lines:
        assert line in said
    assert "discriminator" not in said
    assert str(tmp_path / "mouse") not in said
