"""The host's heartbeat: a timer thread of its own, which beats only while the frame loop is alive."""

import threading
from collections.abc import Callable

from online.errors import BoardError, BoardLost
from rig.clock import Clock

BEAT_INTERVAL_S = 0.010
MAX_SILENCE_NS = 150_000_000


class FrameLoopLiveness:
    """The frame loop calls `touch` each time around, frame or not; it is alive while the last is recent."""

    def __init__(self, clock: Clock, max_silence_ns: int = MAX_SILENCE_NS) -> None:
        self._clock = clock
        self._max_silence_ns = max_silence_ns
        self._touched_ns = clock.now_ns()

    def touch(self) -> None:
        """The frame loop has come around."""
        self._touched_ns = self._clock.now_ns()

    def alive(self) -> bool:
        """True while the last `touch` is recent."""
        return self._clock.now_ns() - self._touched_ns < self._max_silence_ns


class Heartbeat:
    """Calls `beat` every 10 ms while `alive()`; a beat that fails ends it, and `failure` says why."""

    def __init__(
        self, beat: Callable[[], None], alive: Callable[[], bool], interval_s: float = BEAT_INTERVAL_S
    ) -> None:
        self._beat = beat
        self._alive = alive
        self._interval_s = interval_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self.failure: BoardError | None = None

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; returns when the thread has ended."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def check(self) -> None:
        """Raise what ended the beating, if anything did: without beats the board keeps its lines low."""
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        while not self._ended.wait(self._interval_s):
            try:
                if self._alive():
                    self._beat()
            except BoardError as error:
                self.failure = error
                return
            except Exception as error:  # noqa: BLE001 - beats that ended unnoticed would leave the session running
                self.failure = BoardLost(f"the heartbeat to the board ended: {error!r}")
                self.failure.__cause__ = error
                return
