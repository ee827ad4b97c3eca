"""From the text of a protocol file to a `Protocol`, or to one error that lists everything wrong with it."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from online.errors import ConfigError
from protocols.crosscheck import Parts, cross_check
from protocols.explain import explain
from protocols.rule_schema import RULE_KINDS
from protocols.schema import (
    Arena,
    Arm,
    Assignment,
    Block,
    Limits,
    Output,
    Place,
    Protocol,
    Session,
    SyncOutput,
    Timing,
)
from protocols.schema_types import Table
from protocols.targets import nearest

T = TypeVar("T", bound=Table)
TABLES: Mapping[str, type[Table]] = {
    "session": Session,
    "assignment": Assignment,
    "arena": Arena,
    "limits": Limits,
    "timing": Timing,
}


def _rule_kind(table: Mapping[str, Any]) -> type[Table]:
    kind = table.get("kind", "syllable")
    return RULE_KINDS[kind] if isinstance(kind, str) and kind in RULE_KINDS else UnknownRule


def _output_kind(table: Mapping[str, Any]) -> type[Table]:
    return SyncOutput if "sync" in table else Output


class UnknownRule(Table):
    """Stands for a rule whose kind is none, so that the one thing said of it is that."""


LISTS: Mapping[str, Callable[[Mapping[str, Any]], type[Table]]] = {
    "blocks": lambda _: Block,
    "rules": _rule_kind,
    "outputs": _output_kind,
    "arms": lambda _: Arm,
    "places": lambda _: Place,
}
REQUIRED = ("session", "outputs", "limits")


def parse_protocol(text: str, source: str) -> Protocol:
    """Read a protocol file.

    Parameters
    ----------
    source
        the file's name, for messages.

    Raises
    ------
    ConfigError
        listing every problem: key, value, what is allowed.
    """
    parts, problems = read_parts(text, source)
    if problems:
        raise ConfigError(listed(source, problems))
    return parts.protocol()


def listed(source: str, problems: Sequence[str]) -> str:
    """A message that lists problems of a file."""
    noun = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    return f"{source}: {noun}\n" + "\n".join(f"  {line}" for line in problems)


def read_parts(text: str, source: str) -> tuple[Parts, list[str]]:
    """What can be read of a protocol file, and everything that is wrong with the file in itself.

    Raises
    ------
    ConfigError
        if it is not TOML, where nothing can be read.
    """
    try:
        raw = tomllib.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source}: not a TOML file: {error}{_line_at(text, str(error))}") from error
    problems: list[str] = []
    parts = _read_parts(raw, problems)
    return parts, problems + cross_check(parts)


def _line_at(text: str, message: str) -> str:
    """The line that an error of the TOML reader is about."""
    found = re.search(r"at line (\d+)", message)
    lines = text.splitlines()
    if found is None or not 0 < int(found[1]) <= len(lines):
        return ""
    line = lines[int(found[1]) - 1].strip()
    comma = "; a decimal point is a dot" if re.search(r"=\s*\d+,\d", line) else ""
    return f"\n  {line}{comma}"


def _read_parts(raw: Mapping[str, Any], problems: list[str]) -> Parts:
    known = (*TABLES, *LISTS)
    problems += [f"[{key}]: unknown table; {nearest(key, known)}" for key in raw if key not in known]
    problems += [f"[{key}] is missing: every protocol needs it" for key in REQUIRED if key not in raw]
    tables = {key: _one(raw, key, problems) for key in TABLES}
    lists = {key: _many(raw, key, problems) for key in LISTS}
    return Parts(
        tables={key: table for key, table in tables.items() if table is not None},
        lists=lists,
        written={key: _written_names(raw.get(key)) for key in LISTS}
        | {"assignment": ("assignment",) if "assignment" in raw else ()},
        whole=frozenset(key for key, found in lists.items() if len(found) == _number_of(raw.get(key, []))),
    )


def _number_of(tables: object) -> int:
    return len(tables) if isinstance(tables, list) else -1


def _one(raw: Mapping[str, Any], key: str, problems: list[str]) -> Table | None:
    if key not in raw:
        return None
    if not isinstance(raw[key], dict):
        problems.append(f"[{key}] must be written as one table, [{key}]")
        return None
    return _read(TABLES[key], raw[key], f"[{key}]", problems)


def _many(raw: Mapping[str, Any], key: str, problems: list[str]) -> tuple[Table, ...]:
    tables = raw.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        problems.append(f"[{key}] must be written as a list of tables, [[{key}]]")
        return ()
    if key in raw and not tables:
        problems.append(f"[[{key}]]: at least one is needed")
    read = []
    for index, table in enumerate(tables):
        where, kind = _place(key, index, table), LISTS[key](table)
        if kind is UnknownRule:
            problems.append(f"{where}, key 'kind' = {table['kind']!r}: {nearest(str(table['kind']), RULE_KINDS)}")
        else:
            read.append(_read(kind, table, where, problems))
    return tuple(table for table in read if table is not None)


def _written_names(tables: object) -> tuple[str, ...]:
    """Names as written, also of tables that are otherwise wrong, so that one mistake gives one message."""
    tables = [tables] if isinstance(tables, dict) else tables
    if not isinstance(tables, list):
        return ()
    return tuple(t["name"] for t in tables if isinstance(t, dict) and isinstance(t.get("name"), str))


def _causes(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without lists that are too short because their entries were refused."""
    places = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if error["type"] != "too_short"
        or not any(p != error["loc"] and p[: len(error["loc"])] == error["loc"] for p in places)
    ]


def _place(key: str, index: int, table: Mapping[str, Any]) -> str:
    name = table.get("name")
    return f'[[{key}]] "{name}"' if isinstance(name, str) else f"[[{key}]] number {index + 1}"


def _read(kind: type[T], table: Mapping[str, Any], where: str, problems: list[str]) -> T | None:
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        lines = [f"{where}, {explain(detail, kind)}" for detail in _causes(error.errors())]
        problems += dict.fromkeys(lines)
        return None
