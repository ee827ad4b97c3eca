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
from offline.pca.components import component_keys
from offline.scores import ScoredSession, read_frame_rate, read_scores
from online.errors import ConfigError, EtholoopError, FileFormatError
from online.model import ModelBundle, Projection


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


def common_rate_hz(found: DataSet) -> float | None:
    """The frame rate that the files state, None where none does.

    Raises
    ------
    ConfigError
        if they state several, or one that cannot be.
    """
    rates = found.rates_hz
    if not all(1 <= rate <= 1000 for rate in rates):
        raise ConfigError(f"the scores say that they were recorded at {rates[0]:g} Hz: make them again")
    if rates and rates[-1] / rates[0] > 1.01:
        raise ConfigError(f"the scores were recorded at different frame rates ({rates} Hz): take them apart")
    return rates[0] if rates else None


def require_components(sessions: Sequence[ScoredSession], components: Projection, source: Path) -> list[str]:
    """Uuids of the sessions that do not say which components their scores come from.

    Raises
    ------
    ConfigError
        if one says that they come from others than these, of `source`.
    """
    ours = component_keys(components)
    for session in sessions:
        if session.component_keys is not None and session.component_keys[: len(ours)] != ours:
            raise ConfigError(
                f"the scores of {session.uuid} in {session.source} come from other components than those of {source}: "
                "score the session again with these, or give those that it was scored with"
            )
    return [s.uuid for s in sessions if s.component_keys is None]


def require_model(found: DataSet, bundle: ModelBundle, source: Path) -> None:
    """Raise a ConfigError where the scores are of another frame rate, or of other components, than the model's."""
    rate = common_rate_hz(found)
    if rate is not None and abs(rate / bundle.frame_rate_hz - 1) > 0.03:
        raise ConfigError(
            f"{source} is a model of {bundle.frame_rate_hz:g} frames a second, the scores have {rate:g}: its syllables "
            "are not to be found in them"
        )
    if bundle.projection is not None:
        require_components(found.sessions, bundle.projection, source)


def scores_for(path: Path, bundle: ModelBundle, source: Path) -> list[ScoredSession]:
    """The sessions of a `pca_scores.h5` that the model of `source` is to decode; raises as `require_model` does."""
    rate = read_frame_rate(path)
    sessions = read_scores(path, bundle.arhmm.num_dims)
    require_model(DataSet(sessions, [], [] if rate is None else [rate]), bundle, source)
    return sessions


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
