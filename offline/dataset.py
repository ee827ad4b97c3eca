"""The sessions to learn from, out of any mix of files.

- `pca_scores.h5`: scores as they stand, with the subject of their metadata;
- `moseq2-index.yaml`: the sessions it lists, in the groups it gives, out of the scores its `pca_path` names (or, where
  that file is absent, out of their results);
- `results_00.h5`: crops, scored with the components of `pca.h5`;
- an Etholoop session (folder or `session.h5`): the scores that were decoded live, on the camera's grid; refused when
  they come from other components than `pca.h5`.

A file that cannot be used is reported and left out; the rest goes on.
"""

import math
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import yaml

from offline.pca.components import read_components
from offline.pca.scoring import score_session, scorer
from offline.results import open_results
from offline.scores import ScoredSession, read_frame_rate, read_scores
from online.errors import ConfigError, EtholoopError, FileFormatError
from online.files.bundle import load_bundle
from online.files.session_file import SessionReader
from online.model import Projection

INDEX_SUFFIXES = (".yaml", ".yml")
NO_GROUP = "default"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which sessions are wanted: the first `num_components` scores (None: all) of those in `groups` and of `subjects`
    (empty: any); `share` of them, drawn by `seed`. `pca` gives components for sessions that have no scores yet."""

    num_components: int | None = None
    pca: Path | None = None
    groups: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    share: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class DataSet:
    """sessions in order of uuid, what is wrong with the files left out, and the frame rates that files state, in Hz."""

    sessions: list[ScoredSession]
    complaints: list[str]
    rates_hz: list[float]


@dataclass(frozen=True, slots=True)
class _Part:
    sessions: list[ScoredSession]
    rate_hz: float | None


def open_dataset(paths: Iterable[Path], selection: Selection) -> DataSet:
    """Read and select sessions.

    Raises
    ------
    EtholoopError
        if no file could be used, two files hold different scores of one session, or none is selected.
    """
    parts: list[_Part] = []
    complaints: list[str] = []
    groups: dict[str, str] = {}
    for path in paths:
        try:
            if path.suffix in INDEX_SUFFIXES:
                found, errors, listed = _of_index(path, selection)
                parts += found
                complaints += errors
                groups |= listed
            else:
                parts.append(_open(path, selection))
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


def hold_out(
    sessions: list[ScoredSession], share: float, seed: int, by: Literal["session", "subject"] = "session"
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


def _open(path: Path, selection: Selection) -> _Part:
    if path.is_dir() and not (path / "session.h5").exists() and (path / "proc" / "results_00.h5").exists():
        path = path / "proc" / "results_00.h5"
    return _READERS[_kind(path)](path, selection)


def _kind(path: Path) -> str:
    if path.is_dir() or path.name == "session.h5":
        return "session"
    try:
        with h5py.File(path) as file:
            if isinstance(file.get("scores"), h5py.Group):
                return "scores"
            if isinstance(file.get("frames"), h5py.Dataset):
                return "results"
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read as HDF5 ({error})") from error
    raise FileFormatError(
        f"{path}: no scores in this file, nor crops; give pca_scores.h5, results_00.h5, moseq2-index.yaml or a session"
    )


def _of_scores(path: Path, selection: Selection) -> _Part:
    return _Part(read_scores(path, selection.num_components), read_frame_rate(path))


def _of_results(path: Path, selection: Selection) -> _Part:
    if selection.pca is None:
        raise FileFormatError(f"{path}: crops without scores; give --pca pca.h5, or score them with 'etholoop pca'")
    if selection.num_components is None:
        raise ConfigError(f"{path}: say how many components are wanted (--pcs)")
    session = open_results(path)
    extraction, components = read_components(selection.pca, selection.num_components)
    if session.crop_size_px != extraction.crop_size_px:
        raise FileFormatError(
            f"{path}: crops of {session.crop_size_px} px, {selection.pca} was learned on {extraction.crop_size_px} px"
        )
    scores, numbers = score_session(session, scorer(components, extraction))
    with h5py.File(path) as file:
        subject = _text(file, "metadata/acquisition/SubjectName")
    rate = session.frame_rate_hz
    rounded = round(rate) if abs(rate - round(rate)) < 0.2 else rate
    return _Part(
        [ScoredSession(session.uuid, scores.astype(np.float64), path, NO_GROUP, subject, numbers)], float(rounded)
    )


def _of_session(path: Path, selection: Selection) -> _Part:
    """The live scores of every phase's first model: one row for each frame of the model's rate."""
    with SessionReader(path) as session:
        rows, stored = session.table("syllables/rows"), session.array("syllables/scores")
        attributes = session.attributes
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "session.model.h5"
            model.write_bytes(session.configuration("model"))
            bundle = load_bundle(model)
        count = min(len(rows), 0 if stored is None else len(stored))
        if stored is None or count == 0:
            raise FileFormatError(f"{path}: the session holds no scores; extract its frames with 'etholoop extract'")
        scores, slots = stored[:count].astype(np.float64), rows["frame_index"][:count]
        header = session.table("frames/header")
    wanted = selection.num_components or bundle.arhmm.num_dims
    if bundle.arhmm.num_dims < wanted:
        raise FileFormatError(f"{path}: its model has {bundle.arhmm.num_dims} components, {wanted} are needed (--pcs)")
    if selection.pca is not None and bundle.projection is not None:
        _require_same_components(path, bundle.projection, selection.pca, wanted)
    grid = np.full((int(slots[-1] - slots[0]) + 1, wanted), np.nan)
    grid[slots - slots[0]] = scores[:, :wanted]
    phases = max(1, round(_camera_rate_hz(header) / bundle.frame_rate_hz))
    uuid, subject = str(attributes["session"]), str(attributes.get("subject", ""))
    return _Part([ScoredSession(uuid, grid[::phases], path, NO_GROUP, subject)], bundle.frame_rate_hz)


def _camera_rate_hz(header: Any) -> float:
    """Frames a second, from the times and places of the first and last frame."""
    if len(header) < 2:
        return math.nan
    elapsed_ns = int(header["capture_time_ns"][-1]) - int(header["capture_time_ns"][0])
    return 1e9 * float(header["frame_index"][-1] - header["frame_index"][0]) / max(elapsed_ns, 1)


def _require_same_components(path: Path, theirs: Projection, pca: Path, num_components: int) -> None:
    ours = read_components(pca, num_components)[1]
    if ours.components.shape[1] != theirs.components.shape[1] or not np.allclose(
        ours.components, theirs.components[:num_components], atol=1e-5
    ):
        raise FileFormatError(
            f"{path}: its scores come from other components than {pca}; extract the session and give its results_00.h5"
        )


def _of_index(path: Path, selection: Selection) -> tuple[list[_Part], list[str], dict[str, str]]:
    """Parts, complaints and the group of each listed uuid."""
    try:
        index = yaml.safe_load(path.read_text())
        entries = {str(entry["uuid"]): entry for entry in index["files"]}
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path}: no moseq2-index.yaml: it lists no 'files' with a 'uuid' ({error!r})") from error
    groups = {uuid: str(entry.get("group", NO_GROUP)) for uuid, entry in entries.items()}
    scores = path.parent / str(index.get("pca_path", ""))
    parts: list[_Part] = []
    complaints: list[str] = []
    left = dict(entries)
    if index.get("pca_path") and scores.is_file():
        whole = _of_scores(scores, selection)
        listed = [_described(s, entries[s.uuid]) for s in whole.sessions if s.uuid in entries]
        parts.append(_Part(listed, whole.rate_hz))
        left = {uuid: entry for uuid, entry in entries.items() if uuid not in {s.uuid for s in listed}}
    for uuid, entry in left.items():
        try:
            part = _of_results(_results_of(path, uuid, entry), selection)
            parts.append(_Part([_described(s, entry) for s in part.sessions], part.rate_hz))
        except FileFormatError as error:
            complaints.append(f"{path}: session {uuid}: {error}")
    return parts, complaints, groups


def _results_of(index: Path, uuid: str, entry: Mapping[str, Any]) -> Path:
    listed = entry.get("path", [])
    for name in [listed] if isinstance(listed, str) else listed:
        if str(name).endswith(".h5"):
            found = index.parent / str(name)
            if not found.is_file():
                raise FileFormatError(f"{found} does not exist")
            return found
    raise FileFormatError(f"no results file is listed for {uuid}")


def _described(session: ScoredSession, entry: Mapping[str, Any]) -> ScoredSession:
    metadata = entry.get("metadata") or {}
    return replace(
        session,
        group=str(entry.get("group", NO_GROUP)),
        subject=str(metadata.get("SubjectName") or session.subject),
    )


def _text(file: h5py.File, name: str) -> str:
    data = file.get(name)
    if not isinstance(data, h5py.Dataset) or h5py.check_string_dtype(data.dtype) is None or data.shape is None:
        return ""
    value = data.asstr()[()]
    return value if isinstance(value, str) else str(next(iter(np.ravel(value)), ""))


_READERS: dict[str, Callable[[Path, Selection], _Part]] = {
    "scores": _of_scores,
    "results": _of_results,
    "session": _of_session,
}
