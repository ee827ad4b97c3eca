"""Rules at work that follow a schedule."""

from dataclasses import dataclass, replace
from math import nan

from online.messages import TrialOutcome
from protocols.ledger import Ledger
from protocols.live_rule import Gate
from protocols.moment import Moment
from protocols.rule_schema import ScheduledRule
from protocols.schema_types import GRID_US
from protocols.trial import Decision, RuleStatus, Train

PUNCTUAL_NS = 1_000_000
"""A scheduled trial that would start later than this after its time is missed."""
SCHEDULE_SLACK_NS = 2_000_000


@dataclass(frozen=True, slots=True)
class Due:
    """A scheduled time, since the session began, and the block into which it falls."""

    time_ns: int
    block: str


@dataclass(slots=True)
class LiveScheduled:
    """A rule whose times are fixed. Each trial is asked for up to `lead_ns` early and sent with the delay that is left,
    so that it starts on its time and not on a frame's.

    A frame whose trial is refused, stale or lost leaves the next frame to try, until the time has passed: then the
    trial is refused as "missed", if no other cause was recorded.
    """

    rule: ScheduledRule
    train: Train
    ledger: Ledger
    due: tuple[Due, ...]
    lead_ns: int
    command_ns: int
    live: bool = False
    next: int = 0

    @property
    def indices(self) -> tuple[int, ...]:
        """It has no target."""
        return ()

    def set_live(self, live: bool) -> None:
        """Enter or leave a block."""
        self.live = live

    def consider(self, moment: Moment, gate: Gate) -> Decision | None:
        """Take a frame, with or without evidence."""
        while self.next < len(self.due):
            due = self.due[self.next]
            ahead_ns = due.time_ns - moment.session_ns
            if ahead_ns > self.lead_ns:
                return None
            left_ns = ahead_ns - moment.late_ns - self.command_ns
            if left_ns >= -PUNCTUAL_NS:
                return self._ask(due, max(left_ns, 0), moment, gate)
            missed = self._miss(due)
            if missed is not None:
                return missed
        return None

    def _miss(self, due: Due) -> Decision | None:
        """Leave the next trial behind; a decision unless another cause is on record."""
        opportunity = self.next
        self.next += 1
        if self.ledger.refused_in(opportunity):
            return None
        self.ledger.refuse(opportunity, "missed")
        return self._decision(due, "refused", "missed", self.train)

    def conclude(self) -> list[Decision]:
        """Trials that the end of the session overtook."""
        missed = [self._miss(due) for due in self.due[self.next :]]
        return [decision for decision in missed if decision is not None]

    def _ask(self, due: Due, left_ns: int, moment: Moment, gate: Gate) -> Decision | None:
        if gate.refusal is not None and gate.refusal[0] == "stale":
            return None
        delay_us = self.train.delay_us + round(left_ns / 1000 / GRID_US) * GRID_US
        train = replace(self.train, delay_us=delay_us)
        start_ns = moment.now_ns + due.time_ns - moment.session_ns + self.train.delay_us * 1000
        number = self.ledger.next_number
        why_not = gate.refusal or self.ledger.refusal(start_ns) or gate.limits.refusal(train, moment.now_ns, start_ns)
        if why_not is not None:
            first = self.ledger.refuse(self.next, why_not[0])
            return self._decision(due, "refused", why_not[0], train) if first else None
        gate.limits.commit(train, start_ns, SCHEDULE_SLACK_NS)
        outcome = self.ledger.give(self.next, start_ns)
        self.next += 1
        return self._decision(due, outcome, "", train, number)

    def _decision(
        self, due: Due, outcome: TrialOutcome, reason: str, train: Train, number: int | None = None
    ) -> Decision:
        return Decision(
            rule=self.rule.shown_name,
            trial_number=self.ledger.next_number if number is None else number,
            outcome=outcome,
            reason=reason,
            target_probability=nan,
            threshold=nan,
            block=due.block,
            output=self.rule.output,
            train=train,
            detail=f"due at {due.time_ns / 1e6:.3f} ms of the session",
        )

    def status(self, now_ns: int) -> RuleStatus:
        """For the screen."""
        refractory_ns, counts = self.ledger.refractory_left_ns(now_ns), self.ledger.counts
        return RuleStatus(
            name=self.rule.shown_name,
            state="off" if not self.live else "refractory" if refractory_ns else "waiting",
            target=(),
            threshold=nan,
            target_probability=nan,
            dwell_ms=0.0,
            refractory_left_ms=refractory_ns / 1e6,
            pulses=counts.pulses,
            catches=counts.catches,
            refused=counts.refused,
        )
