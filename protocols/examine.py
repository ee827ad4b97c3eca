"""Everything that is wrong with a protocol where it is to run, in one list: file, model, subject, what it refers to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from online.errors import ConfigError
from protocols.check import check_materials, check_protocol, check_targets
from protocols.crosscheck import Parts
from protocols.materials import Materials, Reader, gather_all
from protocols.own_rule import RuleContext, load
from protocols.rule_schema import OwnRule, RuleBase, TriggeredRule
from protocols.schema import Block, Output, Protocol, Session


@dataclass(frozen=True, slots=True)
class Bench:
    """Model and camera; `names`: the syllables that each name stands for."""

    num_syllables: int
    names: Mapping[str, tuple[int, ...]]
    frame_rate_hz: float

    def context(self, rule: OwnRule) -> RuleContext:
        """What an own rule is told."""
        return RuleContext(self.num_syllables, self.names, self.frame_rate_hz, rule.settings)


def unfit(protocol: Protocol, bench: Bench, subject: str, materials: Materials) -> list[str]:
    """Every reason why model, camera, subject and materials cannot serve a protocol."""
    return [
        *check_protocol(protocol, bench.num_syllables, bench.names, bench.frame_rate_hz),
        *arm_of(protocol, subject, materials)[1],
        *check_materials(protocol, bench.frame_rate_hz, materials),
        *own_rule_problems(protocol, bench, materials),
    ]


def unfit_with_files(
    protocol: Protocol, bench: Bench, subject: str | None, reader: Reader
) -> tuple[Materials, list[str]]:
    """What a protocol refers to, and every reason why it cannot run; no arm is looked up where the subject is None."""
    materials, problems = gather_all(protocol, reader, subject)
    assigned = arm_of(protocol, subject, materials)[1] if subject is not None and not problems else []
    return materials, [
        *check_protocol(protocol, bench.num_syllables, bench.names, bench.frame_rate_hz),
        *problems,
        *assigned,
        *check_materials(protocol, bench.frame_rate_hz, materials, tell_missing=False),
        *own_rule_problems(protocol, bench, materials),
    ]


def unfit_in_part(parts: Parts, bench: Bench, reader: Reader) -> list[str]:
    """As far as they can be found in a file with other mistakes: reasons why it would not run once these are mended."""
    protocol = _sound(parts)
    if protocol is not None:
        return unfit_with_files(protocol, bench, None, reader)[1]
    return [
        f'[[rules]] "{rule.name}", {line}'
        for rule in parts.all("rules", RuleBase)
        if isinstance(rule, TriggeredRule)
        for line in check_targets(rule, bench.num_syllables, bench.names)
    ]


def _sound(parts: Parts) -> Protocol | None:
    """The file without the rules that cannot be judged; None where blocks, outputs or limits are not all readable."""
    session, blocks = parts.table("session", Session), parts.all("blocks", Block)
    if session is None or "limits" not in parts.tables or not {"blocks", "outputs"} <= parts.whole:
        return None
    if session.duration_ms is None and not blocks:
        return None
    trains = {output.name for output in parts.all("outputs", Output)}
    rules = tuple(rule for rule in parts.all("rules", RuleBase) if rule.output in trains)
    return parts.protocol(rules)


def own_rule_problems(protocol: Protocol, bench: Bench, materials: Materials) -> list[str]:
    """Python rules that do not load; those whose file was not read are told of elsewhere."""
    problems = []
    for rule in protocol.rules:
        if isinstance(rule, OwnRule) and rule.file in materials.sources:
            try:
                load(materials.sources[rule.file], rule.file, rule.class_name, bench.context(rule))
            except ConfigError as error:
                problems.append(f'[[rules]] "{rule.name}", {error}')
    return problems


def arm_of(protocol: Protocol, subject: str, materials: Materials) -> tuple[str | None, list[str]]:
    """The subject's arm, None where there are none, and what is wrong with it."""
    if not protocol.arms:
        return None, []
    assignment = protocol.assignment
    open_arms = {} if assignment is None or assignment.subjects is None else assignment.subjects
    arm = open_arms.get(subject, materials.arm)
    if arm is None:
        return None, [f"[assignment]: subject '{subject}' is in no arm; enter it, or correct --subject"]
    if arm not in {known.name for known in protocol.arms}:
        return None, ["[assignment]: the subject's arm is not one of [[arms]]; was the assignment made for this file?"]
    return arm, []


def undeclared_channels(outputs: Iterable[Output], declared: Mapping[str, int]) -> list[str]:
    """Outputs on channels that the rig file does not name: nothing may pulse what nobody declared.

    Several outputs may share a channel under names of their own; one that bears a channel's name must be on it.
    """
    known = ", ".join(f"{name} = {channel}" for name, channel in declared.items())
    problems = []
    for output in outputs:
        where = f"[[outputs]] {output.name!r}, channel = {output.channel}: the rig file's board has"
        if output.channel not in declared.values():
            problems.append(f"{where} only {{{known}}}")
        elif declared.get(output.name, output.channel) != output.channel:
            problems.append(f"{where} {output.name!r} on channel {declared[output.name]}: change either, or its name")
    return problems
