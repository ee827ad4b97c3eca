"""One frame as the rules see it. One object per engine, overwritten at every step."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from protocols.trial import PoseLike


@dataclass(slots=True)
class Moment:
    """`rows`: posteriors of this frame, K numbers for each kind of evidence in use, empty without evidence. Own rules
    find lists there. `sums`: probabilities of the targets in use (`sums.Sums`), those of the last frame with evidence.

    `now_ns`: capture time; `session_ns` and `block_ns`: since session and block began; `observed_ns`: time since the
    frame before, when both carried evidence and none was lost between, else 0; `seen_ns`: the same for the pose;
    `gap`: evidence had been missing for longer than a bout survives; `pose_gap`: the same for the pose.
    `late_ns`: decision time less capture time. `novelty` is NaN where unknown.
    """

    rows: list[Sequence[float]] = field(default_factory=list)
    sums: list[float] = field(default_factory=list)
    pose: PoseLike | None = None
    novelty: float = float("nan")
    now_ns: int = 0
    session_ns: int = 0
    block_ns: int = 0
    observed_ns: int = 0
    seen_ns: int = 0
    gap: bool = False
    pose_gap: bool = False
    late_ns: int = 0
