"""What extracted sessions must have in common, and what is refused of a single one."""

from pathlib import Path

import h5py
import pytest
import yaml
from click.testing import CliRunner

from offline import pca_command
from offline.dataset import open_dataset
from offline.dataset_files import Selection
from offline.results import open_results
from online.errors import ConfigError, EtholoopError, FileFormatError
from tests.training.results_files import crops, write_results

PARAMETERS = "metadata/extraction/parameters/"


def pca(folder: Path, *results: Path) -> None:
    files = ["--out", str(folder / "pca.h5"), "--scores", str(folder / "scores.h5"), "--overwrite"]
    arguments = [*files, "--components", "3"]
    CliRunner().invoke(pca_command.command, [*map(str, results), *arguments], catch_exceptions=False)


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("min_height", 0.0, "min_height_mm"),
        ("max_height", 60.0, "max_height_mm"),
        ("tail_filter_size", 9, "opening_diameter_px"),
        ("etholoop_convention", "moseq2", "convention"),
        ("etholoop_reference_size_mm", 39.0, "reference_size_mm"),
        ("etholoop_head_tail_weights", '{"a": 1.0}', "head_tail_weights"),
    ],
)
def test_sessions_extracted_differently_are_not_learned_together(
    tmp_path: Path, name: str, value: object, field: str
) -> None:
    first, second = (write_results(tmp_path / f"{i}.h5", f"u{i}", crops(20, i)) for i in range(2))
    pca(tmp_path, first)
    with h5py.File(second, "a") as file:
        file[PARAMETERS + name] = value
    with pytest.raises(ConfigError, match=rf"0\.h5 and .*1\.h5 differ in {field} \("):
        pca(tmp_path, first, second)
    with pytest.raises(EtholoopError, match=f"differ in {field}"):
        open_dataset([second], Selection(3, tmp_path / "pca.h5"))
    assert yaml.safe_load((tmp_path / "pca.yaml").read_text())["missing_data"] is False


def test_pixels_of_another_size_are_not_scored_with_these_components(tmp_path: Path) -> None:
    first, second, near = (write_results(tmp_path / f"{i}.h5", f"u{i}", crops(20, i)) for i in range(3))
    pca(tmp_path, first)
    for path, size in ((second, 1.6), (near, 1.52)):
        with h5py.File(path, "a") as file:
            file["metadata/extraction/mm_per_crop_pixel"][()] = size
    found = open_dataset([second, near], Selection(3, tmp_path / "pca.h5"))
    assert [s.uuid for s in found.sessions] == ["u2"]
    assert "differ in mm_per_crop_pixel (1.6 and 1.5)" in found.complaints[0]


def test_a_clock_that_was_set_in_a_session_is_refused(tmp_path: Path) -> None:
    results = write_results(tmp_path / "r.h5", "u", crops(20, 0))
    with h5py.File(results, "a") as file:
        file["timestamps"][10:] += 10 * 365 * 86_400_000.0
    with pytest.raises(FileFormatError, match="time stamps leap by 315360000 s"):
        open_results(results)


@pytest.mark.parametrize("uuid", ["a/b", ".", ".."])
def test_a_uuid_that_cannot_name_anything_is_refused(tmp_path: Path, uuid: str) -> None:
    with pytest.raises(FileFormatError, match="cannot be the name"):
        open_results(write_results(tmp_path / "r.h5", uuid, crops(4, 0)))
