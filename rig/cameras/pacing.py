"""When the frames of a camera without a clock of its own are due."""

from rig.clock import Clock


class Pacer:
    """Lets frames out at their time after `start`, or, when `fast`, at once.

    A frame's capture time is the start plus its offset either way, so that durations mean the same at any pace; a
    fast session's capture times therefore run ahead of the clock.
    """

    def __init__(self, clock: Clock, fast: bool) -> None:
        self._clock = clock
        self._fast = fast
        self._start_ns = 0

    def start(self) -> None:
        """Offset 0 is now."""
        self._start_ns = self._clock.now_ns()

    def wait(self, offset_ns: int, timeout_ms: int) -> int | None:
        """Sleep until a frame is due and return its capture time, or None if that lies beyond the time-out."""
        due_ns = self._start_ns + offset_ns
        if self._fast:
            return due_ns
        limit_ns = self._clock.now_ns() + timeout_ms * 1_000_000
        self._clock.sleep_until_ns(min(due_ns, limit_ns))
        return due_ns if due_ns <= limit_ns else None
