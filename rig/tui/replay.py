"""A finished session played again at any speed."""

from online.messages import Frame, Message, Pose
from rig.clock import Clock
from rig.tui.earlier import Earlier
from rig.tui.lines import minutes
from rig.tui.recorded import Recorded
from rig.tui.recorded_status import RecordedStatus, gates_at
from rig.tui.session_facts import SessionFacts
from rig.tui.session_view import TRAIL_NS, SessionView

STATUS_NS = 100_000_000
AGAIN_NS = TRAIL_NS + 500_000_000  # handed over again after a jump, for the trail and the latencies
SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
PICTURES: tuple[type[Message], ...] = (Frame, Pose)


class Replay:
    """A source whose clock runs at `speed` times real time and can be set to any moment of the session."""

    def __init__(self, recorded: Recorded, facts: SessionFacts, clock: Clock, speed: float = 1.0) -> None:
        self._recorded = recorded
        self._clock = clock
        self._first_ns, self._last_ns = recorded.span_ns
        self._position_ns = self._first_ns
        self._host_ns = clock.now_ns()
        self._next = dict.fromkeys(recorded.tracks, 0)
        self._next_status_ns = 0
        self._moved = False
        self._status = RecordedStatus(facts.protocol, facts.names) if facts.protocol else None
        engine = recorded.reader.table("engine/rows")
        self._gates = (engine["decision_time_ns"], engine["armed"], engine["paused"])
        frames = recorded.tracks[Frame].rows
        self._begin_ns = int(frames["capture_time_ns"][0]) if len(frames) else self._first_ns
        self.speed = speed
        self.paused = False

    # time ------------------------------------------------------------------------------------------------------

    @property
    def lost(self) -> int:
        """A replay misses nothing."""
        return 0

    def now_ns(self) -> int:
        """The moment of the session that is shown."""
        return self._position_ns

    @property
    def at_end(self) -> bool:
        """Whether all was shown."""
        return self._position_ns >= self._last_ns

    def move(self, step_ns: int) -> None:
        """Jump forward or back."""
        self.set_position(self._position_ns + step_ns)

    def set_position(self, time_ns: int) -> None:
        """Jump to a moment."""
        self._position_ns = min(max(time_ns, self._first_ns), self._last_ns)
        self._moved = True

    def restart(self) -> None:
        """Jump to the beginning."""
        self.set_position(self._first_ns)

    def change_speed(self, steps: int) -> None:
        """Faster or slower by places in `SPEEDS`."""
        nearest = min(range(len(SPEEDS)), key=lambda i: abs(SPEEDS[i] - self.speed))
        self.speed = SPEEDS[min(max(nearest + steps, 0), len(SPEEDS) - 1)]

    def words(self) -> str:
        """Speed and position."""
        where = minutes((self._position_ns - self._first_ns) / 1e6)
        whole = minutes((self._last_ns - self._first_ns) / 1e6)
        how = "end" if self.at_end else "paused" if self.paused else f"x{self.speed:g}"
        return f"replay {how} {where}/{whole}"

    # messages --------------------------------------------------------------------------------------------------

    def earlier(self) -> Earlier | None:
        """Nothing: a replay begins at the beginning."""
        return None

    def drain(self, view: SessionView) -> int:
        """Hand over what the moving clock has passed; after a jump, show the new moment from afresh."""
        host_ns = self._clock.now_ns()
        passed_ns, self._host_ns = host_ns - self._host_ns, host_ns
        if self._moved:
            self._moved = False
            self._show_afresh(view)
        elif not self.paused:
            self._position_ns = min(self._position_ns + round(passed_ns * self.speed), self._last_ns)
        taken = self._hand_over(view)
        if self._status is not None and (taken or not self.paused) and self._position_ns >= self._next_status_ns:
            self._next_status_ns = self._position_ns + STATUS_NS
            gates = gates_at(*self._gates, self._position_ns)
            view.take(self._status.at(view, self._begin_ns, self._position_ns, gates), None, self._position_ns)
        return taken

    def _show_afresh(self, view: SessionView) -> None:
        position_ns = self._position_ns
        view.forget()
        view.take_earlier(self._recorded.earlier(position_ns - AGAIN_NS))
        for kind, track in self._recorded.tracks.items():
            self._next[kind] = track.until(position_ns - AGAIN_NS)
        self._next_status_ns = 0

    def _hand_over(self, view: SessionView) -> int:
        due: list[tuple[int, type[Message], int]] = []
        for kind, track in self._recorded.tracks.items():
            until = track.until(self._position_ns)
            due += [(int(track.times_ns[place]), kind, place) for place in range(self._next[kind], until)]
            self._next[kind] = until
        due.sort(key=lambda item: item[0])
        newest = {kind: place for _, kind, place in due if kind in PICTURES}
        for time_ns, kind, place in due:
            track = self._recorded.tracks[kind]
            picture = self._recorded.picture(track, place) if newest.get(kind) == place else None
            view.take(self._recorded.message(track, place), picture, time_ns)
        return len(due)

    def over(self, view: SessionView) -> str:
        """Never by itself: the end can be left or rewound."""
        return ""

    def close(self) -> None:
        """Close the file."""
        self._recorded.close()
