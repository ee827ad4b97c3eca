"""Scores are taken only by what belongs to them: their components, and a model of their rate."""

from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner

from offline import apply_command, compare_command, interchange_commands, pca_command, train_command
from offline.calibration.tracks import load_tracks
from offline.replay.decoded import load_model, open_scores
from offline.scores import read_frame_rate, read_scores
from online.errors import ConfigError, FileFormatError
from tests.training.results_files import crops, write_results

QUICK = ("--max-syllables", "4", "--sweeps", "4", "--pcs", "2", "--lags", "2", "--threads", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores and components of two pairs of sessions, a and b, and a model of a."""
    folder = tmp_path_factory.mktemp("belonging")
    for number, name in enumerate("ab"):
        results = [write_results(folder / f"{name}{i}.h5", f"{name}-{i}", crops(80, 2 * number + i)) for i in range(2)]
        out = ["--out", str(folder / f"{name}.pca.h5"), "--scores", str(folder / f"{name}.scores.h5")]
        invoke(pca_command.command, *map(str, results), *out, "--components", "3")
    train(folder, "a", "a", folder / "a.model.h5")
    return folder


def invoke(command: object, *words: object) -> str:
    result = CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output
    return result.stderr


def train(folder: Path, scores: str, pca: str, out: Path) -> str:
    files = (folder / f"{scores}.scores.h5", "--pca", folder / f"{pca}.pca.h5")
    return invoke(train_command.command, *files, "--out", out, *QUICK)


def test_a_model_for_the_rig_is_of_the_components_that_its_scores_come_from(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a-0 in .*a\.scores\.h5 come from other components than those of .*b\.pca"):
        train(folder, "a", "b", tmp_path / "m.model.h5")
    assert list(tmp_path.iterdir()) == []
    crops_scored = (folder / "a0.h5", folder / "a1.h5", "--pca", folder / "a.pca.h5")
    assert "not known of" not in invoke(train_command.command, *crops_scored, "--out", tmp_path / "m.model.h5", *QUICK)


def test_scores_that_do_not_say_are_taken_with_a_word(folder: Path, tmp_path: Path) -> None:
    for name in ("a.scores.h5", "a.pca.h5", "a.pca.yaml"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with h5py.File(tmp_path / "a.scores.h5", "a") as file:
        del file.attrs["component_keys"]
    assert "not known of 2 session(s): whether" in train(tmp_path, "a", "a", tmp_path / "m.model.h5")


def test_a_model_takes_no_scores_of_other_components(folder: Path, tmp_path: Path) -> None:
    files = (folder / "a.model.h5", folder / "b.scores.h5")
    out = tmp_path / "labels.h5"
    with pytest.raises(ConfigError, match="b-0"):
        invoke(apply_command.command, *files, "--out", out)
    with pytest.raises(ConfigError, match="b-0"):
        invoke(interchange_commands.export_command, *files, "--out", tmp_path / "x.p")
    with pytest.raises(ConfigError, match="b-0"):
        invoke(interchange_commands.merge_command, *files)
    with pytest.raises(ConfigError, match="b-0"):
        load_tracks(files[1], load_model(files[0]))
    with pytest.raises(ConfigError, match="b-0"):
        open_scores(files[1], load_model(files[0]))
    own = (folder / "a.model.h5", folder / "a.scores.h5")
    assert len(open_scores(own[1], load_model(own[0]))) == 2
    invoke(apply_command.command, *own, "--out", out)
    again = tmp_path / "again.h5"
    invoke(interchange_commands.export_command, *own, "--out", tmp_path / "x.p", "--scores-out", again)
    invoke(apply_command.command, folder / "a.model.h5", again, "--out", out)
    assert read_scores(again)[0].component_keys == read_scores(folder / "a.scores.h5")[0].component_keys


def test_a_model_takes_no_scores_of_another_rate(folder: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.h5"
    scores.write_bytes((folder / "a.scores.h5").read_bytes())
    with h5py.File(scores, "a") as file:
        file.attrs["frame_rate_hz"] = 60.0
    with pytest.raises(ConfigError, match="of 30 frames a second, the scores have 60"):
        invoke(apply_command.command, folder / "a.model.h5", scores, "--out", tmp_path / "labels.h5")
    with pytest.raises(ConfigError, match="different frame rates"):
        invoke(compare_command.command, scores, folder / "b.scores.h5", *QUICK[:-2])


def test_scores_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.h5"
    with h5py.File(path, "w") as file:
        file["scores/a"] = [["1.0", "2.0"]]
        file.attrs["frame_rate_hz"] = "thirty"
    with pytest.raises(FileFormatError, match="not real numbers"):
        read_scores(path)
    with pytest.raises(FileFormatError, match="frame_rate_hz is no number"):
        read_frame_rate(path)
