"""Blinded arms: what of a decision could tell a subject's arm, and how the arms of one file are made to look alike.

Under seal screen and record tell when a rule gave a trial or was refused one and why, in words that are the same for
all arms; not the target's probability, thresholds and conditions, for with the posterior beside them they tell the
target. Once the arm is known, a replay of the session tells them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import nan

from protocols.rule_schema import RuleBase
from protocols.schema import Arm, Assignment, Protocol
from protocols.trial import Decision, RuleStatus
from protocols.why import NearMiss

ALIKE = (
    "under seal the arms must have equally many rules, shown under the same names: give those that stand for one "
    "another one 'alias'; an arm without stimulation has a rule with catch_probability = 1"
)


def is_sealed(protocol: Protocol) -> bool:
    """Whether arms are blinded."""
    return protocol.assignment is not None and protocol.assignment.sealed is not None


def opened(protocol: Protocol, subject: str, arm: str) -> Protocol:
    """The same experiment with the arm in the open: the same decisions, with the values that decided them."""
    return protocol.model_copy(update={"assignment": Assignment(subjects={subject: arm})})


def looks(arms: Sequence[Arm], rules: Iterable[RuleBase]) -> set[tuple[str, ...]]:
    """The different sets of names under which screen and record would show arms."""
    shown = {rule.name: rule.shown_name for rule in rules}
    return {tuple(sorted(shown[name] for name in arm.rules if name in shown)) for arm in arms}


def masked(decision: Decision) -> Decision:
    """A decision without what tells the arm."""
    return replace(decision, target_probability=nan, threshold=nan, detail="")


def masked_near(miss: NearMiss) -> NearMiss:
    """A near miss without what tells the arm."""
    return NearMiss(miss.rule, nan, nan, miss.cause, 0, nan, nan)


def masked_status(rule: RuleStatus) -> RuleStatus:
    """A rule on the screen without what tells the arm; that it is in a bout would tell the target."""
    state = "waiting" if rule.state in ("dwell", "bout") else rule.state
    return replace(rule, state=state, target=(), threshold=nan, target_probability=nan, dwell_ms=0.0)
