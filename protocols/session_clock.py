"""Session time from the frames' capture times, which may repeat, run backward or jump."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from protocols.schema import Block, Protocol

NEVER_NS = 2**63


@dataclass(slots=True)
class Continuity:
    """How long something was seen without a break.

    `observed_ns`: time since the frame before, when both showed it and no frame was lost between, else 0.
    `gap_ns`: at a frame that shows it, the time since one last did.
    """

    longest_step_ns: int
    observed_ns: int = 0
    gap_ns: int = 0
    _last_ns: int | None = None
    _before: bool = False

    def update(self, seen: bool, now_ns: int, step_ns: int) -> None:
        """Take a frame, `step_ns` after the one before."""
        self.observed_ns = step_ns if seen and self._before and step_ns <= self.longest_step_ns else 0
        if seen:
            self.gap_ns = 0 if self._last_ns is None else now_ns - self._last_ns
            self._last_ns = now_ns
        self._before = seen


@dataclass(slots=True)
class SessionClock:
    """Capture time that never runs backward: a frame older than one before it leaves time standing.

    A frame whose stamp lies in the future of its own decision has a broken stamp and moves nothing either, lest one
    such stamp end the session. In both cases `in_order` is False, and the frame gives no trial. `elapsed_ns`: since
    the first frame.
    """

    start_ns: int | None = None
    now_ns: int = 0
    elapsed_ns: int = 0
    step_ns: int = 0
    in_order: bool = True

    def advance(self, capture_time_ns: int, decision_time_ns: int) -> None:
        """Take the next frame's times."""
        self.step_ns = 0
        self.in_order = capture_time_ns <= decision_time_ns
        if not self.in_order:
            return
        if self.start_ns is None:
            self.start_ns = self.now_ns = capture_time_ns
        self.in_order = capture_time_ns >= self.now_ns
        if self.in_order:
            self.step_ns = capture_time_ns - self.now_ns
            self.now_ns = capture_time_ns
            self.elapsed_ns = capture_time_ns - self.start_ns


class Timetable:
    """Which block it is; `block` is None before the first frame and after the last block.

    `until_ns`: nothing changes before this time of the session; `begin_ns`: when the block began.
    """

    __slots__ = ("_index", "begin_ns", "blocks", "ends_ns", "finished", "until_ns")

    def __init__(self, protocol: Protocol) -> None:
        self.blocks: Sequence[Block] = protocol.all_blocks()
        self.ends_ns = list(accumulate(round(block.duration_ms * 1e6) for block in self.blocks))
        self.begin_ns = self.until_ns = 0
        self._index = -1
        self.finished = False

    def advance(self, elapsed_ns: int) -> bool:
        """Move to the block at this time; True when it is another than before."""
        index = max(self._index, 0)
        while index < len(self.blocks) and elapsed_ns >= self.ends_ns[index]:
            index += 1
        changed = index != self._index
        self._index = index
        self.finished = index == len(self.blocks)
        self.begin_ns = self.ends_ns[index - 1] if index else 0
        self.until_ns = NEVER_NS if self.finished else self.ends_ns[index]
        return changed

    @property
    def block(self) -> Block | None:
        """The current block."""
        return self.blocks[self._index] if 0 <= self._index < len(self.blocks) else None

    def into_ns(self, elapsed_ns: int) -> int:
        """Since the current block began."""
        return elapsed_ns - self.begin_ns if self.block is not None else 0

    def left_ns(self, elapsed_ns: int) -> int:
        """Until the current block ends."""
        return self.ends_ns[self._index] - elapsed_ns if self.block is not None else 0

    @property
    def duration_ns(self) -> int:
        """Of the whole session."""
        return self.ends_ns[-1]
