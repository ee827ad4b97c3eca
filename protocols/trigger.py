"""What a rule waits for: bouts of syllables, of situations, or of a lab's own making."""

from dataclasses import dataclass
from math import nan
from typing import Protocol

from protocols.moment import Moment


class Bout:
    """A stretch of time over which a rule's matter lasts.

    `number` counts bouts from 1. `dwelt_ns` counts only time between neighbouring frames with evidence, so neither a
    dropped frame nor one without evidence adds to it.
    """

    __slots__ = ("dwell_ns", "dwelt_ns", "inside", "number")

    def __init__(self, dwell_ns: int) -> None:
        self.dwell_ns = dwell_ns
        self.inside = False
        self.number = 0
        self.dwelt_ns = 0

    def update(self, holds: bool, observed_ns: int) -> bool:
        """Take a frame that tells; True when this begins a bout."""
        if holds and self.inside:
            self.dwelt_ns += observed_ns
            return False
        self.dwelt_ns = 0
        began = holds and not self.inside
        self.inside = holds
        self.number += began
        return began

    def end(self) -> None:
        """Forget the bout."""
        self.inside = False
        self.dwelt_ns = 0


class Trigger(Protocol):
    """`update` takes a frame and says whether it told anything; `bout` then holds the result.

    `probability` is the evidence and `threshold` what it must reach, both NaN where a rule has none.
    """

    bout: Bout
    probability: float
    threshold: float
    began: bool

    @property
    def untold(self) -> str:
        """What is missing at a frame that tells nothing."""

    def update(self, moment: Moment) -> bool:
        """Take a frame."""


@dataclass(slots=True)
class SyllableTrigger:
    """A bout begins when the probability at `slot` of `Moment.sums` reaches `threshold` and ends below `exit`."""

    bout: Bout
    slot: int
    threshold: float
    exit: float
    probability: float = nan
    began: bool = False

    @property
    def untold(self) -> str:
        """See Trigger."""
        return "no evidence"

    def update(self, moment: Moment) -> bool:
        """Take a frame; one without evidence of this kind tells nothing."""
        self.began = False
        if not moment.rows:
            return False
        bout = self.bout
        if moment.gap:
            bout.end()
        probability = moment.sums[self.slot]
        if probability != probability:
            return False
        self.probability = probability
        if bout.inside:
            if probability >= self.exit:
                bout.dwelt_ns += moment.observed_ns
            else:
                bout.end()
        elif probability >= self.threshold:
            self.began = bout.update(True, 0)
        return True


class Situation(Protocol):
    """Whether a situation holds at a moment; None when that is not known."""

    def __call__(self, moment: Moment) -> bool | None: ...


@dataclass(slots=True)
class SituationTrigger:
    """A bout lasts while a situation holds. The frames that tell are those with a pose."""

    bout: Bout
    situation: Situation
    probability: float = nan
    threshold: float = nan
    began: bool = False

    @property
    def untold(self) -> str:
        """See Trigger."""
        return "no pose"

    def update(self, moment: Moment) -> bool:
        """Take a frame."""
        self.began = False
        holds = None if moment.pose is None else self.situation(moment)
        if holds is None:
            return False
        if moment.pose_gap:
            self.bout.end()
        self.began = self.bout.update(holds, moment.seen_ns)
        return True


@dataclass(slots=True)
class OwnTrigger:
    """A bout lasts while a lab's own rule says so. The frames that tell are those for which it gives an answer.

    A bout survives no longer without an answer than one of a syllable without evidence, `gap_ns`; time between two
    frames counts towards a dwell when both had an answer.
    """

    bout: Bout
    situation: Situation
    gap_ns: int
    probability: float = nan
    threshold: float = nan
    began: bool = False
    told_ns: int = 0
    told_before: bool = False

    @property
    def untold(self) -> str:
        """See Trigger."""
        return "no answer"

    def update(self, moment: Moment) -> bool:
        """Take a frame; the rule sees also those without evidence or pose, and answers None where it cannot tell."""
        self.began = False
        holds = self.situation(moment)
        if holds is None:
            self.told_before = False
            return False
        if moment.now_ns - self.told_ns > self.gap_ns or (moment.rows and moment.gap):
            self.bout.end()
        self.began = self.bout.update(holds, moment.observed_ns if self.told_before else 0)
        self.told_ns, self.told_before = moment.now_ns, True
        return True
