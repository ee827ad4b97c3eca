"""Latency of each stage over the last frames and pulses, as a screen shows it.

A stage is the time from the event before it to its own: `arrival` from exposure, `extracted` from arrival, and so on;
`pulse` is the whole way from exposure to the board's pulse. A delay that the command asked for is not counted.
"""

from collections import deque
from dataclasses import dataclass

from online.messages import MANUAL_RULE, PulseReceipt, Syllables, Trial

STAGES = ("arrival", "extracted", "decoded", "decided", "written", "executed", "pulse")
FRAMES_KEPT = 300
PULSES_KEPT = 100


@dataclass(frozen=True, slots=True)
class StageRow:
    """One line of the table, in ms; percentiles are None until there is a value."""

    stage: str
    count: int
    p50_ms: float | None
    p95_ms: float | None
    max_ms: float | None


def percentile(ordered: list[float], share: float) -> float:
    """Value at `share` (0 ... 1) of sorted values, by linear interpolation."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


class LatencyMeter:
    """Collects stage times from `Syllables` (every frame), `Trial` and `PulseReceipt` (every pulse)."""

    def __init__(self) -> None:
        self._values_ms: dict[str, deque[float]] = {
            stage: deque(maxlen=FRAMES_KEPT if stage in STAGES[:3] else PULSES_KEPT) for stage in STAGES
        }
        self.frame_totals_ms: deque[float] = deque(maxlen=FRAMES_KEPT)
        self._written: dict[int, Trial] = {}

    def _add(self, stage: str, from_ns: int, to_ns: int) -> None:
        self._values_ms[stage].append((to_ns - from_ns) / 1e6)

    def on_syllables(self, message: Syllables) -> None:
        """Take the times of one frame."""
        self._add("arrival", message.capture_time_ns, message.arrival_time_ns)
        self._add("extracted", message.arrival_time_ns, message.extracted_time_ns)
        self._add("decoded", message.extracted_time_ns, message.decoded_time_ns)
        self.frame_totals_ms.append((message.decoded_time_ns - message.capture_time_ns) / 1e6)

    def on_trial(self, message: Trial) -> None:
        """Take the times of a decision; those of refusals and catches end at `decided`. One by hand has none."""
        if message.rule == MANUAL_RULE:
            return
        self._add("decided", message.decoded_time_ns, message.decided_time_ns)
        if message.written_time_ns is None or message.command_sequence is None:
            return
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

    def rows(self) -> list[StageRow]:
        """One row a stage, in the order of `STAGES`."""
        rows = []
        for stage in STAGES:
            ordered = sorted(self._values_ms[stage])
            if ordered:
                rows.append(
                    StageRow(stage, len(ordered), percentile(ordered, 0.5), percentile(ordered, 0.95), ordered[-1])
                )
            else:
                rows.append(StageRow(stage, 0, None, None, None))
        return rows
