"""From the rules of a file to rules at work: targets resolved, times drawn, conditions made ready."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocols.conditions import make_checks
from protocols.draws import CatchDraws
from protocols.ledger import Ledger
from protocols.live_rule import LiveRule
from protocols.live_schedule import Due, LiveScheduled
from protocols.live_triggered import LiveTriggered
from protocols.materials import Materials
from protocols.own_rule import RuleContext, load
from protocols.presence import Absence, Chain, Seen
from protocols.rule_schema import (
    Absent,
    Earlier,
    EvidenceKind,
    OwnRule,
    RuleBase,
    ScheduledRule,
    SyllableRule,
    TriggeredRule,
)
from protocols.schedule import Spacing, Span, due_times_us
from protocols.schema import Output, Protocol
from protocols.schema_types import GRID_US
from protocols.sums import Sums
from protocols.targets import resolve
from protocols.trial import EvidenceRequest, Train
from protocols.trigger import Bout, OwnTrigger, Situation, SituationTrigger, SyllableTrigger, Trigger

LEAD_FRAMES = 2


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a protocol runs: model, camera, subject's arm, key of the draws; `sums` collects the targets in use."""

    protocol: Protocol
    num_syllables: int
    names: Mapping[str, tuple[int, ...]]
    frame_rate_hz: float
    materials: Materials
    arm: str | None
    key: bytes
    sums: Sums

    def indices(self, target: Sequence[str | int]) -> tuple[int, ...]:
        """Syllables of a target."""
        return resolve(target, self.num_syllables, self.names)[0]


def train_of(output: Output, delay_ms: float = 0.0) -> Train:
    """The train of an output in microseconds, `delay_ms` added to its own delay."""
    period_ms = output.width_ms if output.period_ms is None else output.period_ms
    return Train(
        channel=output.channel,
        width_us=round(output.width_ms * 1000),
        period_us=round(period_ms * 1000),
        count=output.count,
        delay_us=round((output.delay_ms + delay_ms) * 1000),
    )


def lead_ms(protocol: Protocol, frame_rate_hz: float) -> float:
    """How early a scheduled trial is asked for: so that one frame may be lost and the next be as late as it may."""
    return protocol.timing.deadline_ms + LEAD_FRAMES * 1000 / frame_rate_hz


def least_spacing_ms(rule: ScheduledRule, protocol: Protocol, frame_rate_hz: float) -> float:
    """From one scheduled trial to the next: the train must have ended before the next can be asked for."""
    train_ms = train_of(protocol.output(rule.output)).duration_us / 1000
    rest_ms = max(protocol.limits.min_interval_ms, lead_ms(protocol, frame_rate_hz))
    return max(rule.refractory_ms, train_ms + rest_ms) + GRID_US / 1000


def live_spans(rule: RuleBase, protocol: Protocol, arm: str | None) -> tuple[Span, ...]:
    """Where in the session a rule is live."""
    spans, begin_us = [], 0
    for index, block in enumerate(protocol.all_blocks()):
        end_us = begin_us + round(block.duration_ms * 1000)
        if rule.name in protocol.rules_in(block, arm):
            spans.append(Span(index, begin_us, end_us))
        begin_us = end_us
    return tuple(spans)


def spacing(rule: ScheduledRule, protocol: Protocol, frame_rate_hz: float) -> Spacing:
    """What keeps a schedule's trials apart, and from the session's beginning."""
    return Spacing(
        earliest_us=round(lead_ms(protocol, frame_rate_hz) * 1000),
        dead_us=round(least_spacing_ms(rule, protocol, frame_rate_hz) * 1000),
    )


def evidence_requests(protocol: Protocol) -> tuple[EvidenceRequest, ...]:
    """The kinds of evidence beyond the filtered posterior that the rules ask for, without repeats."""
    asked = [_request(rule) for rule in protocol.rules if isinstance(rule, SyllableRule)]
    return tuple(dict.fromkeys(request for request in asked if request is not None))


def _request(rule: SyllableRule) -> EvidenceRequest | None:
    kind: EvidenceKind = rule.evidence
    if kind == "filtered" or rule.evidence_ms is None:
        return None
    return EvidenceRequest(kind, rule.evidence_ms)


def build_rules(setting: Setting) -> list[LiveRule]:
    """The rules of the subject's arm and those of none, at work, in the file's order.

    Rules of other arms are not there at all, so that nothing on a screen tells one arm from another.
    """
    requests = evidence_requests(setting.protocol)
    rules: list[LiveRule] = []
    others = {name for arm in setting.protocol.arms if arm.name != setting.arm for name in arm.rules}
    mine = {name for arm in setting.protocol.arms if arm.name == setting.arm for name in arm.rules}
    for rule in setting.protocol.rules:
        if rule.name in others - mine:
            continue
        if isinstance(rule, ScheduledRule):
            rules.append(_scheduled(rule, setting))
        elif isinstance(rule, TriggeredRule):
            rules.append(_triggered(rule, setting, requests))
    return rules


def _ledger(rule: TriggeredRule | ScheduledRule, setting: Setting) -> Ledger:
    draws = CatchDraws(setting.key, rule.name, rule.catch_probability, rule.catch_block)
    return Ledger(draws, round(rule.refractory_ms * 1e6), rule.max_per_minute)


def _scheduled(rule: ScheduledRule, setting: Setting) -> LiveScheduled:
    protocol, rate_hz = setting.protocol, setting.frame_rate_hz
    spans = live_spans(rule, protocol, setting.arm)
    apart = spacing(rule, protocol, rate_hz)
    times_us = due_times_us(rule, spans, apart, setting.key, setting.materials.pulse_times_ms)
    blocks = protocol.all_blocks()
    due = []
    for time_us in times_us:
        index = next(span.index for span in spans if span.begin_us <= time_us < span.end_us)
        due.append(Due(time_us * 1000, blocks[index].name))
    return LiveScheduled(
        rule=rule,
        train=train_of(protocol.output(rule.output), rule.delay_ms),
        ledger=_ledger(rule, setting),
        due=tuple(due),
        lead_ns=apart.earliest_us * 1000,
        command_ns=round(protocol.timing.command_ms * 1e6),
    )


def _triggered(rule: TriggeredRule, setting: Setting, requests: Sequence[EvidenceRequest]) -> LiveTriggered:
    return LiveTriggered(
        rule=rule,
        train=train_of(setting.protocol.output(rule.output), rule.delay_ms),
        ledger=_ledger(rule, setting),
        trigger=_trigger(rule, setting, requests),
        indices=setting.indices(rule.target) if isinstance(rule, SyllableRule) else (),
        checks=make_checks(rule.when, setting.protocol),
        chain=_chain(rule.after, setting) if rule.after else None,
        absences=tuple(Absence(_seen(a, setting), round(a.for_ms * 1e6), _text(a.target)) for a in rule.absent),
    )


def _trigger(rule: TriggeredRule, setting: Setting, requests: Sequence[EvidenceRequest]) -> Trigger:
    bout = Bout(round(rule.dwell_ms * 1e6))
    if isinstance(rule, SyllableRule):
        request = _request(rule)
        indices = setting.indices(rule.target)
        if rule.contingency == "reversed":
            indices = tuple(i for i in range(setting.num_syllables) if i not in indices)
        row = 0 if request is None else 1 + requests.index(request)
        return SyllableTrigger(bout, setting.sums.slot(row, indices), rule.enter, rule.exit_threshold)
    if isinstance(rule, OwnRule):
        gap_ns = round(setting.protocol.timing.evidence_gap_ms * 1e6)
        return OwnTrigger(bout, _own(rule, setting), gap_ns)
    checks = make_checks(rule.when, setting.protocol)
    return SituationTrigger(bout, lambda moment: all(check.holds(moment) for check in checks))


def _own(rule: OwnRule, setting: Setting) -> Situation:
    context = RuleContext(setting.num_syllables, setting.names, setting.frame_rate_hz, rule.settings)
    return load(setting.materials.sources[rule.file], rule.file, rule.class_name, context)


def _chain(steps: Sequence[Earlier], setting: Setting) -> Chain:
    return Chain(
        [_seen(step, setting) for step in steps],
        [round(step.within_ms * 1e6) for step in steps],
        [_text(step.target) for step in steps],
    )


def _seen(wanted: Earlier | Absent, setting: Setting) -> Seen:
    return Seen(setting.sums.slot(0, setting.indices(wanted.target)), wanted.threshold)


def _text(target: Sequence[str | int]) -> str:
    return " or ".join(str(syllable) for syllable in target)
