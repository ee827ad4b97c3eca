"""The live screen of a running session: `python -m rig.tui.live RUN_DIR`.

It hears the session's streams and sends commands; its death ends nothing.
"""

import sys
from pathlib import Path

from rig.clock import Clock
from rig.tui.app import EtholoopApp
from rig.tui.commander import Commander, here
from rig.tui.emergency import EmergencyLine
from rig.tui.live_feed import LiveFeed
from rig.tui.session_facts import load_facts
from rig.tui.session_screen import SessionScreen
from rig.tui.session_view import SessionView


def attached_screen(app: EtholoopApp, run_dir: Path, control: bool) -> SessionScreen:
    """A screen on a running session; with `control`, the stop key of the program now acts on this session."""
    facts = load_facts(run_dir)
    view = SessionView(facts, here())
    feed = LiveFeed(app.context, run_dir, app.clock, facts.session_dir)
    if not control:
        return SessionScreen(view, feed, None, app.palette)
    if app.emergency is not None:
        app.emergency.close()
    app.emergency = EmergencyLine(app.context, run_dir, app.clock, view.here)
    return SessionScreen(view, feed, Commander(app.context, run_dir, app.clock, view.here), app.palette)


class LiveApp(EtholoopApp):
    """Shows one running session; returns why it ended."""

    def __init__(self, run_dir: Path, clock: Clock | None = None, plain: bool | None = None, control: bool = True):
        super().__init__(clock, plain)
        self.session = attached_screen(self, run_dir, control)

    def on_mount(self) -> None:
        """Open the session's screen; leave with it."""
        super().on_mount()
        self.push_screen(self.session, self.exit)


def main() -> int:
    """Entry point; the exit code says nothing of the session."""
    reason = LiveApp(Path(sys.argv[1])).run()
    sys.stdout.write(f"{reason}\n" if reason else "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
