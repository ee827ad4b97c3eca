"""The last half minute of posteriors: which syllables lead, and the ribbon drawn of them."""

import numpy as np
from numpy.typing import NDArray

from online.messages import Syllables

SPAN_NS = 30_000_000_000
CAPACITY = 30 * 130
RESORT_NS = 2_000_000_000


class Ethogram:
    """Ring of posteriors with their capture times. Rows on the screen keep their places: a syllable that rises into
    the leading ones takes the place of the one that fell out, and nothing else moves."""

    def __init__(self, pinned: tuple[int, ...] = ()) -> None:
        self.pinned = pinned
        self._times_ns = np.zeros(CAPACITY, np.int64)
        self._posteriors: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self._has_evidence = np.zeros(CAPACITY, np.bool_)
        self._count = 0
        self._rows: list[int] = []
        self._sorted_ns = -RESORT_NS
        self.newest_ns = 0

    @property
    def num_syllables(self) -> int:
        """K, 0 until the first posterior came."""
        return int(self._posteriors.shape[1])

    def add(self, message: Syllables) -> None:
        """Take one frame's posterior."""
        if self._posteriors.shape[1] != message.posterior.size:
            self._posteriors = np.zeros((CAPACITY, message.posterior.size), np.float32)
            self._count = 0
        slot = self._count % CAPACITY
        self._times_ns[slot] = message.capture_time_ns
        self._posteriors[slot] = message.posterior
        self._has_evidence[slot] = message.has_evidence
        self._count += 1
        self.newest_ns = message.capture_time_ns

    def prepend(
        self, times_ns: NDArray[np.int64], posteriors: NDArray[np.float32], has_evidence: NDArray[np.bool_]
    ) -> None:
        """Put frames (T,), (T, K), (T,) before those that are known; what is not older than them is left out."""
        used = min(self._count, CAPACITY)
        slots = np.arange(self._count - used, self._count) % CAPACITY
        first_ns = self._times_ns[slots[0]] if used else np.iinfo(np.int64).max
        older = np.flatnonzero(times_ns < first_ns)[-(CAPACITY - used) :] if used < CAPACITY else np.zeros(0, int)
        if not older.size or (used and posteriors.shape[1] != self.num_syllables):
            return
        times = np.r_[times_ns[older], self._times_ns[slots]]
        evidence = np.r_[has_evidence[older], self._has_evidence[slots]]
        known = np.concatenate([posteriors[older], *([self._posteriors[slots]] if used else [])])
        self._posteriors = np.zeros((CAPACITY, known.shape[1]), np.float32)
        self._count = len(times)
        self._times_ns[: self._count] = times
        self._posteriors[: self._count] = known
        self._has_evidence[: self._count] = evidence
        self.newest_ns = int(times[-1])

    def newest(self) -> NDArray[np.float32]:
        """The newest posterior (K,)."""
        return self._posteriors[(self._count - 1) % CAPACITY] if self._count else np.zeros(0, np.float32)

    def _recent(self) -> NDArray[np.intp]:
        used = min(self._count, CAPACITY)
        slots = np.arange(self._count - used, self._count) % CAPACITY
        return slots[self._times_ns[slots] > self.newest_ns - SPAN_NS]

    def leading(self, count: int) -> list[int]:
        """The pinned syllables, then those most used lately; at most `count`, looked at anew every two seconds."""
        if not self._count:
            return []
        if len(self._rows) != min(count, self.num_syllables) or self.newest_ns - self._sorted_ns >= RESORT_NS:
            self._sorted_ns = self.newest_ns
            self._settle(min(count, self.num_syllables))
        return self._rows

    def _settle(self, count: int) -> None:
        usage = self._posteriors[self._recent()].mean(0)
        usage[[k for k in self.pinned if k < usage.size]] = np.inf
        wanted = set(np.argsort(-usage, kind="stable")[:count].tolist())
        pinned = [k for k in self.pinned if k in wanted]
        kept = [k if k in wanted else -1 for k in self._rows if k not in pinned][: count - len(pinned)]
        kept += [-1] * (count - len(pinned) - len(kept))
        fresh = iter(k for k in np.argsort(-usage, kind="stable").tolist() if k in wanted - set(pinned) - set(kept))
        self._rows = pinned + [next(fresh) if k < 0 else k for k in kept]

    def ribbon(self, syllables: list[int], columns: int) -> tuple[NDArray[np.float32], int, int]:
        """Highest posterior of each syllable in each column of time.

        Returns
        -------
        (len(syllables), columns) in 0 ... 1, NaN where no frame with evidence fell; the first column's number and a
        column's width in ns. Columns lie on a fixed grid of time, so that a picture scrolls and never shimmers.
        """
        width_ns = SPAN_NS // columns
        first = self.newest_ns // width_ns - columns + 1
        image = np.full((columns, len(syllables)), np.nan, np.float32)
        slots = self._recent()
        slots = slots[self._has_evidence[slots]]
        column = self._times_ns[slots] // width_ns - first
        inside = (column >= 0) & (column < columns)
        slots, column = slots[inside], column[inside]
        if slots.size and syllables:
            starts = np.flatnonzero(np.r_[True, np.diff(column) > 0])
            image[column[starts]] = np.maximum.reduceat(self._posteriors[np.ix_(slots, np.array(syllables))], starts)
        return image.T, int(first), width_ns
