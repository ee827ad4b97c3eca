"""A file is whole or absent, also when two write it at once and when a writer was killed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from online.errors import CannotWrite
from online.files.outputs import require_room
from online.files.whole_file import whole_file
from online.files.whole_hdf5 import whole_hdf5
from tests.full_disk import room_for

_BEGINS = """
import sys
from pathlib import Path
from online.files.whole_file import whole_file
with whole_file(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("begun", flush=True)
    sys.stdin.read()
"""


def other_writer(path: Path) -> subprocess.Popen[str]:
    """Another process that has begun to write `path` and ends when its input does."""
    words = [sys.executable, "-c", _BEGINS, str(path)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def test_of_two_writers_neither_publishes_what_the_other_has_half_written(tmp_path: Path) -> None:
    path = tmp_path / "results.h5"
    with whole_file(path) as temporary:
        temporary.write_text("whole")
        with other_writer(path) as other:
            assert temporary.read_text() == "whole"
            other.kill()
    assert path.read_text() == "whole"


def test_what_a_killed_writer_left_is_cleared_away(tmp_path: Path) -> None:
    path = tmp_path / "results.h5"
    with other_writer(path) as other:
        other.kill()
    assert len(list(tmp_path.iterdir())) == 1
    with whole_file(path) as temporary:
        temporary.write_text("whole")
    assert [file.name for file in tmp_path.iterdir()] == ["results.h5"]


def fail_within(path: Path) -> None:
    with whole_file(path) as temporary:
        temporary.write_text("new")
        raise RuntimeError


def test_a_block_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "results.h5"
    path.write_text("old")
    with pytest.raises(RuntimeError):
        fail_within(path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def write_numbers(path: Path, count: int) -> None:
    with whole_hdf5(path) as file:
        file["numbers"] = np.arange(count)


def test_on_a_full_disk_the_old_file_stays_and_the_reason_is_said(tmp_path: Path) -> None:
    path = tmp_path / "results.h5"
    write_numbers(path, 10)
    before = path.read_bytes()
    with room_for(5000), pytest.raises(CannotWrite, match=r"results\.h5 could not be written: File too large"):
        write_numbers(path, 10_000)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]
    with pytest.raises(CannotWrite, match="deeper"):
        write_numbers(path / "deeper.h5", 10)


def test_room_is_asked_for_before_the_work(tmp_path: Path) -> None:
    require_room("--out", tmp_path / "new" / "a.h5", 1000)
    with pytest.raises(CannotWrite, match="1000000000000 MB are needed"):
        require_room("--out", tmp_path / "new" / "a.h5", 10**18)
