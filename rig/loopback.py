"""Pulses seen on inputs that are wired to outputs: did each come, when, and did any come that nobody asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from online.files.tables import is_missing, text_of
from rig.ttl.protocol import BoardEvent

EARLIEST_US = 200
LATEST_US = 10_000
JUDGED_AFTER_NS = 200_000_000  # by then everything that an input saw of a train has been reported


@dataclass(slots=True)
class Seen:
    """What an input saw of a channel; latencies in ns, one for each pulse or train seen.

    `pulses` were executed by the board's account; `unasked` rises belong to none of them. `after_execution_ns`: from
    the board's own time of the first rise; `after_writing_ns`: from the host's last byte, less the delay asked for.
    """

    pulses: int = 0
    seen: int = 0
    unasked: int = 0
    after_execution_ns: list[int] = field(default_factory=list)
    after_writing_ns: list[int] = field(default_factory=list)


def look(
    wires: Mapping[str, tuple[int, int]],
    trials: NDArray[np.void],
    receipts: NDArray[np.void],
    events: NDArray[np.void],
) -> dict[str, Seen]:
    """What was seen of each of `wires` (name to channel and input); arrays are tables of a session file."""
    return {name: _look(*wire, trials, receipts, events) for name, wire in wires.items()}


def _look(
    channel: int, number: int, trials: NDArray[np.void], receipts: NDArray[np.void], events: NDArray[np.void]
) -> Seen:
    kinds = np.array([text_of(kind) for kind in events["kind"]], object)
    rises = events[(kinds == "input_changed") & (events["line"] == number) & (events["value"] == 1)]
    ended = events[(kinds == "train_ended") & (events["line"] == channel)]
    begun = dict(zip(ended["command_sequence"].tolist(), ended["value"].tolist(), strict=True))
    started = receipts[~is_missing(receipts["device_time_us"]) & (receipts["outcome"] == b"executed")]
    start_us = dict(zip(started["command_sequence"].tolist(), started["device_time_us"].tolist(), strict=True))
    found, left = Seen(), list(rises)
    for trial in trials[trials["channel"] == channel]:
        sequence = int(trial["command_sequence"])
        if sequence not in start_us:
            continue
        count = begun.get(sequence, int(trial["count"]))
        for n in range(count):
            rise = _take(left, start_us[sequence] + n * int(trial["period_us"]))
            found.seen += rise is not None
            if n == 0 and rise is not None:
                found.after_execution_ns.append((int(rise["device_time_us"]) - start_us[sequence]) * 1000)
                asked_ns = int(trial["written_time_ns"]) + int(trial["delay_us"]) * 1000
                found.after_writing_ns.append(int(rise["host_time_ns"]) - asked_ns)
        found.pulses += count
    found.unasked = len(left)
    return found


def _take(rises: list[np.void], wanted_us: int) -> np.void | None:
    """The rise that belongs to a pulse at `wanted_us`, taken out of `rises`."""
    for place, rise in enumerate(rises):
        if -EARLIEST_US <= int(rise["device_time_us"]) - wanted_us <= LATEST_US:
            return rises.pop(place)
    return None


class LoopbackWatch:
    """During a session: did each train that has ended come back on the input that its output is wired to?

    `wires`: name to output and input. Told when pulses begin to be missed (or to come unasked), not at each that is.
    """

    def __init__(self, wires: Mapping[str, tuple[int, int]]) -> None:
        self._wires = dict(wires)
        self._rises_us: dict[str, list[int]] = {name: [] for name in wires}
        self._ended: dict[str, list[BoardEvent]] = {name: [] for name in wires}
        self._wrong: set[str] = set()

    def take(self, event: BoardEvent) -> None:
        """Take in what the board reported."""
        values = dict(event.values)
        for name, (output, number) in self._wires.items():
            if event.kind == "input_changed" and values["input"] == number and values["level"]:
                self._rises_us[name].append(event.device_time_us)
            elif event.kind == "train_ended" and values["channel"] == output:
                self._ended[name].append(event)

    def complaints(self, now_ns: int) -> list[str]:
        """What is to be told now."""
        told = []
        for name, ended in self._ended.items():
            while ended and now_ns - ended[0].host_time_ns > JUDGED_AFTER_NS:
                train = ended.pop(0)
                pulses, seen = dict(train.values)["pulses"], self._count(name, train.device_time_us)
                if seen != pulses and name not in self._wrong:
                    told.append(
                        f"loopback {name}: {seen} of {pulses} pulses were seen on input {self._wires[name][1]}: "
                        "look at the cable and the light source (the summary counts them all)"
                    )
                self._wrong = self._wrong - {name} if seen == pulses else self._wrong | {name}
        return told

    def _count(self, name: str, end_us: int) -> int:
        """Rises until a train's end, or just behind it; they are counted once."""
        rises_us = self._rises_us[name]
        seen = sum(rise_us <= end_us + LATEST_US for rise_us in rises_us)
        del rises_us[:seen]
        return seen
