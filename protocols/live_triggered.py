"""Rules at work that wait for something."""

from dataclasses import dataclass, field
from math import nan

from online.messages import TrialOutcome
from protocols.conditions import Check
from protocols.ledger import Ledger
from protocols.live_rule import Gate
from protocols.moment import Moment
from protocols.presence import Absence, Chain
from protocols.rule_schema import TriggeredRule
from protocols.trial import Decision, RuleStatus, Train
from protocols.trigger import Bout, Trigger
from protocols.why import WhyRow

NEAR = 0.8
"""Of its threshold: a probability from here on counts as near."""
ONCE_PER_BOUT: WhyRow = ("once per bout", 0, nan, nan)


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
    name: str = field(init=False)
    near_from: float = field(init=False)
    remembers: bool = field(init=False)
    once: bool = field(init=False)
    delay_ns: int = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.rule.shown_name
        self.near_from = NEAR * self.trigger.threshold
        self.remembers = self.chain is not None or bool(self.absences)
        self.once = self.rule.once_per_bout
        self.delay_ns = self.train.delay_us * 1000

    def set_live(self, live: bool) -> None:
        """Enter or leave a block; a rule that was not live meets its first bout afresh."""
        if live and not self.live:
            self.trigger.bout.end()
        self.live = live

    def consider(self, moment: Moment, gate: Gate) -> Decision | None:
        """Take a frame; a decision when the rule asked for a trial and that is worth a line in the record."""
        trigger = self.trigger
        told = self.live and trigger.update(moment)
        if self.remembers:
            self._remember(moment, told and trigger.began)
        bout = trigger.bout
        if not told:
            if self.live and bout.inside:
                gate.near.append((self.name, nan, trigger.threshold, trigger.untold, 0, nan, nan))
            return None
        if bout.inside:
            why_not = self._why_not(bout, moment)
            if why_not is None:
                return self._ask(moment, gate)
        elif trigger.probability >= self.near_from:
            why_not = "below enter", 0, trigger.probability, trigger.threshold
        else:
            return None
        gate.near.append((self.name, trigger.probability, trigger.threshold, *why_not))
        return None

    def _remember(self, moment: Moment, began: bool) -> None:
        chain = self.chain
        if began and chain is not None:
            self.followed = chain.complete(moment.now_ns)
            self.before_ms = chain.before_ms(moment.now_ns)
        if moment.rows:
            if chain is not None:
                chain.update(moment)
            for absence in self.absences:
                absence.seen.update(moment)

    def _why_not(self, bout: Bout, moment: Moment) -> WhyRow | None:
        """What keeps the rule from asking, in a bout; None when it asks."""
        if bout.dwelt_ns < bout.dwell_ns:
            return "dwell", 0, bout.dwelt_ns / 1e6, bout.dwell_ns / 1e6
        if self.once and self.ledger.given_in == bout.number:
            return ONCE_PER_BOUT
        if self.chain is not None and not self.followed:
            return "after", len(self.chain.seen) - 1, self.before_ms, self.chain.within_ns[-1] / 1e6
        for number, check in enumerate(self.checks):
            value = check.read(moment)
            if not check.low <= value <= check.high:
                return "when", number, value, check.nearest(value)
        for number, absence in enumerate(self.absences):
            if not absence.proved:
                return "absent", number, absence.seen.absent_ns / 1e6, absence.for_ns / 1e6
        return None

    def _ask(self, moment: Moment, gate: Gate) -> Decision | None:
        trigger, ledger, now_ns = self.trigger, self.ledger, moment.now_ns
        start_ns = now_ns + self.delay_ns
        why_not = gate.refusal or ledger.refusal(start_ns) or gate.limits.refusal(self.train, now_ns, start_ns)
        if why_not is None:
            number = ledger.next_number
            gate.limits.commit(self.train, start_ns, gate.deadline_ns)
            return self._decision(number, ledger.give(trigger.bout.number, start_ns), "", moment, gate)
        gate.near.append((self.name, trigger.probability, trigger.threshold, *why_not))
        if not ledger.refuse(trigger.bout.number, why_not[0]):
            return None
        return self._decision(ledger.next_number, "refused", why_not[0], moment, gate)

    def _decision(self, number: int, outcome: TrialOutcome, reason: str, moment: Moment, gate: Gate) -> Decision:
        return Decision(
            rule=self.name,
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

    def conclude(self) -> list[Decision]:
        """Nothing was due."""
        return []

    def status(self, now_ns: int) -> RuleStatus:
        """For the screen."""
        refractory_ns, trigger = self.ledger.refractory_left_ns(now_ns), self.trigger
        inside = "waiting"
        if trigger.bout.inside:
            inside = "bout" if self.ledger.given_in == trigger.bout.number else "dwell"
        counts = self.ledger.counts
        return RuleStatus(
            name=self.name,
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
