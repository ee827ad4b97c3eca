"""Why a rule gave no trial: the cause, and the values that decided, in numbers for the record and in words for people.

A cause is a word of `CAUSES` or the reason of a refusal; `part` numbers, from 0, the step, condition or absence that
it is about; `value` is what was found and `needed` what it had to be, NaN where the cause has none. Times are ms.
"""

from math import isnan, nan
from typing import NamedTuple

from protocols.rule_schema import Condition, RuleBase, TriggeredRule

CAUSES = {
    "below enter": "the probability was {value:.3g}, a bout begins at {needed:.3g}",
    "dwell": "the bout had lasted {value:.0f} ms, {needed:g} are needed",
    "once per bout": "the bout had had its trial",
    "after": "{part} had been seen {value:.0f} ms before the bout began, {needed:g} at most are allowed",
    "when": "{part} was {value:.4g}, the nearest allowed value is {needed:.4g}",
    "absent": "{part} had been away for {value:.0f} ms, {needed:g} are needed",
    "no evidence": "the decoder had no evidence of this frame",
    "no pose": "no mouse was found in this frame",
    "no answer": "the lab's own rule could not tell",
    "disarmed": "the board was not armed",
    "paused": "the session was paused",
    "stale": "the frame was {value:.1f} ms old at its decision, {needed:g} at most are allowed",
    "refractory": "{value:.0f} ms had passed since the rule's last trial, {needed:g} are needed",
    "max_per_minute": "the rule had had {value:.0f} trials within a minute, {needed:.0f} at most are allowed",
    "busy": "the channel was taken by a train for another {value:.0f} ms at most",
    "limit max_width_ms": "the train breaks the limit max_width_ms = {needed:g}",
    "limit min_interval_ms": "{value:.1f} ms had passed since the channel's last pulse, {needed:g} are needed",
    "limit max_pulses": "{value:.0f} pulses had been given, {needed:.0f} at most are allowed",
    "limit max_duty": "the channel would have been high for {value:.3f} of the window, {needed:g} at most is allowed",
}


class Why(NamedTuple):
    """What kept a rule from giving a trial."""

    cause: str
    part: int = 0
    value: float = nan
    needed: float = nan


WhyRow = tuple[str, int, float, float]
"""The fields of a `Why`."""
NearRow = tuple[str, float, float, str, int, float, float]
"""The fields of a `NearMiss`."""


class NearMiss(NamedTuple):
    """Why a rule that was near its threshold, or in a bout, gave no trial at a frame; see the top of this file."""

    rule: str
    target_probability: float
    threshold: float
    cause: str
    part: int
    value: float
    needed: float


def in_words(why: Why, rule: RuleBase | None) -> str:
    """One clause; `rule` names the part, None where it is not known."""
    words, part = CAUSES.get(why.cause, why.cause), _part(why, rule)
    if why.cause == "after" and isnan(why.value):
        return f"{part} had not been seen before the bout began"
    if why.cause == "when" and isnan(why.value):
        return f"{part} was not known"
    if why.cause == "when" and _condition(why, rule, "place"):
        return f"the mouse was not {part}"
    return words.format(part=part, value=why.value, needed=why.needed)


def _part(why: Why, rule: RuleBase | None) -> str:
    if not isinstance(rule, TriggeredRule) or why.cause not in ("when", "after", "absent"):
        return f"{why.cause}[{why.part}]"
    if why.cause == "when":
        condition = rule.when[why.part]
        side = "inside" if condition.inside else "outside"
        return str(condition.quantity) if condition.place is None else f"{side} '{condition.place}'"
    steps = rule.after if why.cause == "after" else rule.absent
    return " or ".join(str(syllable) for syllable in steps[why.part].target)


def _condition(why: Why, rule: RuleBase | None, key: str) -> bool:
    condition: Condition | None = rule.when[why.part] if isinstance(rule, TriggeredRule) else None
    return condition is not None and getattr(condition, key) is not None
