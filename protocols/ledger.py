"""A rule's accounts: trials given, refused and drawn; refractory time and rate."""

from collections import deque
from dataclasses import dataclass

from online.messages import TrialOutcome
from protocols.draws import CatchDraws
from protocols.why import WhyRow

MINUTE_NS = 60_000_000_000


@dataclass(slots=True)
class Counts:
    """What became of a rule's opportunities."""

    pulses: int = 0
    catches: int = 0
    refused: int = 0


class Ledger:
    """An opportunity is a bout, or a scheduled time; each may be refused once for each cause and given a trial."""

    __slots__ = (
        "_causes",
        "_opportunity",
        "counts",
        "draws",
        "given_in",
        "last_ns",
        "recent_ns",
        "refractory_ns",
    )

    def __init__(self, draws: CatchDraws, refractory_ns: int, max_per_minute: int | None) -> None:
        self.draws, self.refractory_ns = draws, refractory_ns
        self.recent_ns: deque[int] | None = None if max_per_minute is None else deque(maxlen=max_per_minute)
        self.counts = Counts()
        self.last_ns: int | None = None
        self.given_in: int | None = None
        self._opportunity: int | None = None
        self._causes: set[str] = set()

    @property
    def next_number(self) -> int:
        """Number of the next trial, pulse or catch, from 1."""
        return self.counts.pulses + self.counts.catches + 1

    def refractory_left_ns(self, start_ns: int) -> int:
        """From `start_ns` until a trial is allowed."""
        return 0 if self.last_ns is None else max(self.last_ns + self.refractory_ns - start_ns, 0)

    def refusal(self, start_ns: int) -> WhyRow | None:
        """Why a trial must not start at `start_ns`; None when it may."""
        if self.last_ns is not None and start_ns < self.last_ns + self.refractory_ns:
            return "refractory", 0, (start_ns - self.last_ns) / 1e6, self.refractory_ns / 1e6
        recent_ns = self.recent_ns
        if recent_ns is not None and len(recent_ns) == recent_ns.maxlen and start_ns - recent_ns[0] < MINUTE_NS:
            return "max_per_minute", 0, float(len(recent_ns)), float(recent_ns.maxlen)
        return None

    def refuse(self, opportunity: int, cause: str) -> bool:
        """Note a refusal; True when it is the first of this cause in this opportunity."""
        if opportunity != self._opportunity:
            self._opportunity = opportunity
            self._causes.clear()
        if cause in self._causes:
            return False
        self._causes.add(cause)
        self.counts.refused += 1
        return True

    def refused_in(self, opportunity: int) -> bool:
        """Whether a refusal in this opportunity is on record."""
        return opportunity == self._opportunity

    def give(self, opportunity: int, start_ns: int) -> TrialOutcome:
        """Take the trial; only here is it drawn whether it is a catch."""
        catch = self.draws.is_catch(self.next_number)
        self.given_in = opportunity
        self.last_ns = start_ns
        if self.recent_ns is not None:
            self.recent_ns.append(start_ns)
        if catch:
            self.counts.catches += 1
            return "catch"
        self.counts.pulses += 1
        return "pulse"
