"""An Etholoop session computed again from its raw depth: extraction, projection, decoding, as the rig did.

On the machine and with the versions that ran, every pose and posterior comes out the same, bit for bit; what first
differs is reported by `first_difference`.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import nan
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offline.replay.inputs import EngineFrame, RecordedPose, Recording
from offline.replay.recorded import RecordedSession, bare_frames, recording_of
from online import further_evidence, pipeline
from online.errors import FileFormatError
from online.extracted import Extracted
from online.files.arena_file import load_arena
from online.files.bundle import load_bundle
from online.files.session_file import SessionReader
from online.model import ModelBundle
from protocols.trial import Evidence, EvidenceRequest


@dataclass(slots=True)
class Recomputed:
    """A session computed from its frames; `differences`: the first frame at which each kind of thing came out other
    than it was recorded."""

    recording: Recording
    differences: dict[str, int] = field(default_factory=dict)


def recompute(session: RecordedSession) -> Recomputed:
    """The session from its raw depth, with the model and arena that ran.

    Raises
    ------
    FileFormatError
        if the session holds no depth.
    """
    with SessionReader(session.path) as reader:
        if reader.array("frames/depth") is None:
            raise FileFormatError(f"{session.path}: holds no raw depth ([recorder] depth = false in its rig file)")
        model = reader.configuration("model")
    folder = session.path if session.path.is_dir() else session.path.parent
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "session.model.h5"
        copy.write_bytes(model)
        bundle = load_bundle(copy)
    recorded = recording_of(session, as_recorded=True)
    differences: dict[str, int] = {}

    def frames(requests: Sequence[EvidenceRequest]) -> Iterator[EngineFrame]:
        return _frames(session, folder, bundle, requests, differences)

    again = Recording(
        path=recorded.path,
        subject=recorded.subject,
        session=recorded.session,
        rate_hz=recorded.rate_hz,
        num_frames=recorded.num_frames,
        num_syllables=recorded.num_syllables,
        names=recorded.names,
        frames=frames,
    )
    return Recomputed(again, differences)


def _frames(
    session: RecordedSession,
    folder: Path,
    bundle: ModelBundle,
    requests: Sequence[EvidenceRequest],
    differences: dict[str, int],
) -> Iterator[EngineFrame]:
    unit_mm = float(session.attributes["camera"]["depth_unit_mm"])
    state = pipeline.init(bundle, load_arena(folder / "arena.toml"), unit_mm, session.rate_hz)
    further = further_evidence.init(state.decoder, requests, bundle.frame_rate_hz)
    for i, (frame, image) in enumerate(zip(bare_frames(session, True), _depth(session), strict=True)):
        found = pipeline.extract(state, image, frame.frame_index, frame.capture_time_ns)
        decoded, scores = pipeline.decode(state, found, frame.frame_index)
        rows = further_evidence.step(further, decoded)
        pose = None if found.missing else pose_of(found)
        for what, same in (
            ("pose", pose == frame.pose),
            ("scores", _same(scores, session.scores[i])),
            ("posterior", _same(decoded.posterior, session.posterior[i])),
        ):
            if not same:
                differences.setdefault(what, frame.frame_index)
        if decoded.has_evidence:
            frame.evidence = Evidence(decoded.posterior, rows, nan if decoded.novelty is None else decoded.novelty)
        frame.pose = pose
        yield frame


def _same(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return np.array_equal(a, b, equal_nan=True)


def pose_of(found: Extracted) -> RecordedPose:
    """A pose as the engine takes it live."""
    values = (float(getattr(found, name)) for name in RecordedPose._fields)
    return RecordedPose(*(None if value != value else value for value in values))


def _depth(session: RecordedSession) -> Iterator[NDArray[np.uint16]]:
    """Images of the session's frames, in order."""
    with SessionReader(session.path) as reader:
        depth, header = reader.array("frames/depth"), reader.table("frames/header")
        if depth is None:
            raise FileFormatError(f"{session.path}: holds no raw depth")
        rows = {index: row for row, index in enumerate(header["frame_index"][: len(depth)].tolist())}
        for index in session.engine["frame_index"].tolist():
            if index not in rows:
                raise FileFormatError(f"{session.path}: the image of frame {index} was lost; replay without --frames")
            image: NDArray[np.uint16] = depth[rows[index]]
            yield image
