"""Rules at work: what all of them share, and those that wait for something."""

from dataclasses import dataclass, field
from math import nan
from typing import Protocol

from online.messages import TrialOutcome
from protocols.conditions import Check, first_unmet
from protocols.ledger import Ledger
from protocols.limits import PulseLimits
from protocols.moment import Moment
from protocols.presence import Absence, Chain
from protocols.rule_schema import RuleBase, TriggeredRule
from protocols.trial import Decision, RuleStatus, Train
from protocols.trigger import Trigger
from protocols.why import NearMiss, Why

NEAR = 0.8
"""Of its threshold: a probability from here on counts as near."""
ONCE_PER_BOUT = Why("once per bout")


@dataclass(slots=True)
class Gate:
    """What all rules share at a frame: why no trial may be given now, if so, and the limits. `near` collects what
    almost fired."""

    limits: PulseLimits
    deadline_ns: int
    refusal: str = ""
    block: str = ""
    near: list[NearMiss] = field(default_factory=list)


class LiveRule(Protocol):
    """A rule with its memory. `consider` is called at every frame in order, in whatever block."""

    live: bool

    @property
    def rule(self) -> RuleBase: ...
    @property
    def indices(self) -> tuple[int, ...]: ...
    def set_live(self, live: bool) -> None: ...
    def consider(self, moment: Moment, gate: Gate) -> Decision | None: ...
    def status(self, now_ns: int) -> RuleStatus: ...


@dataclass(frozen=True, slots=True)
class Offer:
    """A trial that a rule asks for: in which opportunity, and when the train would start."""

    opportunity: int
    train: Train
    start_ns: int
    slack_ns: int


def settle(ledger: Ledger, offer: Offer, now_ns: int, gate: Gate) -> tuple[TrialOutcome, str]:
    """Refuse the trial with its cause, or give it and draw whether it is a catch."""
    refusal = gate.refusal or ledger.refusal(offer.start_ns) or gate.limits.refusal(offer.train, now_ns, offer.start_ns)
    if refusal:
        return "refused", refusal
    gate.limits.commit(offer.train, offer.start_ns, offer.slack_ns)
    return ledger.give(offer.opportunity, offer.start_ns), ""


def refused_why(reason: str, ledger: Ledger, offer: Offer, moment: Moment, gate: Gate) -> Why:
    """A refusal with the values that decided it."""
    if reason == "stale":
        return Why(reason, 0, moment.late_ns / 1e6, gate.deadline_ns / 1e6)
    if reason in ("refractory", "max_per_minute"):
        return Why(reason, 0, *ledger.figures(reason, offer.start_ns))
    return Why(reason, 0, *gate.limits.figures(reason, offer.train, moment.now_ns, offer.start_ns))


@dataclass(slots=True)
class LiveTriggered:
    """A rule that waits for a bout. `indices`: its target's syllables, empty where it has none.

    `followed`: the bout began after the chain, `before_ms` after its last step.
    """

    rule: TriggeredRule
    train: Train
    ledger: Ledger
    trigger: Trigger
    indices: tuple[int, ...]
    checks: tuple[Check, ...]
    chain: Chain | None
    absences: tuple[Absence, ...]
    live: bool = False
    followed: bool = True
    before_ms: float = nan

    def set_live(self, live: bool) -> None:
        """Enter or leave a block; a rule that was not live meets its first bout afresh."""
        if live and not self.live:
            self.trigger.bout.end()
        self.live = live

    def consider(self, moment: Moment, gate: Gate) -> Decision | None:
        """Take a frame; a decision when the rule asked for a trial and that is worth a line in the record."""
        told = self.live and self.trigger.update(moment)
        if told and self.trigger.began and self.chain is not None:
            self.followed = self.chain.complete(moment.now_ns)
            self.before_ms = self.chain.before_ms(moment.now_ns)
        if moment.rows:
            self._remember(moment)
        if not (self._near if told else self.live and self.trigger.bout.inside):
            return None
        why_not = self._why_not(moment) if told else Why(self.trigger.untold)
        if why_not is None:
            return self._ask(moment, gate)
        self._note(why_not, self.trigger.probability if told else nan, gate)
        return None

    @property
    def _near(self) -> bool:
        trigger = self.trigger
        return trigger.bout.inside or trigger.probability >= NEAR * trigger.threshold

    def _remember(self, moment: Moment) -> None:
        if self.chain is not None:
            self.chain.update(moment)
        for absence in self.absences:
            absence.update(moment)

    def _why_not(self, moment: Moment) -> Why | None:
        """What keeps the rule from asking; None when it asks."""
        trigger = self.trigger
        bout = trigger.bout
        if not bout.inside:
            return Why("below enter", 0, trigger.probability, trigger.threshold)
        if not bout.long_enough:
            return Why("dwell", 0, bout.dwelt_ns / 1e6, bout.dwell_ns / 1e6)
        if self.rule.once_per_bout and self.ledger.given_in == bout.number:
            return ONCE_PER_BOUT
        if self.chain is not None and not self.followed:
            return Why("after", len(self.chain.seen) - 1, self.before_ms, self.chain.within_ns[-1] / 1e6)
        unmet = first_unmet(self.checks, moment)
        if unmet is not None:
            return Why("when", unmet, *self.checks[unmet].shortfall(moment))
        for number, absence in enumerate(self.absences):
            if not absence.proved:
                return Why("absent", number, absence.seen.absent_ns / 1e6, absence.for_ns / 1e6)
        return None

    def _note(self, why: Why, probability: float, gate: Gate) -> None:
        gate.near.append(NearMiss(self.rule.shown_name, probability, self.trigger.threshold, *why))

    def _ask(self, moment: Moment, gate: Gate) -> Decision | None:
        now_ns, number = moment.now_ns, self.ledger.next_number
        start_ns = now_ns + self.train.delay_us * 1000
        offer = Offer(self.trigger.bout.number, self.train, start_ns, gate.deadline_ns)
        outcome, reason = settle(self.ledger, offer, now_ns, gate)
        if outcome == "refused":
            self._note(refused_why(reason, self.ledger, offer, moment, gate), self.trigger.probability, gate)
            if not self.ledger.refuse(offer.opportunity, reason):
                return None
        return Decision(
            rule=self.rule.shown_name,
            trial_number=number,
            outcome=outcome,
            reason=reason,
            target_probability=self.trigger.probability,
            threshold=self.trigger.threshold,
            block=gate.block,
            output=self.rule.output,
            train=self.train,
            detail=self._detail(moment),
        )

    def _detail(self, moment: Moment) -> str:
        bout = self.trigger.bout
        parts = [f"bout {bout.number} for {bout.dwelt_ns / 1e6:.1f} ms"]
        parts += [check.text(moment) for check in self.checks]
        parts += [absence.text for absence in self.absences]
        if self.chain is not None:
            parts.append(self.chain.text(self.before_ms))
        return "; ".join(parts)

    def status(self, now_ns: int) -> RuleStatus:
        """For the screen."""
        refractory_ns, trigger = self.ledger.refractory_left_ns(now_ns), self.trigger
        inside = "waiting"
        if trigger.bout.inside:
            inside = "bout" if self.ledger.given_in == trigger.bout.number else "dwell"
        counts = self.ledger.counts
        return RuleStatus(
            name=self.rule.shown_name,
            state="off" if not self.live else "refractory" if refractory_ns else inside,
            target=self.indices,
            threshold=trigger.threshold,
            target_probability=trigger.probability,
            dwell_ms=trigger.bout.dwelt_ns / 1e6,
            refractory_left_ms=refractory_ns / 1e6,
            pulses=counts.pulses,
            catches=counts.catches,
            refused=counts.refused,
        )
