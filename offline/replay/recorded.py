"""Etholoop sessions: what the engine consumed live, as it was recorded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.replay.inputs import EngineFrame, RecordedPose, Recording, poses_of
from online.errors import FileFormatError
from online.files.names import by_name
from online.files.session_file import SessionReader
from online.files.tables import text_of
from online.messages import MANUAL_RULE
from protocols.build import evidence_requests
from protocols.materials import Materials, from_json
from protocols.parse import parse_protocol
from protocols.schema import Protocol
from protocols.trial import Evidence, EvidenceRequest, Train


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """The tables of a session that a replay reads, cut to the frames that all of them hold.

    posterior (T, K), further (T, E, K), scores (T, D); near: rows of `/engine/near`; trials: those of rules,
    and by_hand the others; complete: no frame is missing between first and last.
    """

    path: Path
    attributes: dict[str, Any]
    protocol: Protocol
    protocol_bytes: bytes
    materials: str
    engine: NDArray[np.void]
    syllables: NDArray[np.void]
    poses: NDArray[np.void]
    posterior: NDArray[np.float64]
    further: NDArray[np.float64]
    scores: NDArray[np.float64]
    trials: NDArray[np.void]
    by_hand: NDArray[np.void]
    near: NDArray[np.void]
    complete: bool

    @property
    def rate_hz(self) -> float:
        """Of the camera."""
        return float(self.attributes["camera"]["rate_hz"])

    def own_materials(self, arm: str | None) -> Materials:
        """What the session's protocol referred to."""
        return from_json(self.materials, arm)


def read_session(path: Path) -> RecordedSession:
    """Read a session folder.

    Raises
    ------
    FileFormatError
        if it holds no decoded frame.
    """
    with SessionReader(path) as reader:
        engine, syllables = reader.table("engine/rows"), reader.table("syllables/rows")
        poses, trials = reader.table("poses/rows"), reader.table("pulses/trials")
        near = reader.table("engine/near")
        posterior, scores = reader.array("syllables/posterior"), reader.array("syllables/scores")
        further = reader.array("syllables/further")
        if posterior is None or scores is None or not min(len(engine), len(syllables), len(poses), len(posterior)):
            raise FileFormatError(f"{path}: holds no decoded frame to replay")
        arrays = [a[()] for a in (posterior, scores)]
        others = np.zeros((len(syllables), 0, arrays[0].shape[1])) if further is None else further[()]
        attributes, protocol = reader.attributes, reader.configuration("protocol")
        materials = reader.configuration("materials").decode()
    syllables = syllables[: min(len(a) for a in (syllables, others, *arrays))]
    common = _common(engine["frame_index"], syllables["frame_index"], poses["frame_index"])
    by_hand = np.array([text_of(rule) == MANUAL_RULE for rule in trials["rule"]], bool)
    of_engine, of_syllables, of_poses = (np.isin(t["frame_index"], common) for t in (engine, syllables, poses))
    return RecordedSession(
        path=path,
        attributes=attributes,
        protocol=parse_protocol(protocol.decode(), f"{path}: protocol"),
        protocol_bytes=protocol,
        materials=materials,
        engine=engine[of_engine],
        syllables=syllables[of_syllables],
        poses=poses[of_poses],
        posterior=arrays[0][: len(syllables)][of_syllables],
        further=others[: len(syllables)][of_syllables],
        scores=arrays[1][: len(syllables)][of_syllables],
        trials=trials[~by_hand],
        by_hand=trials[by_hand],
        near=near[np.isin(near["frame_index"], common)],
        complete=engine["order"].tolist() == list(range(len(common))),
    )


def _common(*indices: NDArray[np.int64]) -> NDArray[np.int64]:
    first, *rest = indices
    for other in rest:
        first = np.intersect1d(first, other)
    return first


def recording_of(session: RecordedSession, as_recorded: bool) -> Recording:
    """The session as a recording; `as_recorded` keeps the operator's arming and pausing, else it stays armed."""

    def frames(requests: Sequence[EvidenceRequest]) -> Iterator[EngineFrame]:
        return recorded_frames(session, further_rows(session, requests), as_recorded)

    attributes = session.attributes
    names = {int(k): str(name) for k, name in attributes["names"].items()}
    return Recording(
        path=session.path,
        subject=str(attributes["subject"]),
        session=str(attributes["session"]),
        rate_hz=session.rate_hz,
        num_frames=len(session.engine),
        num_syllables=session.posterior.shape[1],
        names=by_name(names),
        frames=frames,
    )


def further_rows(session: RecordedSession, requests: Sequence[EvidenceRequest]) -> list[int]:
    """Where each request stands among the further evidence that was recorded.

    Raises
    ------
    FileFormatError
        if one was not recorded.
    """
    recorded = evidence_requests(session.protocol)
    lacking = [request for request in requests if request not in recorded]
    if lacking:
        raise FileFormatError(
            f"{session.path}: '{lacking[0].kind}' evidence of {lacking[0].time_ms:g} ms was not recorded; "
            "decode the session again with --model"
        )
    return [recorded.index(request) for request in requests]


def recorded_frames(session: RecordedSession, rows: Sequence[int], as_recorded: bool) -> Iterator[EngineFrame]:
    """Frames with the evidence that was recorded."""
    has_evidence = session.syllables["has_evidence"].astype(bool).tolist()
    novelty = session.syllables["novelty"].tolist()
    for i, frame in enumerate(bare_frames(session, as_recorded)):
        if has_evidence[i]:
            further = tuple(session.further[i, row] for row in rows)
            frame.evidence = Evidence(session.posterior[i], further, novelty[i])
        yield frame


def bare_frames(session: RecordedSession, as_recorded: bool) -> Iterator[EngineFrame]:
    """Frames without evidence yet: times, poses, the operator's commands."""
    engine, poses = session.engine, session.poses
    columns = {name: poses[name] for name in RecordedPose._fields}
    rows = zip(
        engine["frame_index"].tolist(),
        engine["capture_time_ns"].tolist(),
        engine["decision_time_ns"].tolist(),
        engine["armed"].tolist(),
        engine["paused"].tolist(),
        poses_of(columns, poses["missing"] == 0),
        strict=True,
    )
    by_hand = _trains_by_hand(session) if as_recorded else []
    for index, capture_ns, decision_ns, armed, paused, pose in rows:
        live = (bool(armed), bool(paused)) if as_recorded else (True, False)
        given = []
        while by_hand and by_hand[0][0] < index:
            given.append(by_hand.pop(0)[1:])
        yield EngineFrame(index, capture_ns, decision_ns, None, pose, *live, tuple(given))


def _trains_by_hand(session: RecordedSession) -> list[tuple[int, Train, int]]:
    """Trains that were sent by hand, in order: after which frame, and when."""
    return [
        (
            int(row["frame_index"]),
            Train(**{name: int(row[name]) for name in ("channel", "width_us", "period_us", "count", "delay_us")}),
            int(row["decided_time_ns"]),
        )
        for row in session.by_hand
        if text_of(row["outcome"]) == "pulse"
    ]
