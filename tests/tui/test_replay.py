"""A finished session is played again: at any speed, from any moment, with what was counted then."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import pytest
from textual.pilot import Pilot

from online.errors import FileFormatError
from online.messages import Frame, Trial
from rig.clock import ManualClock
from rig.tui.log_screen import LogScreen
from rig.tui.recorded import Recorded
from rig.tui.replay import Replay
from rig.tui.replay_screen import ReplayScreen, WatchApp
from rig.tui.session_view import SessionView
from rig.tui.widgets import LinesPanel
from tests.fake_rig_files import FRAME_NS
from tests.tui.sessions import write_session

NUM_FRAMES = 240
SECOND_NS = 1_000_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_session(tmp_path_factory.mktemp("data") / "2025-03-01_m12", NUM_FRAMES, dropped=(100,))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def recorded(folder: Path) -> Iterator[Recorded]:
    opened = Recorded(folder)
    yield opened
    opened.close()


def played(recorded: Recorded, clock: ManualClock, seconds: float, speed: float = 1.0) -> tuple[Replay, SessionView]:
    facts = recorded.facts()
    replay, view = Replay(recorded, facts, clock, speed), SessionView(facts)
    replay.drain(view)
    for _ in range(round(seconds * 20)):
        clock.advance_ns(SECOND_NS // 20)
        replay.drain(view)
    return replay, view


def test_a_replay_shows_what_the_session_was(recorded: Recorded, clock: ManualClock) -> None:
    replay, view = played(recorded, clock, NUM_FRAMES / 30 + 1)
    assert replay.at_end
    trials = recorded.tracks[Trial].rows
    assert len(trials) >= 3
    assert len(view.counts.trials) == len(trials)
    assert view.dropped_by_camera == 3
    assert view.without_evidence == 1
    assert view.depth is not None
    assert view.crop is not None
    assert view.frame is not None
    assert view.frame.frame_index == NUM_FRAMES + 3 - 1
    assert [e.detail for e in view.events if e.kind == "note"] == ["half way"]
    assert view.facts.problems == ()
    assert view.facts.name(3) == "rear"


def test_speed_is_kept(recorded: Recorded, clock: ManualClock) -> None:
    _, slow = played(recorded, clock, 2, 0.5)
    _, fast = played(recorded, clock, 0.5, 4)
    assert slow.frame is not None
    assert fast.frame is not None
    assert abs(slow.frame.frame_index - 30) <= 1
    assert abs(fast.frame.frame_index - 60) <= 2


def test_a_paused_replay_stands_still(recorded: Recorded, clock: ManualClock) -> None:
    replay, view = played(recorded, clock, 1)
    replay.paused = True
    before = replay.now_ns()
    clock.advance_ns(SECOND_NS)
    assert replay.drain(view) == 0
    replay.paused = False
    replay.drain(view)
    assert replay.now_ns() == before, "the pause is not caught up"


@pytest.mark.parametrize("moment_s", [1.0, 4.0, 6.0])
def test_a_jump_shows_the_same_as_playing_until_there(recorded: Recorded, clock: ManualClock, moment_s: float) -> None:
    straight, expected = played(recorded, clock, moment_s)
    replay, view = played(recorded, clock, NUM_FRAMES / 30)
    replay.set_position(straight.now_ns())
    replay.drain(view)
    assert replay.now_ns() == straight.now_ns()
    assert view.counts.trials == expected.counts.trials
    assert view.counts.by_block == expected.counts.by_block
    assert view.counts.commands == expected.counts.commands
    assert view.alerts.open == expected.alerts.open
    assert [alert.text for alert in view.alerts.open] == ["USB link is slow"]
    assert view.dropped_by_camera == expected.dropped_by_camera
    assert view.without_evidence == expected.without_evidence
    assert list(view.trail) == list(expected.trail)
    assert view.status is not None
    assert expected.status is not None
    assert view.status.rules[0].pulses == sum(t.outcome == "pulse" for t in expected.counts.trials)
    assert (view.ethogram.newest() == expected.ethogram.newest()).all()


def test_the_status_is_worked_out(recorded: Recorded, clock: ManualClock) -> None:
    _, view = played(recorded, clock, 3)
    status = view.status
    assert status is not None
    assert status.armed
    assert status.block == "baseline"
    assert status.block_left_ms == pytest.approx(57_000, abs=200)
    assert status.rules[0].target == (3,)
    assert status.rules[0].state == "off"
    assert status.rules[0].target_probability == pytest.approx(float(view.ethogram.newest()[3]), abs=1e-6)


def test_a_session_of_another_version_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "session.h5"
    copy.write_bytes((folder / "session.h5").read_bytes())
    with h5py.File(copy, "a") as file:
        rows = file["pulses/trials"][()]
        del file["pulses/trials"]
        file["pulses/trials"] = rows[["frame_index", "rule"]]
    with pytest.raises(FileFormatError, match="another version"):
        Recorded(copy)


async def test_the_keys_of_the_player(folder: Path, clock: ManualClock) -> None:
    app = WatchApp(folder, 1.0, clock, plain=False)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.session
        assert isinstance(screen, ReplayScreen)
        replay, view = screen.replay, screen.view
        clock.advance_ns(SECOND_NS)
        await shown(pilot, screen)
        assert view.frame is not None
        assert "replay" in said(screen, "keys")
        assert "STOP" not in said(screen, "keys")
        assert "x1 00:01/00:07" in said(screen, "keys")
        await pilot.press("up", "up")
        assert replay.speed == 4
        await pilot.press("down", "space")
        await shown(pilot, screen)
        assert "paused" in said(screen, "keys")
        await pilot.press("right")
        await shown(pilot, screen)
        assert replay.at_end
        assert "rear" in said(screen, "syllables")
        assert "recorded" in said(screen, "side")
        assert "USB link is slow" in said(screen, "alerts"), "what was jumped over"
        await pilot.press("left")
        await shown(pilot, screen)
        assert not replay.at_end
        assert view.frame is not None
        assert view.frame.frame_index < 3
        await pilot.press("right")
        await shown(pilot, screen)
        assert replay.at_end
        await pilot.press("l")
        await pilot.pause()
        assert isinstance(app.screen, LogScreen)
        app.screen.draw()
        log = app.screen.query_one("#whole-log", LinesPanel).text()
        assert all(
            words in log for words in ("· note: half way", "! camera: USB link is slow", "▸ block baseline begins")
        )
        await pilot.press("escape", "home")
        await shown(pilot, screen)
        assert view.frame is not None
        assert view.frame.frame_index < 3
        await pilot.press("exclamation_mark", "a", "n", "q")
        await pilot.pause()
        assert app.return_value is not None


async def shown(pilot: Pilot[str], screen: ReplayScreen) -> None:
    for _ in range(8):
        screen.tick()
    await pilot.pause()


def said(screen: ReplayScreen, panel: str) -> str:
    return screen.query_one(f"#{panel}", LinesPanel).text()


def test_depth_that_was_not_recorded_is_not_shown(tmp_path: Path, clock: ManualClock) -> None:
    recorded = Recorded(write_session(tmp_path / "s", 12, depth=False))
    _, view = played(recorded, clock, 1)
    assert view.frame is not None
    assert view.depth is None
    assert view.crop is not None
    recorded.close()


def test_frames_lie_a_frame_apart(recorded: Recorded) -> None:
    times = recorded.tracks[Frame].times_ns
    assert (times[1:] - times[:-1] == FRAME_NS).all()
