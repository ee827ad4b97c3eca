"""Rules at work: what all of them share."""

from dataclasses import dataclass, field
from typing import Protocol

from protocols.limits import PulseLimits
from protocols.moment import Moment
from protocols.rule_schema import RuleBase
from protocols.trial import Decision, RuleStatus
from protocols.why import NearRow, WhyRow


@dataclass(slots=True)
class Gate:
    """What all rules share at a frame: why no trial may be given now, if so, and the limits. `near` collects what
    almost fired, as plain rows: at a frame near many thresholds time is short."""

    limits: PulseLimits
    deadline_ns: int
    refusal: WhyRow | None = None
    block: str = ""
    near: list[NearRow] = field(default_factory=list)


class LiveRule(Protocol):
    """A rule with its memory. `consider` is called at every frame in order, in whatever block; `conclude` once, at the
    frame that finds the session over, and gives what it overtook."""

    live: bool

    @property
    def rule(self) -> RuleBase: ...
    @property
    def indices(self) -> tuple[int, ...]: ...
    def set_live(self, live: bool) -> None: ...
    def consider(self, moment: Moment, gate: Gate) -> Decision | None: ...
    def conclude(self) -> list[Decision]: ...
    def status(self, now_ns: int) -> RuleStatus: ...
