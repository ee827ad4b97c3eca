"""Names of syllables live beside the model and resolve to sets of labels."""

from pathlib import Path

import pytest

from online.errors import ConfigError
from online.files.names import by_name, load_names, names_path, save_names


def test_names_survive_the_disk_and_touch_nothing_else(tmp_path: Path) -> None:
    bundle = tmp_path / "mouse.model.h5"
    assert load_names(bundle, 10) == {}
    names = {3: "rear", 7: "rear", 4: 'walk "fast"'}
    assert save_names(bundle, names, 10) == tmp_path / "mouse.names.toml" == names_path(bundle)
    assert load_names(bundle, 10) == names
    assert [p.name for p in tmp_path.iterdir()] == ["mouse.names.toml"]


def test_a_name_stands_for_all_its_labels() -> None:
    assert by_name({7: "rear", 3: "rear", 4: "walk"}) == {"rear": (3, 7), "walk": (4,)}


@pytest.mark.parametrize(
    "text",
    [
        "[syllables]\n10 = 'rear'",
        "[syllables]\nx = 'rear'",
        "[syllables]\n1 = 3",
        "[syllables]\n1 = '3'",
        "[other]",
        "[",
    ],
)
def test_a_wrong_names_file_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    (tmp_path / "mouse.names.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"mouse\.names\.toml"):
        load_names(tmp_path / "mouse.model.h5", 10)
