"""Latency of each stage over the last seconds and pulses, as a screen shows it.

A stage is the time from the event before it to its own: `arrival` from exposure, `extracted` from arrival, and so on;
`pulse` is the whole way from exposure to the board's pulse. A delay that the command asked for is not counted.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from online.messages import MANUAL_RULE, PulseReceipt, Syllables, Trial

FRAME_STAGES = ("arrival", "extracted", "decoded")
STAGES = (*FRAME_STAGES, "decided", "written", "executed", "pulse")
WINDOW_S = 10
PULSES_KEPT = 100
FRAMES_KEPT = WINDOW_S * 130


@dataclass(frozen=True, slots=True)
class StageRow:
    """One line of the table, in ms; percentiles are None until there is a value.

    `course_ms`: of a stage of every frame the largest in each part of the window, of a stage of a pulse the last ones.
    """

    stage: str
    count: int
    p50_ms: float | None
    p95_ms: float | None
    max_ms: float | None
    course_ms: tuple[float, ...]


def percentile(ordered: list[float], share: float) -> float:
    """Value at `share` (0 ... 1) of sorted values, by linear interpolation."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


class LatencyMeter:
    """Collects stage times from `Syllables` (every frame), `Trial` and `PulseReceipt` (every pulse)."""

    def __init__(self) -> None:
        self._of_frames: deque[tuple[int, tuple[float, ...]]] = deque(maxlen=FRAMES_KEPT)
        self._values_ms: dict[str, deque[float]] = {
            stage: deque(maxlen=PULSES_KEPT) for stage in STAGES if stage not in FRAME_STAGES
        }
        self._written: dict[int, Trial] = {}

    @property
    def num_pulses(self) -> int:
        """Pulses whose way to the line is known and kept."""
        return len(self._values_ms["pulse"])

    def _add(self, stage: str, from_ns: int, to_ns: int) -> None:
        self._values_ms[stage].append((to_ns - from_ns) / 1e6)

    def on_syllables(self, message: Syllables) -> None:
        """Take the times of one frame; those that the window has left behind are forgotten."""
        seen_ns = (message.capture_time_ns, message.arrival_time_ns)
        times_ns = (*seen_ns, message.extracted_time_ns, message.decoded_time_ns)
        self._of_frames.append((times_ns[0], tuple((to - since) / 1e6 for since, to in pairwise(times_ns))))
        while self._of_frames[0][0] <= times_ns[0] - WINDOW_S * 1_000_000_000:
            self._of_frames.popleft()

    def on_trial(self, message: Trial) -> None:
        """Take the times of a rule's pulse."""
        if message.rule == MANUAL_RULE or message.written_time_ns is None or message.command_sequence is None:
            return
        self._add("decided", message.decoded_time_ns, message.decided_time_ns)
        self._add("written", message.decided_time_ns, message.written_time_ns)
        self._written[message.command_sequence] = message
        while len(self._written) > PULSES_KEPT:
            del self._written[next(iter(self._written))]

    def on_receipt(self, message: PulseReceipt) -> None:
        """Take the board's time of a pulse whose command was seen."""
        trial = self._written.pop(message.command_sequence, None)
        if trial is None or trial.written_time_ns is None or message.executed_time_ns is None:
            return
        executed_ns = message.executed_time_ns - 1000 * trial.delay_us
        self._add("executed", trial.written_time_ns, executed_ns)
        self._add("pulse", trial.capture_time_ns, executed_ns)

    def rows(self, columns: int = 1) -> list[StageRow]:
        """One row a stage, in the order of `STAGES`, with its course in at most so many values."""
        frames = zip(*(values for _, values in self._of_frames), strict=True) if self._of_frames else ((), (), ())
        rows = [
            _row(stage, values, self._largest_by_part(values, columns))
            for stage, values in zip(FRAME_STAGES, frames, strict=True)
        ]
        for stage, last in self._values_ms.items():
            rows.append(_row(stage, last, tuple(last)[-columns:] if columns else ()))
        return rows

    def _largest_by_part(self, values: Sequence[float], columns: int) -> tuple[float, ...]:
        """In each part of the window that holds frames; parts lie on a grid of time, so that columns only scroll."""
        if not columns:
            return ()
        part_ns = WINDOW_S * 1_000_000_000 // columns
        largest: dict[int, float] = {}
        for (time_ns, _), value in zip(self._of_frames, values, strict=True):
            part = time_ns // part_ns
            largest[part] = max(largest.get(part, 0.0), value)
        return tuple(largest.values())[-columns:]


def _row(stage: str, values: Sequence[float], course_ms: tuple[float, ...]) -> StageRow:
    ordered = sorted(values)
    if not ordered:
        return StageRow(stage, 0, None, None, None, ())
    p50, p95 = percentile(ordered, 0.5), percentile(ordered, 0.95)
    return StageRow(stage, len(ordered), p50, p95, ordered[-1], course_ms)
