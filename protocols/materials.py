"""What a protocol refers to outside its own file, gathered by the shell before the session and recorded with it.

Paths are as written in the protocol, relative to its file.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol as Interface
from typing import TypeVar

from online.errors import EtholoopError, FileFormatError
from protocols.rule_schema import OwnRule, RandomRule, YokedRule
from protocols.schema import Protocol

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Materials:
    """pulse_times_ms: times of the pulses of a session since its beginning, by path; sources: text of Python files, by
    path; arm: of this subject, None where the protocol has no arms."""

    pulse_times_ms: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    arm: str | None = None


NO_MATERIALS = Materials()


class Reader(Interface):
    """Reads what a protocol names; raises EtholoopError with the path when it cannot."""

    def pulse_times_ms(self, path: str) -> tuple[float, ...]:
        """Times of the pulses of a session."""

    def source(self, path: str) -> str:
        """Text of a Python file."""

    def arm(self, path: str, subject: str) -> str | None:
        """Arm of a subject in a sealed assignment, None when it is not there."""


def gather(protocol: Protocol, reader: Reader, subject: str) -> Materials:
    """Everything that the protocol refers to, for one subject.

    Raises
    ------
    FileFormatError
        with everything that cannot be read.
    """
    materials, problems = gather_all(protocol, reader, subject)
    if problems:
        raise FileFormatError("\n".join(problems))
    return materials


def gather_all(protocol: Protocol, reader: Reader, subject: str | None) -> tuple[Materials, list[str]]:
    """What can be read of what the protocol refers to, and a line for each thing that cannot; no subject, no arm."""
    times = [rule.source for rule in protocol.rules if isinstance(rule, YokedRule)]
    times += [rule.match for rule in protocol.rules if isinstance(rule, RandomRule) and rule.match is not None]
    sources = [rule.file for rule in protocol.rules if isinstance(rule, OwnRule)]
    problems: list[str] = []
    assignment, arm = protocol.assignment, None
    if assignment is not None and assignment.sealed is not None:
        who, sealed = subject or "", assignment.sealed
        arm = _readable([sealed], lambda path: reader.arm(path, who), problems).get(sealed)
    elif assignment is not None and assignment.subjects is not None and subject is not None:
        arm = assignment.subjects.get(subject)
    found = Materials(
        pulse_times_ms=_readable(times, reader.pulse_times_ms, problems),
        sources=_readable(sources, reader.source, problems),
        arm=arm if subject is not None else None,
    )
    return found, problems


def _readable(paths: Sequence[str], read: Callable[[str], T], problems: list[str]) -> dict[str, T]:
    found = {}
    for path in dict.fromkeys(paths):
        try:
            found[path] = read(path)
        except EtholoopError as error:
            problems.append(str(error))
    return found


def missing(protocol: Protocol, materials: Materials) -> list[str]:
    """A line for each thing that the protocol needs and that was not gathered."""
    lines = []
    for rule in protocol.rules:
        times = rule.source if isinstance(rule, YokedRule) else rule.match if isinstance(rule, RandomRule) else None
        if times is not None and times not in materials.pulse_times_ms:
            lines.append(f"the pulse times of '{times}' were not read")
        if isinstance(rule, OwnRule) and rule.file not in materials.sources:
            lines.append(f"the Python file '{rule.file}' was not read")
    return list(dict.fromkeys(lines))


def to_json(materials: Materials) -> str:
    """For the record: all but the arm, which a record may hold only sealed."""
    return json.dumps({"pulse_times_ms": materials.pulse_times_ms, "sources": materials.sources})


def from_json(text: str, arm: str | None) -> Materials:
    """What `to_json` wrote."""
    fields = json.loads(text)
    times = {path: tuple(map(float, values)) for path, values in fields["pulse_times_ms"].items()}
    return Materials(times, dict(fields["sources"]), arm)
