"""A session file as messages in the order of their times, read by slices."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from online.arena import Arena
from online.errors import EtholoopError, FileFormatError
from online.files.arena_file import load_arena
from online.files.session_file import TABLES, SessionReader
from online.files.tables import message_of, row_dtype
from online.messages import Event, Frame, Message, Pose, PulseReceipt, Syllables, Trial
from protocols.parse import parse_protocol
from rig.tui.earlier import Earlier
from rig.tui.ethogram import SPAN_NS
from rig.tui.session_facts import SessionFacts

# Of each kind, the column that says when the message existed.
TIME_OF: dict[type[Message], str] = {
    Frame: "published_time_ns",
    Pose: "extracted_time_ns",
    Syllables: "decoded_time_ns",
    Trial: "decided_time_ns",
    PulseReceipt: "received_time_ns",
    Event: "time_ns",
}


@dataclass(slots=True)
class Track:
    """One table in order of time."""

    kind: type[Message]
    rows: NDArray[np.void]
    times_ns: NDArray[np.int64]
    order: NDArray[np.intp]

    def until(self, time_ns: int) -> int:
        """How many messages existed by then."""
        return int(np.searchsorted(self.times_ns, time_ns, "right"))


@dataclass(slots=True)
class Recorded:
    """A session from its folder. Use as a context manager."""

    path: Path
    reader: SessionReader = field(init=False)
    tracks: dict[type[Message], Track] = field(init=False)

    def __post_init__(self) -> None:
        self.reader = SessionReader(self.path)
        try:
            self.tracks = {kind: self._track(kind) for kind in TIME_OF}
        except FileFormatError:
            self.close()
            raise

    def _track(self, kind: type[Message]) -> Track:
        name = next(name for name, held in TABLES.items() if held is kind)
        rows = self.reader.table(name)
        if rows.dtype != row_dtype(kind):
            raise FileFormatError(f"{self.path}: its {name} were written by another version of Etholoop")
        times_ns = rows[TIME_OF[kind]]
        order = np.argsort(times_ns, kind="stable")
        return Track(kind, rows, times_ns[order], order)

    def message(self, track: Track, place: int) -> Message:
        """The message at a place in the order of time."""
        row = int(track.order[place])
        if track.kind is not Syllables:
            return message_of(track.rows[row], track.kind)
        vectors = {name: self._slice(f"syllables/{name}", row) for name in ("posterior", "scores", "further")}
        return message_of(track.rows[row], Syllables, vectors)

    def _slice(self, name: str, row: int) -> NDArray[np.float64]:
        array = self.reader.array(name)
        return np.zeros(0) if array is None else np.asarray(array[row], np.float64)

    def picture(self, track: Track, place: int) -> memoryview | None:
        """The depth image or crop that belongs to a frame or pose; None where it was not recorded."""
        array = self.reader.array("frames/depth" if track.kind is Frame else "poses/crop")
        row = int(track.order[place])
        return None if array is None or row >= array.shape[0] else np.ascontiguousarray(array[row]).data.cast("B")

    @property
    def span_ns(self) -> tuple[int, int]:
        """When the first and the last message existed."""
        known = [track.times_ns for track in self.tracks.values() if len(track.times_ns)]
        if not known:
            raise FileFormatError(f"{self.path}: the session holds nothing")
        return min(int(t[0]) for t in known), max(int(t[-1]) for t in known)

    def earlier(self, time_ns: int) -> Earlier:
        """Everything that existed by then, in the form in which a screen catches up."""
        frames, decoded = self.tracks[Frame], self.tracks[Syllables]
        seen = frames.rows[frames.order[: frames.until(time_ns)]]
        count = decoded.until(time_ns)
        rows = decoded.rows[decoded.order[:count]]
        captured = rows["capture_time_ns"]
        first = int(np.searchsorted(captured, captured[-1] - SPAN_NS)) if count else 0
        array = self.reader.array("syllables/posterior")
        recent = np.zeros((0, 0), np.float32) if array is None else array[first:count].astype(np.float32)
        return Earlier(
            trials=[m for m in self._all(Trial, time_ns) if isinstance(m, Trial)],
            receipts=[m for m in self._all(PulseReceipt, time_ns) if isinstance(m, PulseReceipt)],
            events=[m for m in self._all(Event, time_ns) if isinstance(m, Event)],
            frame_index=seen["frame_index"],
            dropped_before=seen["dropped_before"],
            decoded_index=rows["frame_index"],
            has_evidence=rows["has_evidence"],
            times_ns=captured[first:count],
            posteriors=recent,
            evidence=rows["has_evidence"][first:count],
        )

    def _all(self, kind: type[Message], time_ns: int) -> list[Message]:
        track = self.tracks[kind]
        return [self.message(track, place) for place in range(track.until(time_ns))]

    def facts(self) -> SessionFacts:
        """What the folder says of the session; what cannot be read is among the problems."""
        attributes = self.reader.attributes
        problems: list[str] = []
        protocol = arena = None
        try:
            protocol = parse_protocol(self.reader.configuration("protocol").decode(), "protocol")
        except (EtholoopError, KeyError, UnicodeDecodeError) as error:
            problems.append(f"protocol: {error}")
        folder = self.path if self.path.is_dir() else self.path.parent
        try:
            arena = load_arena(folder / "arena.toml")
        except (EtholoopError, OSError) as error:
            problems.append(f"arena: {error}")
        camera = attributes.get("camera", {})
        return SessionFacts(
            subject=str(attributes.get("subject", "")),
            session=str(attributes.get("session", "")),
            model=f"{str(attributes.get('model_sha256', ''))[:8]}",
            names={int(k): str(name) for k, name in attributes.get("names", {}).items()},
            protocol=protocol,
            arena=arena if isinstance(arena, Arena) else None,
            depth_unit_mm=float(camera.get("depth_unit_mm", 1.0)),
            rate_hz=camera.get("rate_hz"),
            live=False,
            problems=tuple(problems),
        )

    def close(self) -> None:
        """Close the file."""
        self.reader.__exit__(None, None, None)
