"""The scores of one file of any kind, or of the sessions that an index lists.

- `pca_scores.h5`: scores as they stand, with the subject of their metadata;
- `moseq2-index.yaml`: the sessions it lists, in the groups it gives, out of the scores its `pca_path` names (or, where
  that file is absent, out of their results);
- `results_00.h5`: crops, scored with the components of `pca.h5`;
- an Etholoop session (folder or `session.h5`): the scores that were decoded live, on the camera's grid; refused when
  they come from other components than `pca.h5`.
"""

import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

from offline.pca.components import component_keys, read_components
from offline.pca.scoring import score_session, scorer
from offline.results import extraction_difference, open_results
from offline.scores import ScoredSession, read_frame_rate, read_scores
from online.errors import ConfigError, FileFormatError
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
class Part:
    sessions: list[ScoredSession]
    rate_hz: float | None


def open_part(path: Path, selection: Selection) -> Part:
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


def _of_scores(path: Path, selection: Selection) -> Part:
    return Part(read_scores(path, selection.num_components), read_frame_rate(path))


def _of_results(path: Path, selection: Selection) -> Part:
    if selection.pca is None:
        raise FileFormatError(f"{path}: crops without scores; give --pca pca.h5, or score them with 'etholoop pca'")
    if selection.num_components is None:
        raise ConfigError(f"{path}: say how many components are wanted (--pcs)")
    session = open_results(path)
    extraction, components = read_components(selection.pca, selection.num_components)
    difference = extraction_difference(session.extraction, extraction)
    if difference is not None:
        raise FileFormatError(f"{path} and the sessions of {selection.pca} differ in {difference}: extract them alike")
    scores, numbers = score_session(session, scorer(components, extraction))
    rate = session.frame_rate_hz
    rounded = round(rate) if abs(rate - round(rate)) < 0.2 else rate
    keys = component_keys(components)
    scored = ScoredSession(session.uuid, scores.astype(np.float64), path, NO_GROUP, session.subject, numbers)
    return Part([replace(scored, component_keys=keys)], float(rounded))


def _of_session(path: Path, selection: Selection) -> Part:
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
    keys = None if bundle.projection is None else component_keys(bundle.projection)
    return Part(
        [ScoredSession(uuid, grid[::phases], path, NO_GROUP, subject, component_keys=keys)], bundle.frame_rate_hz
    )


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


def parts_of_index(path: Path, selection: Selection) -> tuple[list[Part], list[str], dict[str, str]]:
    """Parts, complaints and the group of each listed uuid."""
    index, entries = _read_index(path)
    groups = {uuid: _group(entry) for uuid, entry in entries.items()}
    scores = path.parent / str(index.get("pca_path", ""))
    parts: list[Part] = []
    complaints: list[str] = []
    left = dict(entries)
    if index.get("pca_path") and scores.is_file():
        whole = _of_scores(scores, selection)
        listed = [_described(s, entries[s.uuid]) for s in whole.sessions if s.uuid in entries]
        parts.append(Part(listed, whole.rate_hz))
        left = {uuid: entry for uuid, entry in entries.items() if uuid not in {s.uuid for s in listed}}
    for uuid, entry in left.items():
        try:
            part = _of_results(_results_of(path, uuid, entry), selection)
            parts.append(Part([_described(s, entry) for s in part.sessions], part.rate_hz))
        except FileFormatError as error:
            complaints.append(f"{path}: session {uuid}: {error}")
    return parts, complaints, groups


def _read_index(path: Path) -> tuple[Mapping[str, Any], dict[str, Mapping[str, Any]]]:
    """The index, and its entries by uuid."""
    try:
        index = yaml.safe_load(path.read_text())
        listed = [(str(entry["uuid"]), entry) for entry in index["files"]]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path}: no moseq2-index.yaml: it lists no 'files' with a 'uuid' ({error!r})") from error
    if not listed:
        raise FileFormatError(f"{path}: its 'files' lists no session")
    entries = dict(listed)
    for uuid, entry in listed:
        if entries[uuid] is not entry:
            raise FileFormatError(f"{path}: uuid {uuid} is listed twice: keep one entry")
        if not isinstance(entry.get("metadata") or {}, Mapping):
            raise FileFormatError(f"{path}: session {uuid}: its 'metadata' is no table of names and values")
    return index, entries


def _group(entry: Mapping[str, Any]) -> str:
    named = entry.get("group")
    return NO_GROUP if named is None else str(named)


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
        group=_group(entry),
        subject=str(metadata.get("SubjectName") or session.subject),
    )


_READERS: dict[str, Callable[[Path, Selection], Part]] = {
    "scores": _of_scores,
    "results": _of_results,
    "session": _of_session,
}
