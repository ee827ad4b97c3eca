"""Pulse limits as the host keeps them, in capture time, never looser than a board that keeps them in its own.

A frame's train starts at some moment between the frame's capture and its deadline, the train's `slack_ns`. Each
earlier train is taken to have ended as late as its slack allows; then the limits hold on the line itself. Boards count
high time in bins of 1/32 of the window, so the window is wider by one bin, and a pulse counts whole when it ended
inside: what the host allows, the board need not refuse.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import nan

from protocols.high_time import allowed_high_us, most_high_us
from protocols.schema import Limits
from protocols.schema_types import GRID_US
from protocols.trial import Train
from protocols.why import WhyRow

BINS_A_WINDOW = 32
MANUAL_SLACK_NS = 100_000_000
"""A train by hand starts within this time, or never."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A train at its place in time; its first pulse rises between start_ns and start_ns + slack_ns."""

    start_ns: int
    slack_ns: int
    width_ns: int
    period_ns: int
    count: int

    @property
    def end_ns(self) -> int:
        """The latest moment at which the line may fall for good."""
        return self.start_ns + self.slack_ns + (self.count - 1) * self.period_ns + self.width_ns

    def high_since_ns(self, time_ns: int) -> int:
        """High time of the pulses that may end after `time_ns`."""
        first_end_ns = self.start_ns + self.slack_ns + self.width_ns
        over = 0 if time_ns < first_end_ns else (time_ns - first_end_ns) // self.period_ns + 1
        return max(self.count - over, 0) * self.width_ns


class PulseLimits:
    """What each channel was given. The count is of all channels together, the other limits are each channel's own."""

    __slots__ = ("_given", "allowed_ns", "limits", "min_interval_ns", "pulses", "reach_ns", "window_us")

    def __init__(self, limits: Limits, channels: Iterable[int]) -> None:
        self.limits = limits
        self.window_us = round(limits.window_ms * 1000)
        self.allowed_ns = allowed_high_us(self.window_us, limits.max_duty) * 1000
        bin_us = (self.window_us // (BINS_A_WINDOW * GRID_US) + 1) * GRID_US
        self.reach_ns = (BINS_A_WINDOW + 1) * bin_us * 1000
        self.min_interval_ns = round(limits.min_interval_ms * 1e6)
        self._given: dict[int, deque[Placed]] = {channel: deque() for channel in channels}
        self.pulses = 0

    def refusal(self, train: Train, now_ns: int, start_ns: int) -> WhyRow | None:
        """Why a train, asked for now, must not start at `start_ns`; None when it may."""
        given, limits = self._given[train.channel], self.limits
        if given:
            end_ns = given[-1].end_ns
            if now_ns < end_ns:
                return "busy", 0, (end_ns - now_ns) / 1e6, 0.0
            if start_ns - end_ns < self.min_interval_ns:
                return "limit min_interval_ms", 0, (start_ns - end_ns) / 1e6, limits.min_interval_ms
        if self.pulses + train.count > limits.max_pulses:
            return "limit max_pulses", 0, float(self.pulses), float(limits.max_pulses)
        shape = shape_refusal(train, limits)
        if shape:
            return shape, 0, nan, nan
        high_ns = self._high_ns(train, now_ns)
        if high_ns > self.allowed_ns:
            return "limit max_duty", 0, high_ns / (limits.window_ms * 1e6), limits.max_duty
        return None

    def commit(self, train: Train, start_ns: int, slack_ns: int) -> None:
        """Count a train that was allowed."""
        self._given[train.channel].append(
            Placed(start_ns, slack_ns, train.width_us * 1000, train.period_us * 1000, train.count)
        )
        self.pulses += train.count

    def _high_ns(self, train: Train, now_ns: int) -> int:
        """High time within reach of a train, its own included."""
        given = self._given[train.channel]
        since_ns = now_ns - self.reach_ns
        while given and given[0].end_ns <= since_ns and len(given) > 1:
            given.popleft()
        before_ns = sum(placed.high_since_ns(since_ns) for placed in given)
        own_ns = most_high_us(train, self.window_us) * 1000
        return before_ns + own_ns


def shape_refusal(train: Train, limits: Limits) -> str:
    """The limit that a train breaks by itself, whenever it comes; empty when none."""
    if train.width_us > limits.max_width_ms * 1000:
        return "limit max_width_ms"
    if train.count > 1 and train.period_us - train.width_us < limits.min_interval_ms * 1000:
        return "limit min_interval_ms"
    if train.count > limits.max_pulses:
        return "limit max_pulses"
    window_us = round(limits.window_ms * 1000)
    return "limit max_duty" if most_high_us(train, window_us) > allowed_high_us(window_us, limits.max_duty) else ""
