"""The data set: any mix of files, groups and subjects, subsets and hold-out, and what is said of bad files."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from offline import pca_command, train_command
from offline.dataset import available_components, hold_out, open_dataset
from offline.dataset_files import Selection
from offline.scores import ScoredSession
from online.errors import ConfigError, EtholoopError, FileFormatError
from online.files.bundle import load_bundle
from tests.training.results_files import crops, write_results


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scored sessions with an index, and the components they were scored with."""
    folder = tmp_path_factory.mktemp("data")
    results = [write_results(folder / f"{i}.h5", f"uuid-{i}", crops(60, i)) for i in range(3)]
    arguments = [*map(str, results[:2]), "--out", str(folder / "pca.h5"), "--scores", str(folder / "scores.h5")]
    more = ["--components", "4"]
    assert CliRunner().invoke(pca_command.command, [*arguments, *more], catch_exceptions=False).exit_code == 0
    files = [
        {"path": ["0.h5"], "uuid": "uuid-0", "group": "drug", "metadata": {"SubjectName": "m1"}},
        {"path": ["2.h5", "2.yaml"], "uuid": "uuid-2", "group": "saline", "metadata": {"SubjectName": "m2"}},
    ]
    (folder / "index.yaml").write_text(yaml.safe_dump({"files": files, "pca_path": "scores.h5"}))
    return folder


def test_an_index_gives_groups_and_its_unscored_sessions_are_scored(folder: Path) -> None:
    found = open_dataset([folder / "index.yaml"], Selection(4, folder / "pca.h5"))
    assert [(s.uuid, s.group, s.subject) for s in found.sessions] == [
        ("uuid-0", "drug", "m1"),
        ("uuid-2", "saline", "m2"),
    ]
    assert found.rates_hz == [30.0]
    only = open_dataset([folder / "index.yaml"], Selection(4, folder / "pca.h5", groups=("saline",)))
    assert [s.uuid for s in only.sessions] == ["uuid-2"]
    without = open_dataset([folder / "index.yaml"], Selection(4))
    assert [s.uuid for s in without.sessions] == ["uuid-0"]
    assert "crops without scores" in without.complaints[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"files: []", "lists no session"),
        (b"\xff\xfe files", "no moseq2-index.yaml"),
        (b"files: [{uuid: a, metadata: x}]", "'metadata' is no table"),
        (b"files: [{uuid: a, group: A}, {uuid: a, group: Z}]", "uuid a is listed twice"),
    ],
)
def test_an_index_that_says_nothing_clear_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "index.yaml").write_bytes(content)
    with pytest.raises(EtholoopError, match=message):
        open_dataset([tmp_path / "index.yaml"], Selection(4))


def test_no_group_is_the_default_group(folder: Path) -> None:
    text = (folder / "index.yaml").read_text()
    (folder / "ungrouped.yaml").write_text(text.replace("group: saline", "group: null"))
    found = open_dataset([folder / "ungrouped.yaml"], Selection(4, folder / "pca.h5"))
    assert [s.group for s in found.sessions] == ["drug", "default"]


def test_results_are_scored_as_the_pca_command_scores_them(folder: Path) -> None:
    stored = {s.uuid: s.scores for s in open_dataset([folder / "scores.h5"], Selection(4)).sessions}
    fresh = open_dataset([folder / "1.h5"], Selection(4, folder / "pca.h5")).sessions[0]
    assert fresh.subject == "mouse 1"
    np.testing.assert_allclose(fresh.scores, stored["uuid-1"], rtol=1e-5, atol=1e-3)


def test_a_mix_keeps_the_good_and_names_the_bad(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"no file of any kind")
    empty = tmp_path / "empty.h5"
    h5py.File(empty, "w").close()
    not_index = tmp_path / "other.yaml"
    not_index.write_text("camera: 1\n")
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    paths = [folder / "scores.h5", broken, folder / "2.h5", empty, not_index, nothing]
    found = open_dataset(paths, Selection(4, folder / "pca.h5"))
    assert [s.uuid for s in found.sessions] == ["uuid-0", "uuid-1", "uuid-2"]
    for path, complaint in zip([broken, empty, not_index, nothing], found.complaints, strict=True):
        assert str(path) in complaint
    with pytest.raises(FileFormatError, match="no usable scores"):
        open_dataset([broken, empty], Selection(4))


def test_one_session_in_two_files_is_refused(folder: Path) -> None:
    with pytest.raises(EtholoopError, match="give one"):
        open_dataset([folder / "scores.h5", folder / "1.h5"], Selection(4, folder / "pca.h5"))


def test_unknown_groups_and_subjects_are_refused_with_what_there_is(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"groups \['drug', 'saline'\] and subjects \['m1', 'm2'\]"):
        open_dataset([folder / "index.yaml"], Selection(4, folder / "pca.h5", subjects=("m9",)))


def test_components_on_offer(folder: Path) -> None:
    assert available_components([folder / "scores.h5", folder / "index.yaml"], 25) == 4
    with pytest.raises(FileFormatError, match="4 components, 9 are needed"):
        open_dataset([folder / "scores.h5"], Selection(9))


def sessions(count: int) -> list[ScoredSession]:
    return [ScoredSession(f"u{i}", np.zeros((1, 1)), Path("x"), "g", f"m{i // 3}") for i in range(count)]


def test_hold_out_is_seeded_and_leaves_something_to_train_on() -> None:
    ten = sessions(10)
    assert hold_out(ten, 0.2, 0) == hold_out(ten[::-1], 0.2, 0)
    assert len(hold_out(ten, 0.2, 0)) == 2
    assert len({tuple(hold_out(ten, 0.2, seed)) for seed in range(5)}) > 1
    assert hold_out(ten[:1], 0.5, 0) == hold_out(ten, 0.0, 0) == []
    assert len(hold_out(ten[:2], 0.9, 0)) == 1


def test_hold_out_by_subject_never_splits_one() -> None:
    nine = sessions(9)
    held = set(hold_out(nine, 0.3, 1, "subject"))
    assert len(held) == 3
    assert len({s.subject for s in nine if s.uuid in held}) == 1


def test_a_share_is_seeded(folder: Path) -> None:
    paths = [folder / "scores.h5", folder / "2.h5"]
    half = Selection(4, folder / "pca.h5", share=0.34, seed=3)
    assert [s.uuid for s in open_dataset(paths, half).sessions] == [s.uuid for s in open_dataset(paths, half).sessions]
    assert len(open_dataset(paths, half).sessions) == 1


def test_a_bundle_for_each_group(folder: Path, tmp_path: Path) -> None:
    index = {"files": [{"uuid": f"uuid-{i}", "group": f"g{i // 2}"} for i in range(4)], "pca_path": "s.h5"}
    with h5py.File(tmp_path / "s.h5", "w") as file:
        for i in range(4):
            file[f"scores/uuid-{i}"] = np.random.default_rng(i).normal(size=(200, 3)).cumsum(0).astype(np.float32)
    (tmp_path / "index.yaml").write_text(yaml.safe_dump(index))
    quick = ["--max-syllables", "4", "--sweeps", "6", "--pcs", "3", "--lags", "1", "--hold-out", "0", "--json"]
    out = tmp_path / "m.model.h5"
    arguments = [str(tmp_path / "index.yaml"), "--out", str(out), *quick, "--transitions", "group"]
    result = CliRunner().invoke(train_command.command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    matrices = [load_bundle(tmp_path / f"m.g{i}.model.h5").arhmm.transition_matrix for i in range(2)]
    assert not np.array_equal(*matrices)
    usages = [load_bundle(tmp_path / f"m.g{i}.model.h5").usage for i in range(2)]
    assert not np.array_equal(*usages)
    np.testing.assert_allclose([usage.sum() for usage in usages], 1)
    shared = load_bundle(out).arhmm.transition_matrix
    assert shared.shape == matrices[0].shape
