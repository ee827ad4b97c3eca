"""The live screen with a flood on top, or counted: `python -m tests.benchmarks.watched_live RUN_DIR [FLOOD [COUNTS]]`.

FLOOD is the folder of `tests.benchmarks.flood`, or "none"; to COUNTS go, once a second, how many updates were drawn.
"""

import sys
from pathlib import Path
from typing import Any

from rig.services import stream_address
from rig.tui.live import LiveApp
from rig.tui.live_feed import LiveFeed


class WatchedApp(LiveApp):
    """Hears a flood too, and counts what it draws."""

    def __init__(self, run_dir: Path, flood: str, counts: Path | None) -> None:
        super().__init__(run_dir)
        self._counts = counts
        self._updates = 0
        feed = self.session.source
        assert isinstance(feed, LiveFeed)
        if flood != "none":
            for stream in ("events.online", "syllables"):
                feed._subscribers[stream].socket.connect(stream_address(flood, stream))

    def on_mount(self) -> None:
        """Begin to count."""
        super().on_mount()
        if self._counts is not None:
            self.set_interval(1.0, self._note)

    def _note(self) -> None:
        assert self._counts is not None
        with self._counts.open("a") as file:
            file.write(f"{self._updates}\n")
        self._updates = 0

    def _display(self, screen: Any, renderable: Any) -> None:
        self._updates += renderable is not None
        super()._display(screen, renderable)


if __name__ == "__main__":
    WatchedApp(Path(sys.argv[1]), *(sys.argv[2:3] or ["none"]), Path(sys.argv[3]) if sys.argv[3:] else None).run()
