"""Numbers that no option can take are refused before anything is read."""

from pathlib import Path

import pytest

from rig.main import main


@pytest.mark.parametrize("option", ["--kappa", "--frame-rate", "--share", "--hold-out", "--scan-kappa", "--scan-lags"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_train_refuses(option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(["train", option, value, "--out", str(tmp_path / "m.model.h5")], option, tmp_path, capsys)


@pytest.mark.parametrize(
    "words",
    [
        "train --kappa 0",
        "train --frame-rate 0",
        "train --seed -1",
        "train --seed 9223372036854775808",
        "train --scan-pcs 1.5",
        "compare --kappa nan",
        "compare --seed -1",
        "apply --seed -1",
        "pca --mm-per-crop-pixel nan",
        "pca --seed -1",
        "changepoints --seed -1",
        "extract --min-height nan",
        "extract --mm-per-crop-pixel inf",
        "extract --depth-range nan 800",
        "simulate --minutes nan",
        "calibrate --precision nan",
        "replay --window nan",
        "why --at inf",
    ],
)
def test_other_commands_refuse(words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(words.split(), words.split()[1], tmp_path, capsys)


def refused(words: list[str], option: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "s.h5").write_text("never read")
    with pytest.raises(SystemExit) as ended:
        main([*words, str(folder / "s.h5")])
    assert (ended.value.code, f"Invalid value for '{option}'" in capsys.readouterr().err) == (2, True)
