"""A path that is no recording is refused with what to name instead."""

from pathlib import Path

import pytest

from offline.replay.kinds import kind_of
from online.errors import ConfigError


def test_a_moseq_folder_is_told_from_a_folder_without_a_recording(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no session\.h5 in this folder"):
        kind_of(tmp_path)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "results_00.h5").touch()
    with pytest.raises(ConfigError, match=r"a MoSeq folder: name .*proc/results_00\.h5"):
        kind_of(tmp_path)
