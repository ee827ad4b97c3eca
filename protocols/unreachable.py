"""Rules that could never fire, whatever the animal does: found in the file alone."""

from collections.abc import Sequence

from protocols.rule_schema import Condition, SyllableRule, TriggeredRule
from protocols.schema import Arena

NEVER_REACHED = 0.9999
RANGES = {
    "speed_mm_s": (0.0, None),
    "height_mm": (0.0, 255.0),
    "length_mm": (0.0, None),
    "heading_probability": (0.0, 1.0),
    "novelty": (0.0, 1.0),
    "block_time_ms": (0.0, None),
    "session_time_ms": (0.0, None),
}
"""What a quantity can be, where that is bounded."""


def unreachable(rule: TriggeredRule, arena: Arena | None) -> list[str]:
    """Problems of one rule, a line each."""
    lines = []
    if isinstance(rule, SyllableRule):
        lines += _evidence(rule)
    for i, step in enumerate(rule.after):
        if step.threshold > NEVER_REACHED:
            lines.append(f"key 'after[{i}].threshold' = {step.threshold:g}: {_TOO_SURE}")
    for i, condition in enumerate(rule.when):
        lines += [f"key 'when[{i}]': {line}" for line in _possible(condition, arena)]
    return lines + _contradictions(rule.when)


_TOO_SURE = f"a posterior never gets there; at most {NEVER_REACHED}"


def _evidence(rule: SyllableRule) -> list[str]:
    lines = []
    if rule.enter > NEVER_REACHED:
        lines.append(f"key 'enter' = {rule.enter:g}: {_TOO_SURE}")
    if rule.evidence == "onset" and rule.evidence_ms is not None and rule.dwell_ms >= rule.evidence_ms:
        lines.append(
            f"key 'dwell_ms' = {rule.dwell_ms:.10g}: a bout that began within the last 'evidence_ms' = "
            f"{rule.evidence_ms:.10g} cannot have lasted so long; must be below that"
        )
    return lines


def _possible(condition: Condition, arena: Arena | None) -> list[str]:
    if condition.quantity is None:
        return []
    low, high = RANGES.get(condition.quantity, (None, None))
    if condition.quantity == "wall_distance_mm" and arena is not None:
        high = _farthest_mm(arena)
    if condition.min is not None and high is not None and condition.min > high:
        return [f"'min' = {condition.min:.10g} is never reached: '{condition.quantity}' is at most {high:.10g}"]
    if condition.max is not None and low is not None and condition.max < low:
        return [f"'max' = {condition.max:.10g} is never met: '{condition.quantity}' is at least {low:.10g}"]
    return []


def _farthest_mm(arena: Arena) -> float | None:
    """No place in the arena is farther from its walls."""
    if arena.circle is not None:
        return arena.circle.radius_mm
    if arena.polygon is None:
        return None
    xs, ys = [x for x, _ in arena.polygon], [y for _, y in arena.polygon]
    return min(max(xs) - min(xs), max(ys) - min(ys)) / 2


def _contradictions(conditions: Sequence[Condition]) -> list[str]:
    """Pairs of conditions that exclude each other."""
    lines = []
    for j, second in enumerate(conditions):
        for i, first in enumerate(conditions[:j]):
            if first.place is not None and first.place == second.place and first.inside != second.inside:
                lines.append(f"keys 'when[{i}]' and 'when[{j}]': nobody is inside and outside '{first.place}' at once")
            if first.quantity is not None and first.quantity == second.quantity and _apart(first, second):
                lines.append(f"keys 'when[{i}]' and 'when[{j}]': no '{first.quantity}' is in both ranges")
    return lines


def _apart(first: Condition, second: Condition) -> bool:
    lows = [c.min for c in (first, second) if c.min is not None]
    highs = [c.max for c in (first, second) if c.max is not None]
    return bool(lows and highs and max(lows) > min(highs))
