"""A copy of a protocol with other thresholds; all else, comments too, stays as the author wrote it."""

import os
from collections.abc import Mapping
from pathlib import Path

import tomlkit
from tomlkit.items import Table

from offline.calibration.counting import Candidate
from online.files.whole_file import whole_file
from protocols.parse import parse_protocol
from protocols.trial import EvidenceRequest

PATHS = ("source", "match", "file")
"""Keys of a rule that hold a path, relative to the protocol's folder."""


def with_thresholds(
    text: str, chosen: Mapping[str, tuple[Candidate, EvidenceRequest]], warnings: Mapping[str, str]
) -> str:
    """The protocol's text with new evidence, thresholds and dwell in the rules named; `warnings` of a rule stand beside
    its threshold."""
    document = tomlkit.parse(text)
    for table in document["rules"]:
        if isinstance(table, Table) and str(table["name"]) in chosen:
            candidate, kind = chosen[str(table["name"])]
            _set(table, candidate, kind)
            if str(table["name"]) in warnings:
                table["enter"].comment(warnings[str(table["name"])])
    return tomlkit.dumps(document)


def _set(table: Table, candidate: Candidate, kind: EvidenceRequest) -> None:
    table["enter"] = round(candidate.enter, 4)
    table["exit"] = round(candidate.exit, 4)
    table["dwell_ms"] = candidate.dwell_ms
    table["evidence"] = kind.kind
    if kind.kind == "filtered":
        table.pop("evidence_ms", None)
    else:
        table["evidence_ms"] = kind.time_ms


def at_home_in(text: str, old: Path, new: Path) -> str:
    """The protocol's text for another folder: its relative paths lead from there to the same files."""
    document = tomlkit.parse(text)
    for table in document.get("rules", ()):
        for key in PATHS:
            if key in table:
                table[key] = _moved(str(table[key]), old, new)
    assignment = document.get("assignment")
    if assignment is not None and "sealed" in assignment:
        assignment["sealed"] = _moved(str(assignment["sealed"]), old, new)
    return tomlkit.dumps(document)


def _moved(path: str, old: Path, new: Path) -> str:
    return path if Path(path).is_absolute() else Path(os.path.relpath(old.resolve() / path, new.resolve())).as_posix()


def write_copy(
    path: Path, chosen: Mapping[str, tuple[Candidate, EvidenceRequest]], warnings: Mapping[str, str], out: Path
) -> None:
    """Write the copy, after checking that it is a protocol."""
    text = at_home_in(with_thresholds(path.read_text(), chosen, warnings), path.parent, out.parent)
    parse_protocol(text, str(out))
    with whole_file(out) as temporary:
        temporary.write_text(text)
