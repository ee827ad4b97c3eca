"""The sessions to learn from, out of any mix of files: chosen by group and subject, and some of them held out.

A file that cannot be used is reported and left out; the rest goes on.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import h5py
import numpy as np

from offline.dataset_files import INDEX_SUFFIXES, Part, Selection, open_part, parts_of_index
from offline.scores import ScoredSession
from online.errors import ConfigError, EtholoopError, FileFormatError


@dataclass(frozen=True, slots=True)
class DataSet:
    """sessions in order of uuid, what is wrong with the files left out, and the frame rates that files state, in Hz."""

    sessions: list[ScoredSession]
    complaints: list[str]
    rates_hz: list[float]


def open_dataset(paths: Iterable[Path], selection: Selection) -> DataSet:
    """Read and select sessions.

    Raises
    ------
    EtholoopError
        if no file could be used, two files hold different scores of one session, or none is selected.
    """
    parts: list[Part] = []
    complaints: list[str] = []
    groups: dict[str, str] = {}
    for path in paths:
        try:
            if path.suffix in INDEX_SUFFIXES:
                found, errors, listed = parts_of_index(path, selection)
                parts += found
                complaints += errors
                groups |= listed
            else:
                parts.append(open_part(path, selection))
        except FileFormatError as error:
            complaints.append(str(error))
    sessions = _distinct([session for part in parts for session in part.sessions])
    if not sessions:
        raise FileFormatError("no usable scores: " + "; ".join(complaints))
    grouped = [replace(s, group=groups.get(s.uuid, s.group)) for s in sessions]
    rates = sorted({part.rate_hz for part in parts if part.rate_hz is not None})
    return DataSet(select(grouped, selection), complaints, rates)


def available_components(paths: Iterable[Path], wanted: int) -> int:
    """`wanted`, or the number of components in the scores file that has fewest."""
    for path in paths:
        if path.is_file() and path.suffix == ".h5":
            with suppress(OSError), h5py.File(path) as file:
                group = file.get("scores")
                for data in group.values() if isinstance(group, h5py.Group) else ():
                    if isinstance(data, h5py.Dataset) and data.ndim == 2:
                        wanted = min(wanted, data.shape[1])
    return wanted


def select(sessions: list[ScoredSession], selection: Selection) -> list[ScoredSession]:
    """Sessions of the wanted groups and subjects, then a share of them, the same for the same seed.

    Raises
    ------
    ConfigError
        if none is left; the message lists what there is.
    """
    wanted = [
        s
        for s in sessions
        if (not selection.groups or s.group in selection.groups)
        and (not selection.subjects or s.subject in selection.subjects)
    ]
    if not wanted:
        raise ConfigError(
            f"no session is in groups {list(selection.groups)} and of subjects {list(selection.subjects)}: there are "
            f"groups {sorted({s.group for s in sessions})} and subjects {sorted({s.subject for s in sessions})}"
        )
    if selection.share < 1.0:
        count = max(1, round(selection.share * len(wanted)))
        order = np.random.default_rng((selection.seed, 1)).permutation(len(wanted))
        wanted = [wanted[i] for i in sorted(order[:count])]
    return wanted


class OfSubject(Protocol):
    """A session that can be held out."""

    @property
    def uuid(self) -> str:
        """Its name."""

    @property
    def subject(self) -> str:
        """Whose it is; empty where unknown."""


def hold_out(
    sessions: Sequence[OfSubject], share: float, seed: int, by: Literal["session", "subject"] = "session"
) -> list[str]:
    """Uuids of about `share` of the sessions (or of all sessions of about `share` of the subjects).

    At least one unit is held out when there are two or more and `share` is positive, and at least one is left.
    """
    unit_of = {s.uuid: s.subject or s.uuid if by == "subject" else s.uuid for s in sessions}
    units = sorted(set(unit_of.values()))
    if share <= 0 or len(units) < 2:
        return []
    count = min(max(1, round(share * len(units))), len(units) - 1)
    drawn = {units[i] for i in np.random.default_rng((seed, len(units))).permutation(len(units))[:count]}
    return sorted(uuid for uuid, unit in unit_of.items() if unit in drawn)


def _distinct(sessions: list[ScoredSession]) -> list[ScoredSession]:
    seen: dict[str, ScoredSession] = {}
    for session in sessions:
        if session.uuid in seen and seen[session.uuid].source != session.source:
            raise EtholoopError(
                f"session {session.uuid} is in {seen[session.uuid].source} and in {session.source}: give one"
            )
        seen[session.uuid] = session
    return [seen[uuid] for uuid in sorted(seen)]
