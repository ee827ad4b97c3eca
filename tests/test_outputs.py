"""No command writes over what it reads, nor finds out at its end that it cannot write."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from online.errors import ConfigError
from online.files.outputs import check_outputs
from rig.main import main
from tests.rigs import write_rig


@pytest.mark.parametrize(
    "words",
    [
        "pca r.h5 --out r.h5 --scores s.h5",
        "pca r.h5 --out p.h5 --scores r.h5",
        "pca r.h5 --out r.pca --scores s.h5",
        "changepoints r.h5 --out r.h5",
        "changepoints r.h5 --out c.h5 --picture r.h5",
        "train m.model.h5 --out m.model.h5",
        "train r.h5 --pca m.model.h5 --out m.model.h5",
        "apply m.model.h5 r.h5 --out r.h5",
        "apply m.model.h5 r.h5 --out m.model.h5",
        "apply m.model.h5 r.h5 --pca p.h5 --out p.yaml",
        "apply m.model.h5 folder --out folder/session.h5",
        "compare r.h5 --picture r.h5",
        "flips r.h5 --out r.h5",
        "model import --pca m.model.h5 --scores r.h5 --model x.p --out m.model.h5",
        "model export m.model.h5 r.h5 --out x.p --scores-out r.h5",
        "model export x.p r.h5 --out x.p",
        "model merge m.model.h5 r.h5 --pair 0,1 --out m.model.h5",
        "model cards m.model.h5 r.h5 --labels m.cards.h5",
        "why folder --out folder/session.h5",
        "replay r.h5 --trials r.h5",
        "replay r.h5 --why r.h5",
        "calibrate m.model.h5 r.h5 --labels calibration.csv --out .",
        "calibrate m.model.h5 r.h5 --protocol p.toml --out .",
    ],
)
def test_a_command_refuses_to_write_over_what_it_reads(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    names = ["r.h5", "r.yaml", "m.model.h5", "m.cards.h5", "x.p", "p.h5", "p.yaml", "calibration.csv", "p.toml"]
    files = [tmp_path / name for name in (*names, "folder/session.h5")]
    for file in files:
        file.write_text(f"the only copy of {file.name}")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    said = capsys.readouterr().err
    assert (ended.value.code, "would overwrite an input" in said) == (2, True), said
    assert sorted(tmp_path.iterdir()) == before
    assert all(file.read_text() == f"the only copy of {file.name}" for file in files)


def test_a_painted_mask_is_not_replaced_by_the_picture_of_the_arena(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask, rig = tmp_path / "arena.png", write_rig(tmp_path, 'driver = "simulated"', tmp_path).rig
    mask.write_text("painted")
    with pytest.raises(SystemExit) as ended:
        main(["arena", "--rig", str(rig), "--mask", str(mask), "--out", str(tmp_path / "arena.toml")])
    assert (ended.value.code, "would overwrite an input" in capsys.readouterr().err) == (2, True)
    assert mask.read_text() == "painted"


@pytest.mark.parametrize(
    "words",
    [
        "pca r.h5 --out p.h5 --scores p.h5",
        "pca r.h5 --out p.png --scores s.h5",
        "changepoints r.h5 --out c.h5 --picture c.h5",
        "model export m.model.h5 r.h5 --out x.p --scores-out x.p",
        "replay r.h5 --trials t.csv --why t.csv",
    ],
)
def test_a_command_refuses_to_write_two_things_into_one_file(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("r.h5", "m.model.h5"):
        (tmp_path / name).write_text("anything")
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    said = capsys.readouterr().err
    assert (ended.value.code, "is written there" in said) == (2, True), said


@pytest.mark.parametrize(
    "words",
    [
        "train r.h5 --out old.model.h5",
        "model import --pca p.h5 --scores r.h5 --model x.p --out old.model.h5",
        "model merge m.model.h5 r.h5 --pair 0,1 --out old.model.h5",
        "model export m.model.h5 r.h5 --out old.p",
        "model export m.model.h5 r.h5 --out new.p --scores-out old.h5",
        "pca r.h5 --out old.h5 --scores new.h5",
        "pca r.h5 --out new.h5 --scores old.h5",
    ],
)
def test_what_was_learned_is_replaced_only_if_asked(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("r.h5", "m.model.h5", "x.p", "p.h5", "p.yaml", "old.model.h5", "old.p", "old.h5"):
        (tmp_path / name).write_text("anything")
    before = sorted(tmp_path.iterdir())
    refusal = "exists already; choose another name, or --overwrite replaces it"
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert (ended.value.code, refusal in capsys.readouterr().err) == (2, True)
    assert sorted(tmp_path.iterdir()) == before
    with pytest.raises(SystemExit):
        main([*words.split(), "--overwrite"])
    assert refusal not in capsys.readouterr().err


@pytest.mark.parametrize("words", ["train r.h5", "model merge r.h5 r.h5 --pair 0,1", "model import"])
def test_a_bundle_is_called_one_before_anything_is_read(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.h5").write_text("anything")
    with pytest.raises(SystemExit) as ended:
        main([*words.split(), "--out", "x.h5"])
    assert (ended.value.code, "ends in .model.h5" in capsys.readouterr().err) == (2, True)


def refused(output: Path, inputs: Sequence[Path] = ()) -> str:
    with pytest.raises(ConfigError) as raised:
        check_outputs({"--out": output}, inputs)
    return str(raised.value)


def test_other_names_of_an_input_are_seen(tmp_path: Path) -> None:
    source = tmp_path / "a.h5"
    source.write_text("data")
    (tmp_path / "link.h5").symlink_to(source)
    (tmp_path / "folder").mkdir()
    for name in ("link.h5", "folder/../a.h5"):
        assert "would overwrite" in refused(tmp_path / name, [source])
    check_outputs({"--out": tmp_path / "folder" / "a.h5", "--picture": None}, [source, None])
    check_outputs({"--out": tmp_path / "folder" / "labels.h5"}, [tmp_path / "folder"])


def test_what_cannot_be_written_is_found_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert "is a folder; name a file" in refused(tmp_path)
    assert "file is no folder" in refused(tmp_path / "file" / "deeper" / "m.model.h5")
    check_outputs({"--out": tmp_path / "new" / "folder" / "m.model.h5"}, [])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_somebody_else_is_found_at_once(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    assert "nothing can be written" in refused(closed / "m.model.h5")
