"""A screen whose terminal is gone, without a signal that says so, ends by itself and commands nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.clock import SystemClock
from tests.fake_rig import FakeRig
from tests.fake_rig_files import write_files
from tests.tui.terminals import Terminal

PATIENCE_S = 60


@pytest.fixture
def rig(private: Path) -> Iterator[FakeRig]:
    write_files(private)
    made = FakeRig(private, SystemClock())
    yield made
    made.close()
    made.context.term()


def test_the_live_screen_goes_with_its_terminal_and_the_session_stays(rig: FakeRig) -> None:
    terminal = Terminal("rig.tui.live", str(rig.run_dir))
    terminal.until(lambda: b"EMERGENCY STOP" in terminal.drawn)
    terminal.vanish()
    terminal.process.wait(PATIENCE_S)
    rig.serve()
    assert rig.commands == []
    terminal.close()


def test_the_set_up_goes_with_its_terminal() -> None:
    terminal = Terminal("rig.main", "rig", "--rig", "absent.toml")
    terminal.until(lambda: b"subject named" in terminal.drawn)
    terminal.vanish()
    terminal.process.wait(PATIENCE_S)
    terminal.close()
