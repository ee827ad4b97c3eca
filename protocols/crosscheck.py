"""What one table of a protocol says about another, and one key about another: names, order, trains against limits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

from protocols.build import train_of
from protocols.limits import shape_refusal
from protocols.rule_crosscheck import rule_problems
from protocols.rule_schema import RuleBase
from protocols.schema import Arena, Arm, Assignment, Block, Limits, Output, Place, Protocol, Session, Shape, SyncOutput
from protocols.schema_types import Table
from protocols.seal import ALIKE, looks
from protocols.targets import nearest

T = TypeVar("T", bound=Table)


@dataclass(frozen=True, slots=True)
class Parts:
    """The tables of a file that could be read; `written` holds the names in the file, readable or not;
    that of "assignment" is the table's own. `whole`: the lists of which every table could be read."""

    tables: Mapping[str, Table]
    lists: Mapping[str, tuple[Table, ...]]
    written: Mapping[str, tuple[str, ...]]
    whole: frozenset[str]

    def table(self, key: str, kind: type[T]) -> T | None:
        """A table, if it is there."""
        found = self.tables.get(key)
        return found if isinstance(found, kind) else None

    def all(self, key: str, kind: type[T]) -> tuple[T, ...]:
        """The tables of a list that are of one kind."""
        return tuple(table for table in self.lists[key] if isinstance(table, kind))

    def protocol(self, rules: tuple[RuleBase, ...] | None = None) -> Protocol:
        """All of it, once nothing is wrong; or with some of its rules."""
        fields: dict[str, Any] = {**self.tables, **self.lists}
        return Protocol(**fields if rules is None else {**fields, "rules": rules})


def cross_check(parts: Parts) -> list[str]:
    """Problems between tables, one line each."""
    problems = [
        f"[[{key}]] \"{name}\", key 'name': used {names.count(name)} times; names must differ"
        for key, names in parts.written.items()
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    problems += _references(parts) + _blocks(parts) + _shapes(parts) + _arms(parts)
    problems += _shown_twice(parts)
    for rule in parts.all("rules", RuleBase):
        lines = rule_problems(rule, parts.written["places"], parts.table("arena", Arena))
        problems += [f'[[rules]] "{rule.name}", {line}' for line in lines]
    for output in parts.all("outputs", Output):
        lines = _train(output, parts.table("limits", Limits))
        problems += [f'[[outputs]] "{output.name}", {line}' for line in lines]
    if len(parts.all("outputs", SyncOutput)) > 1:
        problems.append("[[outputs]]: only one of them can be the sync line")
    return problems


def _references(parts: Parts) -> list[str]:
    sync = {output.name for output in parts.all("outputs", SyncOutput)}
    outputs, rules = [name for name in parts.written["outputs"] if name not in sync], parts.written["rules"]
    problems = [
        f"[[rules]] \"{rule.name}\", key 'output' = '{rule.output}': no such train; {nearest(rule.output, outputs)}"
        for rule in parts.all("rules", RuleBase)
        if rule.output not in outputs
    ]
    lists: Iterable[tuple[str, Block | Arm]] = [
        *(("blocks", block) for block in parts.all("blocks", Block)),
        *(("arms", arm) for arm in parts.all("arms", Arm)),
    ]
    problems += [
        f"[[{key}]] \"{table.name}\", key 'rules' = '{name}': no such rule; {nearest(name, rules)}"
        for key, table in lists
        for name in table.rules
        if name not in rules
    ]
    return problems + [
        f"[[{key}]] \"{table.name}\", key 'rules': '{name}' stands there more than once"
        for key, table in lists
        for name in sorted(set(table.rules))
        if table.rules.count(name) > 1
    ]


def _blocks(parts: Parts) -> list[str]:
    session, blocks, written = parts.table("session", Session), parts.all("blocks", Block), parts.written["blocks"]
    if session is None:
        return []
    if not blocks and not written and session.duration_ms is None:
        return ["[session], key 'duration_ms' is missing: it is needed where the file has no [[blocks]]"]
    total_ms = sum(block.duration_ms for block in blocks)
    if session.duration_ms is not None and len(blocks) == len(written) > 0 and total_ms != session.duration_ms:
        return [
            f"[session], key 'duration_ms' = {session.duration_ms:.10g}: the blocks last {total_ms:.10g} together; "
            "make them equal, or leave it out"
        ]
    return []


def _shapes(parts: Parts) -> list[str]:
    shapes: list[tuple[str, Shape]] = [(f'[[places]] "{place.name}"', place) for place in parts.all("places", Place)]
    arena = parts.table("arena", Arena)
    if arena is not None:
        shapes.append(("[arena]", arena))
    lines = [
        f"{where}: needs either 'circle' or 'polygon'"
        for where, shape in shapes
        if (shape.circle is None) == (shape.polygon is None)
    ]
    return lines + [
        f"{where}, key 'polygon': its corners lie on one line, so nothing is inside"
        for where, shape in shapes
        if shape.polygon is not None and not _has_area(shape.polygon)
    ]


def _has_area(corners: Sequence[tuple[float, float]]) -> bool:
    return any(
        (bx - ax) * (cy - ay) != (by - ay) * (cx - ax) for (ax, ay), (bx, by), (cx, cy) in combinations(corners, 3)
    )


def _arms(parts: Parts) -> list[str]:
    arms, assignment = parts.written["arms"], parts.table("assignment", Assignment)
    if assignment is None:
        if not arms or parts.written["assignment"]:
            return []
        return ["[assignment] is missing: [[arms]] need to know which subject is in which"]
    if not arms:
        return ["[assignment]: there are no [[arms]] to assign subjects to"]
    if (assignment.sealed is None) == (assignment.subjects is None):
        return ["[assignment]: needs either 'sealed' or 'subjects'"]
    if assignment.sealed is not None and {"arms", "rules"} <= parts.whole:
        shown = looks(parts.all("arms", Arm), parts.all("rules", RuleBase))
        if len(shown) > 1:
            return [f"[assignment], key 'sealed': {ALIKE}"]
    return [
        f"[assignment], key 'subjects.{subject}' = '{arm}': no such arm; {nearest(arm, arms)}"
        for subject, arm in (assignment.subjects or {}).items()
        if arm not in arms
    ]


def _shown_twice(parts: Parts) -> list[str]:
    """Rules of one subject that screen and record could not tell apart."""
    arms = {rule.name: {arm.name for arm in parts.all("arms", Arm) if rule.name in arm.rules} for rule in _rules(parts)}
    return [
        f"[[rules]] \"{second.name}\", key 'alias': '{second.shown_name}' is what \"{first.name}\" is shown as too; "
        "only rules of different arms may share it"
        for first, second in combinations(_rules(parts), 2)
        if first.shown_name == second.shown_name and first.name != second.name
        if not (arms[first.name] and arms[second.name] and not arms[first.name] & arms[second.name])
    ]


def _rules(parts: Parts) -> tuple[RuleBase, ...]:
    return parts.all("rules", RuleBase)


def _train(output: Output, limits: Limits | None) -> list[str]:
    if output.count > 1 and output.period_ms is None:
        return [f"key 'period_ms' is missing: 'count' = {output.count} needs it"]
    if output.period_ms is not None and output.period_ms < output.width_ms:
        return [f"key 'period_ms' = {output.period_ms:.10g}: must be at least 'width_ms' = {output.width_ms:.10g}"]
    if limits is None:
        return []
    broken = shape_refusal(train_of(output), limits).removeprefix("limit ")
    if not broken:
        return []
    allowed = getattr(limits, broken)
    return [
        f"its train alone breaks [limits], key '{broken}' = {allowed:.10g}: make the train smaller or the limit wider"
    ]
