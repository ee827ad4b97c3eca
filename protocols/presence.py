"""What was seen before: chains of earlier syllables, and proven absence."""

from collections.abc import Sequence
from math import nan

from protocols.moment import Moment


class Seen:
    """When a target's probability, in the filtered posterior, last reached a threshold; `slot` is its place in
    `Moment.sums`.

    `last_ns` is None before that. `absent_ns`: time over frames with evidence since then, or since the evidence last
    failed for long.
    """

    __slots__ = ("absent_ns", "last_ns", "now", "slot", "threshold")

    def __init__(self, slot: int, threshold: float) -> None:
        self.slot, self.threshold = slot, threshold
        self.last_ns: int | None = None
        self.now = False
        self.absent_ns = 0

    def update(self, moment: Moment) -> None:
        """Take a frame with evidence."""
        before = self.now
        self.now = moment.sums[self.slot] >= self.threshold
        if self.now:
            self.last_ns = moment.now_ns
            self.absent_ns = 0
        elif moment.gap:
            self.absent_ns = 0
        elif not before:
            self.absent_ns += moment.observed_ns


class Absence:
    """Proof that a target has stayed away for a time."""

    __slots__ = ("for_ns", "name", "seen")

    def __init__(self, seen: Seen, for_ns: int, name: str) -> None:
        self.seen, self.for_ns, self.name = seen, for_ns, name

    @property
    def proved(self) -> bool:
        """Whether it has been away for long enough."""
        return self.seen.absent_ns >= self.for_ns

    @property
    def text(self) -> str:
        """How long it has been away."""
        return f"{self.name} away for {self.seen.absent_ns / 1e6:.0f} ms, {self.for_ns / 1e6:.0f} needed"


class Chain:
    """Earlier syllables in order. A bout of step i counts when it began within step i - 1's `within_ns` of the last
    frame that counted for step i - 1, and then for as long as it lasts.

    `reached_ns[i]`: the last frame that counted for step i.
    """

    __slots__ = ("_counting", "names", "reached_ns", "seen", "within_ns")

    def __init__(self, seen: Sequence[Seen], within_ns: Sequence[int], names: Sequence[str]) -> None:
        self.seen, self.within_ns, self.names = tuple(seen), tuple(within_ns), tuple(names)
        self.reached_ns: list[int | None] = [None] * len(self.seen)
        self._counting = [False] * len(self.seen)

    def update(self, moment: Moment) -> None:
        """Take a frame with evidence; later steps first, so that none rests on a step of the same frame."""
        for i in reversed(range(len(self.seen))):
            before = self.seen[i].now and not moment.gap
            self.seen[i].update(moment)
            if not self.seen[i].now:
                self._counting[i] = False
                continue
            if not before:
                self._counting[i] = i == 0 or self._recent(i - 1, moment.now_ns)
            if self._counting[i]:
                self.reached_ns[i] = moment.now_ns

    def _recent(self, i: int, now_ns: int) -> bool:
        reached_ns = self.reached_ns[i]
        return reached_ns is not None and reached_ns < now_ns and now_ns - reached_ns <= self.within_ns[i]

    def complete(self, now_ns: int) -> bool:
        """Whether a bout that begins now follows the chain; ask before `update` has seen the same frame."""
        return self._recent(len(self.seen) - 1, now_ns)

    def before_ms(self, now_ns: int) -> float:
        """How long ago the last step counted, NaN where it never did."""
        reached_ns = self.reached_ns[-1]
        return nan if reached_ns is None else (now_ns - reached_ns) / 1e6

    def text(self, before_ms: float) -> str:
        """The step that must come last, and how long before the bout it did."""
        return f"{self.names[-1]} {before_ms:.0f} ms before, within {self.within_ns[-1] / 1e6:.0f}"
