"""The limits on stimulation, kept by the host before each command and by the emulated board again.

Width, minimum interval and duty hold for each channel by itself; the count holds for all channels together. Duty is
high time over a sliding window: the window is covered by `NUM_DUTY_BINS` whole bins and the one that is filling, so
what is counted spans the window and never less. High time is entered into the bins in which it fell; a train is
judged as a whole before it starts, by the most that it can hold in any window. Trains that are under way together
hold no more edges per second than the board can serve in time (`BoardShape.max_edges_per_s`).
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from protocols.high_time import allowed_high_us, most_high_us
from rig.ttl import wire
from rig.ttl.protocol import BoardLimits, PulseTrain
from rig.ttl.wire import Reason

BIN_SLACK_SLOTS = 1  # for each bin, so that together they outlast the window even when one is closed late


@dataclass(frozen=True, slots=True)
class BoardShape:
    """What trains a board can do: durations are multiples of `slot_us`, pulses at least `min_width_us` wide.

    `max_edges_per_s` bounds the edges of all trains that are under way together; None where outputs do not share a
    processor.
    """

    num_channels: int
    slot_us: int
    min_width_us: int
    max_count: int
    has_watchdog: bool
    max_edges_per_s: int | None = None


ETHOLOOP = BoardShape(
    wire.NUM_STIMULUS_OUTPUTS, wire.SLOT_US, wire.MIN_WIDTH_US, 0xFFFF, True, max_edges_per_s=wire.CEILING_EDGES_PER_S
)


@dataclass(slots=True)
class ChannelHistory:
    """High time (us) by bin, the newest at `bins[keeper.newest]`; end of the last pulse, None before the first."""

    bins: list[int] = field(default_factory=lambda: [0] * (wire.NUM_DUTY_BINS + 1))
    last_end_us: int | None = None


@dataclass(slots=True)
class LimitKeeper:
    """Limits and what was used of them. Times are microseconds of one clock that never runs backwards."""

    limits: BoardLimits
    channels: Sequence[ChannelHistory]
    bin_us: int
    bin_end_us: int
    quiet_until_us: int
    shape: BoardShape = ETHOLOOP
    newest: int = 0
    pulses: int = 0

    def advance(self, now_us: int) -> None:
        """Open new bins until `now_us` lies in the newest."""
        if now_us - self.bin_end_us > self.bin_us * (wire.NUM_DUTY_BINS + 1):
            behind = (now_us - self.bin_end_us) // self.bin_us - wire.NUM_DUTY_BINS - 1
            self.bin_end_us += behind * self.bin_us
        while now_us >= self.bin_end_us:
            self.bin_end_us += self.bin_us
            self.newest = (self.newest + 1) % (wire.NUM_DUTY_BINS + 1)
            for channel in self.channels:
                channel.bins[self.newest] = 0

    def pulse_ended(self, channel: int, rise_us: int, end_us: int) -> None:
        """Enter a pulse."""
        self.advance(end_us)
        history = self.channels[channel]
        history.last_end_us = end_us
        start_us = self.bin_end_us - self.bin_us
        for back in range(wire.NUM_DUTY_BINS + 1):
            bin_start_us = max(start_us - back * self.bin_us, rise_us)
            history.bins[self.newest - back] += max(0, end_us - bin_start_us)
            end_us = min(end_us, bin_start_us)

    def refusal(self, train: PulseTrain, now_us: int) -> Reason:
        """Why the train must not start now, `Reason.NONE` when it may."""
        limits = self.limits
        shape = shape_refusal(train, limits, self.shape)
        if shape is not Reason.NONE:
            return shape
        self.advance(now_us)
        history = self.channels[train.channel]
        if now_us < self.quiet_until_us:
            return Reason.QUIET
        if history.last_end_us is not None and now_us + train.delay_us < history.last_end_us + limits.min_interval_us:
            return Reason.INTERVAL
        if self.pulses + train.count > limits.max_pulses:
            return Reason.COUNT
        if sum(history.bins) + most_high_us(train, limits.window_us) > allowed_high_us(
            limits.window_us, limits.max_duty
        ):
            return Reason.DUTY
        return Reason.NONE


def new_keeper(limits: BoardLimits, now_us: int, quiet_until_us: int, shape: BoardShape = ETHOLOOP) -> LimitKeeper:
    """A keeper that knows of no pulse, and lets none start before `quiet_until_us`."""
    bin_us = (limits.window_us // (wire.NUM_DUTY_BINS * wire.SLOT_US) + BIN_SLACK_SLOTS) * wire.SLOT_US
    channels = [ChannelHistory() for _ in range(shape.num_channels)]
    return LimitKeeper(limits, channels, bin_us, now_us + bin_us, quiet_until_us, shape)


def shape_refusal(train: PulseTrain, limits: BoardLimits, shape: BoardShape) -> Reason:
    """Why a train of this shape may never run, whenever it comes."""
    if not 0 <= train.channel < shape.num_channels:
        return Reason.CHANNEL
    if not 1 <= train.count <= shape.max_count:
        return Reason.COUNT
    if train.width_us < shape.min_width_us or train.width_us > limits.max_width_us:
        return Reason.WIDTH
    if not 0 <= train.delay_us <= wire.CEILING_DELAY_US:
        return Reason.DELAY
    if train.width_us % shape.slot_us or train.delay_us % shape.slot_us:
        return Reason.GRID
    if train.count == 1:
        return Reason.NONE
    if train.period_us > wire.CEILING_PERIOD_US:
        return Reason.PERIOD
    if train.period_us % shape.slot_us:
        return Reason.GRID
    if train.period_us < train.width_us + limits.min_interval_us:
        return Reason.INTERVAL
    return Reason.NONE


def edges_per_s(train: PulseTrain) -> int:
    """Edges per second of a train, rounded up; single pulses come no faster than commands and count nothing."""
    return -(-2_000_000 // train.period_us) if train.count > 1 else 0


def limits_refusal(limits: BoardLimits, shape: BoardShape = ETHOLOOP) -> str:
    """What is wrong with limits by the ceilings built into every board, empty when nothing is."""
    beat_us = (wire.LEAST_HEARTBEAT_MS * 1000, wire.CEILING_HEARTBEAT_MS * 1000)
    window_us = (wire.LEAST_WINDOW_MS * 1000, wire.CEILING_WINDOW_MS * 1000)
    for name, value, low, high, unit in (
        ("max_width_us", limits.max_width_us, wire.MIN_WIDTH_US, wire.CEILING_WIDTH_US, shape.slot_us),
        ("window_us", limits.window_us, *window_us, 1000),
        ("min_interval_us", limits.min_interval_us, wire.MIN_WIDTH_US, limits.window_us, shape.slot_us),
        ("max_pulses", limits.max_pulses, 0, wire.CEILING_PULSES, 1),
        ("heartbeat_timeout_us", limits.heartbeat_timeout_us, *beat_us, 1000),
    ):
        if not low <= value <= high or value % unit:
            return f"{name} is {value}; the board allows {low} to {high} in steps of {unit}"
    ceiling = wire.CEILING_DUTY / wire.DUTY_SCALE
    return (
        "" if 0.0 <= limits.max_duty <= ceiling else f"max_duty is {limits.max_duty}; the board allows 0 to {ceiling}"
    )


def limit_values(limits: BoardLimits, interlock: bool) -> tuple[int, ...]:
    """Limits as the wire carries them, `wire.LIMIT_FIELDS`."""
    return (
        limits.max_width_us // wire.SLOT_US,
        round(limits.max_duty * wire.DUTY_SCALE),
        limits.window_us // 1000,
        limits.min_interval_us // wire.SLOT_US,
        limits.max_pulses,
        limits.heartbeat_timeout_us // 1000 | wire.INTERLOCK_FLAG * interlock,
    )


@dataclass(slots=True)
class HostLimits:
    """The limits as a driver keeps them: pulses count as given from the moment that a train is admitted.

    `pending` holds, for each channel, the pulses of its last train that have not ended: (rise_us, end_us), and
    `edges_per_s` that train's.
    """

    keeper: LimitKeeper
    pending: dict[int, deque[tuple[int, int]]] = field(default_factory=dict)
    edges_per_s: dict[int, int] = field(default_factory=dict)

    def admit(self, train: PulseTrain, now_us: int) -> Reason:
        """Why the train must not be sent; `Reason.NONE` admits it and takes it into account."""
        pending = self.pending.get(train.channel)
        while pending and pending[0][1] <= now_us:
            self.keeper.pulse_ended(train.channel, *pending.popleft())
        if pending:
            return Reason.BUSY
        reason = self.keeper.refusal(train, now_us)
        most = self.keeper.shape.max_edges_per_s
        if reason is Reason.NONE and most is not None and self._edges_with(train, now_us) > most:
            return Reason.BUSY
        if reason is Reason.NONE:
            self.keeper.pulses += train.count
            self.edges_per_s[train.channel] = edges_per_s(train)
            rises = (now_us + train.delay_us + n * train.period_us for n in range(train.count))
            self.pending[train.channel] = deque((rise_us, rise_us + train.width_us) for rise_us in rises)
        return reason

    def explanation(self, reason: Reason, train: PulseTrain, now_us: int) -> str:
        """Why `admit` refused a train, in words."""
        if reason is not Reason.BUSY:
            return f"{reason.name.lower()}: the host's limits refuse {train}"
        if self.pending.get(train.channel):
            return f"busy: output {train.channel} has a train under way; {train} may follow when that has ended"
        return (
            f"busy: {train} and the trains under way would make {self._edges_with(train, now_us)} edges per second; "
            f"the board serves {self.keeper.shape.max_edges_per_s} in time: lengthen a period, or let a train end first"
        )

    def _edges_with(self, train: PulseTrain, now_us: int) -> int:
        under_way = (channel for channel, pending in self.pending.items() if pending and pending[-1][1] > now_us)
        return sum(self.edges_per_s[channel] for channel in under_way) + edges_per_s(train)

    def stopped(self, now_us: int) -> None:
        """Every line was brought low: what was under way counts as ended now."""
        for channel, pending in self.pending.items():
            while pending:
                rise_us, end_us = pending.popleft()
                if rise_us < now_us:
                    self.keeper.pulse_ended(channel, rise_us, min(end_us, now_us))


def new_host_limits(limits: BoardLimits, shape: BoardShape, now_us: int) -> HostLimits:
    """Host limits that know of no pulse."""
    return HostLimits(new_keeper(limits, now_us, now_us, shape))
