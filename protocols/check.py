"""What only the model at hand can tell of a protocol: syllables that it lacks, rules that can never fire."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from protocols.build import lead_ms, least_spacing_ms, live_spans, spacing
from protocols.materials import Materials, missing
from protocols.rule_schema import (
    PeriodicRule,
    PoissonRule,
    RandomRule,
    RuleBase,
    ScheduledRule,
    SyllableRule,
    TimesRule,
    TriggeredRule,
    YokedRule,
)
from protocols.schedule import drawable
from protocols.schema import Protocol
from protocols.targets import resolve

OWN_TIMES = "; a text file with a time in ms a line may say which pulses to repeat"
Names = Mapping[str, tuple[int, ...]]


def check_protocol(protocol: Protocol, num_syllables: int, names: Names, frame_rate_hz: float) -> list[str]:
    """Every reason why this protocol cannot do with this model and camera what it says; empty when it can."""
    problems = []
    for rule in protocol.rules:
        lines = _live(rule, protocol)
        if isinstance(rule, TriggeredRule):
            lines += check_targets(rule, num_syllables, names) + _never(rule, protocol)
            lines += _after(rule, frame_rate_hz)
        if isinstance(rule, SyllableRule):
            lines += _syllable(rule, frame_rate_hz) + _excluded(rule, num_syllables, names)
        if isinstance(rule, ScheduledRule):
            lines += _schedule(rule, protocol, frame_rate_hz)
        problems += [f'[[rules]] "{rule.name}", {line}' for line in lines]
    frame_ms = 1000 / frame_rate_hz
    gap_ms = protocol.timing.evidence_gap_ms
    if gap_ms < frame_ms:
        problems.append(
            f"[timing], key 'evidence_gap_ms' = {gap_ms:.10g}: shorter than a frame, so no bout would ever last; "
            f"must be at least {frame_ms:.1f} at {frame_rate_hz:g} Hz"
        )
    return problems


def check_materials(
    protocol: Protocol, frame_rate_hz: float, materials: Materials, tell_missing: bool = True
) -> list[str]:
    """What is missing of, or wrong with, the things outside the file that it refers to; of rules that are live."""
    problems = missing(protocol, materials) if tell_missing else []
    known = materials.pulse_times_ms
    for rule in protocol.rules:
        if _live(rule, protocol):
            continue
        if isinstance(rule, YokedRule) and rule.source in known:
            times_ms = known[rule.source]
            lines = _apart(sorted(times_ms), rule, protocol, frame_rate_hz) if times_ms else ["holds no pulse"]
            problems += [
                f"[[rules]] \"{rule.name}\", key 'source' = '{rule.source}': {line}{OWN_TIMES}" for line in lines
            ]
        elif isinstance(rule, RandomRule) and rule.match is not None and rule.match in known:
            lines = _room(rule, len(known[rule.match]), protocol, frame_rate_hz)
            problems += [f"[[rules]] \"{rule.name}\", key 'match' = '{rule.match}': {line}" for line in lines]
    return problems


def _live(rule: RuleBase, protocol: Protocol) -> list[str]:
    if any(rule.name in block.rules for block in protocol.all_blocks()):
        return []
    return ["live in no block: add it to the 'rules' of one, or take it out"]


def check_targets(rule: TriggeredRule, num_syllables: int, names: Names) -> list[str]:
    """Syllables of a rule that the model lacks, and targets that mean nothing."""
    targets = [("target", rule.target)] if isinstance(rule, SyllableRule) else []
    targets += [(f"after[{i}].target", step.target) for i, step in enumerate(rule.after)]
    targets += [(f"absent[{i}].target", absent.target) for i, absent in enumerate(rule.absent)]
    lines = []
    for key, target in targets:
        indices, problems = resolve(target, num_syllables, names)
        if not problems and not indices:
            problems = [f"{list(target)}: no syllable at all"]
        if len(indices) == num_syllables:
            problems = [f"{list(target)}: all {num_syllables} syllables, so the probability is always 1"]
        lines += [f"key '{key}' = {problem}" for problem in problems]
    return lines


def _never(rule: TriggeredRule, protocol: Protocol) -> list[str]:
    """Durations that no block can hold."""
    live_ms = [block.duration_ms for block in protocol.all_blocks() if rule.name in block.rules]
    session_ms = sum(block.duration_ms for block in protocol.all_blocks())
    lines = []
    if live_ms and rule.dwell_ms >= max(live_ms):
        lines.append(
            f"key 'dwell_ms' = {rule.dwell_ms:.10g}: longer than any block in which it is live ({max(live_ms):.10g})"
        )
    for i, absent in enumerate(rule.absent):
        if absent.for_ms >= session_ms:
            lines.append(
                f"key 'absent[{i}].for_ms' = {absent.for_ms:.10g}: longer than the session ({session_ms:.10g})"
            )
    for i, condition in enumerate(rule.when):
        longest_ms = max(live_ms, default=0.0) if condition.quantity == "block_time_ms" else session_ms
        timed = condition.quantity in ("block_time_ms", "session_time_ms")
        if timed and condition.min is not None and condition.min >= longest_ms:
            lines.append(f"key 'when[{i}].min' = {condition.min:.10g}: never reached, it lasts {longest_ms:.10g} ms")
    return lines


def _syllable(rule: SyllableRule, frame_rate_hz: float) -> list[str]:
    lines = []
    if rule.once_per_bout and rule.exit_threshold == 0:
        lines.append("key 'exit' = 0: no bout would ever end, so it fires once at most; must be above 0")
    frame_ms = 1000 / frame_rate_hz
    if rule.evidence_ms is not None and rule.evidence_ms < frame_ms / 2:
        lines.append(f"key 'evidence_ms' = {rule.evidence_ms:.10g}: less than half a frame ({frame_ms:.1f} ms)")
    return lines


def _after(rule: TriggeredRule, frame_rate_hz: float) -> list[str]:
    frame_ms = 1000 / frame_rate_hz
    return [
        f"key 'after[{i}].within_ms' = {step.within_ms:.10g}: shorter than a frame; at least {frame_ms:.1f} at "
        f"{frame_rate_hz:g} Hz"
        for i, step in enumerate(rule.after)
        if step.within_ms < frame_ms
    ]


def _excluded(rule: SyllableRule, num_syllables: int, names: Names) -> list[str]:
    """An absence of the target itself, which its own bout disproves."""
    if rule.contingency == "reversed":
        return []
    own = set(resolve(rule.target, num_syllables, names)[0])
    return [
        f"key 'absent[{i}]': is of the target itself, whose own bout ends the absence; the rule could never fire"
        for i, absent in enumerate(rule.absent)
        if own and own <= set(resolve(absent.target, num_syllables, names)[0])
        if absent.threshold <= rule.enter and rule.evidence == "filtered"
    ]


def _schedule(rule: ScheduledRule, protocol: Protocol, frame_rate_hz: float) -> list[str]:
    least_ms = least_spacing_ms(rule, protocol, frame_rate_hz)
    match rule:
        case PeriodicRule() if rule.period_ms < least_ms:
            return [f"key 'period_ms' = {rule.period_ms:.10g}: {_too_close(least_ms)}"]
        case PeriodicRule():
            return _first_period(rule, protocol, frame_rate_hz)
        case PoissonRule() if 60_000 / rule.rate_per_minute <= least_ms:
            most = 60_000 / least_ms
            key = f"key 'rate_per_minute' = {rule.rate_per_minute:.10g}"
            return [f"{key}: must be below {most:g}; {_too_close(least_ms)}"]
        case RandomRule() if rule.count is not None:
            lines = _room(rule, rule.count, protocol, frame_rate_hz)
            return [f"key 'count' = {rule.count}: {line}" for line in lines]
        case TimesRule():
            lines = _apart(sorted(rule.times_ms), rule, protocol, frame_rate_hz)
            return [f"key 'times_ms': {line}" for line in lines]
    return []


def _first_period(rule: PeriodicRule, protocol: Protocol, frame_rate_hz: float) -> list[str]:
    key, first_ms = ("period_ms", rule.period_ms) if rule.start_ms is None else ("start_ms", rule.start_ms)
    blocks = protocol.all_blocks()
    longest_ms = max((block.duration_ms for block in blocks if rule.name in block.rules), default=None)
    if longest_ms is not None and first_ms >= longest_ms:
        return [
            f"key '{key}' = {first_ms:.10g}: no trial ever, the longest block in which it is live is {longest_ms:.10g}"
        ]
    earliest_ms = lead_ms(protocol, frame_rate_hz)
    if blocks and rule.name in blocks[0].rules and first_ms < earliest_ms:
        return [
            f"key '{key}' = {first_ms:.10g}: in the session's first block, the first that can be sent on time is "
            f"{earliest_ms:g}"
        ]
    return []


def _too_many(rule: ScheduledRule, number: int, protocol: Protocol) -> list[str]:
    pulses, most = number * protocol.output(rule.output).count, protocol.limits.max_pulses
    if pulses <= most:
        return []
    return [f"{number} trials are {pulses} pulses, more than [limits], key 'max_pulses' = {most}"]


def _too_close(least_ms: float) -> str:
    return f"trials of this rule need {least_ms:g} ms from one to the next; faster pulses are written as one train"


def _room(rule: RandomRule, number: int, protocol: Protocol, frame_rate_hz: float) -> list[str]:
    apart = spacing(rule, protocol, frame_rate_hz)
    spans = drawable(live_spans(rule, protocol, _any_arm(rule, protocol)), apart)
    live_us = sum(span.end_us - span.begin_us for span in spans)
    if (number - 1) * apart.dead_us >= live_us:
        room = live_us // apart.dead_us
        return [f"{number} trials do not fit into its blocks, at most {room} do; {_too_close(apart.dead_us / 1000)}"]
    return _too_many(rule, number, protocol)


def _apart(times_ms: Sequence[float], rule: ScheduledRule, protocol: Protocol, frame_rate_hz: float) -> list[str]:
    """Whether given times can be kept: not too early, not outside the rule's blocks, not too close."""
    earliest_ms = lead_ms(protocol, frame_rate_hz)
    least_ms = least_spacing_ms(rule, protocol, frame_rate_hz)
    spans = live_spans(rule, protocol, _any_arm(rule, protocol))
    outside = [t for t in times_ms if not any(span.begin_us <= t * 1000 < span.end_us for span in spans)]
    lines = _too_many(rule, len(times_ms), protocol)
    if times_ms[0] < earliest_ms:
        lines.append(f"{times_ms[0]:.10g} ms: the first that can be sent on time is {earliest_ms:g}")
    if outside:
        lines.append(
            f"{outside[0]:.10g} ms: outside the blocks in which it is live; {len(outside)} of {len(times_ms)} times are"
        )
    close = next((pair for pair in pairwise(times_ms) if pair[1] - pair[0] < least_ms), None)
    if close is not None:
        lines.append(f"{close[0]:.10g} and {close[1]:.10g} ms are too close: {_too_close(least_ms)}")
    return lines


def _any_arm(rule: RuleBase, protocol: Protocol) -> str | None:
    return next((arm.name for arm in protocol.arms if rule.name in arm.rules), None)
