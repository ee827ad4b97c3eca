"""The screen of a session that is played again; and the programs that only look."""

from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType

from rig.clock import Clock
from rig.tui import help_texts
from rig.tui.app import EtholoopApp
from rig.tui.foot import COMMON, KeyWords
from rig.tui.live import attached_screen
from rig.tui.palette import Palette
from rig.tui.recorded import Recorded
from rig.tui.remote_feed import RemoteFeed
from rig.tui.replay import Replay
from rig.tui.session_screen import SessionScreen
from rig.tui.session_view import SessionView

STEP_NS = 10_000_000_000


class ReplayScreen(SessionScreen):
    """A session screen with the keys of a player."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause_replay", "pause / play"),
        Binding("left", "move(-1)", "10 s back"),
        Binding("right", "move(1)", "10 s on"),
        Binding("up", "faster(1)", "faster"),
        Binding("down", "faster(-1)", "slower"),
        Binding("home", "restart", "beginning"),
    ]
    LOOK_KEYS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("space", "pause"),
        ("←→", "10 s"),
        ("↑↓", "speed"),
        ("home", "beginning"),
        ("l", "log"),
        ("q", "leave"),
    )

    def __init__(self, view: SessionView, replay: Replay, palette: Palette) -> None:
        super().__init__(view, replay, None, palette)
        self.replay = replay

    def help_text(self) -> str:
        """See Helped."""
        return help_texts.REPLAY + help_texts.SIGNS

    def key_words(self) -> KeyWords:
        """The keys that are shown at the foot."""
        return KeyWords((*self.LOOK_KEYS, *COMMON), "")

    def action_pause_replay(self) -> None:
        """Pause, or go on."""
        self.replay.paused = not self.replay.paused

    def action_move(self, steps: int) -> None:
        """Jump by steps of ten seconds."""
        self.replay.move(steps * STEP_NS)

    def action_faster(self, steps: int) -> None:
        """Change the speed."""
        self.replay.change_speed(steps)

    def action_restart(self) -> None:
        """Play from the beginning."""
        self.replay.restart()


def replay_screen(app: EtholoopApp, folder: Path, speed: float) -> ReplayScreen:
    """A screen on a session's folder or file; raises FileFormatError when that cannot be read."""
    recorded = Recorded(folder)
    facts = recorded.facts()
    return ReplayScreen(SessionView(facts), Replay(recorded, facts, app.clock, speed), app.palette)


class RemoteApp(EtholoopApp):
    """Looks at a session that runs on another machine; changes nothing, and lets go of `feed` at its end."""

    def __init__(self, feed: RemoteFeed, clock: Clock | None = None, plain: bool | None = None) -> None:
        super().__init__(clock, plain)
        self.session = SessionScreen(SessionView(feed.facts), feed, None, self.palette)

    def on_mount(self) -> None:
        """Open the session's screen; leave with it."""
        super().on_mount()
        self.push_screen(self.session, self.exit)


class WatchApp(EtholoopApp):
    """Looks at a running session (its private directory) or plays a finished one again; changes nothing."""

    def __init__(self, place: Path, speed: float = 1.0, clock: Clock | None = None, plain: bool | None = None) -> None:
        super().__init__(clock, plain)
        running = (place / "launch.json").exists()
        self.session = attached_screen(self, place, control=False) if running else replay_screen(self, place, speed)

    def on_mount(self) -> None:
        """Open the session's screen; leave with it."""
        super().on_mount()
        self.push_screen(self.session, self.exit)
