"""What one key of a rule says about another."""

from collections.abc import Sequence

from protocols.rule_schema import Condition, RandomRule, RuleBase, SituationRule, SyllableRule, TriggeredRule
from protocols.schema import Arena
from protocols.targets import nearest
from protocols.unreachable import unreachable


def rule_problems(rule: RuleBase, places: Sequence[str], arena: Arena | None) -> list[str]:
    """Problems of one rule."""
    problems = []
    if isinstance(rule, SyllableRule):
        problems += _syllable(rule)
    if isinstance(rule, SituationRule) and not rule.when:
        problems.append("key 'when' is missing: a situation is what it describes")
    if isinstance(rule, RandomRule) and (rule.count is None) == (rule.match is None):
        problems.append("needs either 'count' or 'match'")
    if isinstance(rule, TriggeredRule):
        for i, condition in enumerate(rule.when):
            problems += [f"key 'when[{i}]': {line}" for line in _condition(condition, places, arena is not None)]
        problems = problems or unreachable(rule, arena)
    return problems


def _syllable(rule: SyllableRule) -> list[str]:
    problems = []
    if rule.exit is not None and rule.exit > rule.enter:
        problems.append(f"key 'exit' = {rule.exit:.10g}: must be at most 'enter' = {rule.enter:.10g}")
    if rule.evidence == "filtered" and rule.evidence_ms is not None:
        problems.append(f"key 'evidence_ms' = {rule.evidence_ms:.10g}: filtered evidence has none; leave it out")
    if rule.evidence != "filtered" and rule.evidence_ms is None:
        problems.append(f"key 'evidence_ms' is missing: '{rule.evidence}' evidence needs it")
    if rule.evidence == "onset" and rule.contingency == "reversed":
        problems.append("key 'contingency' = 'reversed': the onset of everything else has no meaning")
    return problems


def _condition(condition: Condition, places: Sequence[str], has_arena: bool) -> list[str]:
    if (condition.quantity is None) == (condition.place is None):
        return ["needs either 'quantity' or 'place'"]
    low, high = condition.min, condition.max
    if condition.place is not None:
        if low is not None or high is not None:
            return ["'min' and 'max' belong to a quantity, not to a place"]
        if condition.place not in places:
            return [f"'place' = '{condition.place}': no such place; {nearest(condition.place, places)}"]
        return []
    if low is None and high is None:
        return ["needs 'min' or 'max' or both"]
    if low is not None and high is not None and low > high:
        return [f"'min' = {low:.10g} is above 'max' = {high:.10g}"]
    if condition.quantity == "wall_distance_mm" and not has_arena:
        return ["'wall_distance_mm' needs the walls: describe them in [arena]"]
    return []
