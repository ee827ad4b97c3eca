"""Settings and fixtures of all tests: properties are checked on the same cases every time, never against the clock."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import rigs
from tests.real_data import BUILD_MOUSE_DEPTH

settings.register_profile("etholoop", deadline=None, derandomize=True)
settings.load_profile("etholoop")


@pytest.fixture(scope="session")
def real_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session folder with 900 frames of a real mouse (390 MB); give its tests `xdist_group("real recording")`, so
    that it is built once."""
    if not BUILD_MOUSE_DEPTH.exists():
        pytest.skip(f"{BUILD_MOUSE_DEPTH} is absent: the real recording cannot be built")
    folder = tmp_path_factory.mktemp("real")
    subprocess.run([sys.executable, BUILD_MOUSE_DEPTH, folder], check=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def temporary_folders_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The base of every `tmp_path` is chosen now: a test that turns `tempfile` elsewhere would take it along."""
    tmp_path_factory.getbasetemp()


@pytest.fixture
def private() -> Iterator[Path]:
    """A short path for sockets, whose addresses have little room."""
    with tempfile.TemporaryDirectory(prefix="el") as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def no_session_left_behind() -> Iterator[None]:
    """End sessions that a failed test did not."""
    yield
    while rigs.STARTED:
        process = rigs.STARTED.pop()
        if process.poll() is None:
            process.terminate()
        process.communicate()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests counted (`record_property("counts", ...)`), passed or not."""
    reports = [report for group in ("passed", "failed") for report in terminalreporter.stats.get(group, [])]
    counts = [value for report in reports for name, value in report.user_properties if name == "counts"]
    if counts:
        terminalreporter.section("counts")
    for line in sorted(counts):
        terminalreporter.write_line(line)
