"""Time as an interface: the host's monotonic clock, and one that tests turn by hand."""

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic time in integer nanoseconds."""

    def now_ns(self) -> int:
        """Now."""

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Return at `deadline_ns`, or at once if it has passed."""


class SystemClock:
    """The host's monotonic clock."""

    def now_ns(self) -> int:
        """Now, by `time.monotonic_ns`."""
        return time.monotonic_ns()

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Sleep until `deadline_ns`."""
        remaining_ns = deadline_ns - time.monotonic_ns()
        if remaining_ns > 0:
            time.sleep(remaining_ns * 1e-9)


class ManualClock:
    """A clock for tests: sleeping moves it forward, nothing else does but `advance_ns`."""

    def __init__(self, start_ns: int = 1_000_000_000) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """The time set by hand."""
        return self._now_ns

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Jump to `deadline_ns` if it lies ahead."""
        self._now_ns = max(self._now_ns, deadline_ns)

    def advance_ns(self, step_ns: int) -> None:
        """Let `step_ns` pass."""
        self._now_ns += step_ns
