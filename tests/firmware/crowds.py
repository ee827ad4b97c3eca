"""Crowds of edges on the real firmware: trains on all channels that meet in one slot, while everything else happens.

What a board admits it must also serve in time. A crowd is what was asked for at once; `serve_crowd` runs it on a board
and says how far its edges came from the grid.
"""

import random
from dataclasses import dataclass

from rig.ttl import wire
from rig.ttl.protocol import BoardLimits
from rig.ttl.wire import Kind, Reason, SyncMode
from tests.firmware.boards_in_time import BYTE_US, HostInTime

SLOT = wire.SLOT_US
LIMITS = BoardLimits(max_width_us=300_000, max_duty=0.5, window_us=1_000_000, min_interval_us=100, max_pulses=100_000)
DURATION_US = 40_000.0
COMMAND_US = 1_900.0  # between the commands of a crowd
TRAFFIC = ("beats", "status", "pulses", "sync", "mixed", "garbage", "false starts")
Train = tuple[int, int, int, int, int]
"""Channel, width, period, by how much later than the others it begins (in slots), count."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Trains, what the sync output shows, what comes over the wire, and how often inputs change (us, at random)."""

    trains: tuple[Train, ...]
    sync: SyncMode
    traffic: str
    inputs_us: tuple[float, float] | None


# What firmware that kept its books while serving edges did worst: late by a whole slot and more, or reset by its
# watchdog while it reported changes of inputs faster than it got on.
WORST = (
    Crowd(tuple((channel, 1, 10, 0, 400) for channel in range(7)), SyncMode.OFF, "garbage", (300, 900)),
    Crowd(((2, 1, 2, 0, 2_000), *((c, 1, 100, 0, 100) for c in (0, 1, 3, 4, 5, 6))), SyncMode.BARCODE, "sync", (8, 40)),
    Crowd(((5, 1, 2, 0, 2_000),), SyncMode.OFF, "beats", (30, 300)),
    Crowd(tuple((channel, 1, 0, 0, 1) for channel in range(7)), SyncMode.STROBE, "status", (8, 40)),
    Crowd(((0, 1, 3, 0, 1_000), (1, 1, 3, 1, 1_000), (2, 1, 31, 0, 100)), SyncMode.STROBE, "mixed", (8, 40)),
)

# Inputs that change so fast that one interrupt follows another.
STORMS = tuple(
    Crowd(trains, SyncMode.BARCODE, traffic, inputs_us)
    for trains in (WORST[1].trains, WORST[4].trains)
    for traffic in ("status", "pulses")
    for inputs_us in ((1.0, 3.0), (2.0, 6.0), (3.0, 9.0))
)

# Commands that need long pieces of work without interrupts, between edges that leave short gaps.
INTERRUPTED = tuple(
    Crowd(WORST[1].trains, SyncMode.STROBE, traffic, inputs_us)
    for traffic in ("sync", "mixed", "pulses")
    for inputs_us in (None, (30.0, 300.0))
)


@dataclass(slots=True)
class Served:
    """Edges, how far they lay from the grid at the extremes (us), the widest excess of a pulse (us), and refusals."""

    edges: int = 0
    earliest_us: float = 0.0
    latest_us: float = 0.0
    excess_us: float = -SLOT
    refused: int = 0

    @property
    def spread_us(self) -> float:
        """Jitter: all edges, peak to peak."""
        return self.latest_us - self.earliest_us


def random_crowd(rng: random.Random) -> Crowd:
    """Many edges in one slot and in the next, at rates up to what a board admits."""
    channels = rng.sample(range(wire.NUM_STIMULUS_OUTPUTS), rng.randint(1, wire.NUM_STIMULUS_OUTPUTS))
    kind = rng.randrange(5)
    trains: list[Train] = []
    for n, channel in enumerate(channels):
        width, after = rng.choice((1, 1, 1, 2, 3)), rng.choice((0, 0, 0, 1))
        if kind == 0:
            trains.append((channel, width, 0, after, 1))
        elif kind == 1:
            trains.append((channel, width, 10, after, 400))
        elif kind == 2:
            trains.append((channel, 1, 2 if n == 0 else rng.choice((31, 35, 40, 100)), after, 2_000 if n == 0 else 100))
        elif kind == 3:
            trains.append((channel, 1, 3 if n < 2 else rng.choice((31, 40, 100)), after, 1_000))
        else:
            trains.append((channel, width, width + rng.randint(1, 12), rng.randint(0, 3), 500))
    inputs_us = rng.choice((None, (1, 3), (2, 6), (8, 40), (30, 300), (300, 900), (900, 4_000)))
    return Crowd(tuple(trains), rng.choice(tuple(SyncMode)), rng.choice(TRAFFIC), inputs_us)


def serve_crowd(host: HostInTime, crowd: Crowd, seed: int, phase_us: float) -> Served:
    """Ask for a crowd and watch it for a while; `phase_us`: where in a slot a calm rise comes (`calm_phase_us`)."""
    rng = random.Random(seed)
    served = Served()
    _begin(host, crowd.sync)
    first_us = host.board.now_us + host.offset_us + (len(crowd.trains) + 2) * COMMAND_US
    for channel, width, period, after, count in crowd.trains:
        delay = _delay_until(host, first_us + after * SLOT)
        number = host.send(Kind.PULSE, channel, delay, width, period, count)
        host.run(COMMAND_US - SLOT)
        served.refused += host.answers[number].fields["reason"] != Reason.NONE
    _feed_traffic(host, crowd.traffic, rng)
    end_us = host.board.now_us + DURATION_US
    while host.board.now_us < end_us:
        host.run(rng.uniform(*crowd.inputs_us) if crowd.inputs_us else DURATION_US)
        if crowd.inputs_us:
            host.board.set_input(rng.randrange(wire.NUM_INPUTS), rng.randint(0, 1))
    assert all(event.kind != Kind.DISARMED for event in host.events), "the board disarmed itself"
    _measure(host.edges, phase_us, served)
    host.run(60_000)
    return served


def calm_phase_us(host: HostInTime) -> float:
    """Where in its slot a rise comes while the board does nothing else."""
    host.edges.clear()
    assert host.pulse() is Reason.NONE
    host.run(3_000)
    return host.edges[0][0] % SLOT


def _begin(host: HostInTime, sync: SyncMode) -> None:
    host.ask(Kind.STOP)
    host.nonce, host.sequence = host.nonce + 1, 0
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    if sync is not SyncMode.OFF:
        assert host.reason(Kind.SYNC, int(sync), 99) is Reason.NONE
    host.arm()
    host.ask(Kind.HEARTBEAT)
    host.edges.clear()
    host.events.clear()


def _delay_until(host: HostInTime, time_us: float) -> int:
    """Delay in slots with which a train that is asked for now begins at a time of the board's clock."""
    host.run((SLOT / 2 - host.board.now_us - host.offset_us) % SLOT)
    frame_us = (wire.HEADER.size + wire.TABLE[Kind.PULSE].packer.size + wire.CRC_BYTES) * BYTE_US
    soonest = (host.board.now_us + host.offset_us + frame_us) // SLOT + 2
    return max(0, int(time_us // SLOT - soonest))


def _feed_traffic(host: HostInTime, traffic: str, rng: random.Random) -> None:
    """Fill the wire, with heartbeats in between."""
    begin_us = at_us = host.board.now_us
    beat_us = at_us
    while at_us < begin_us + DURATION_US:
        expires_us = at_us - host.board.now_us + 400_000
        if at_us >= beat_us or traffic == "beats":
            raw = host.bytes_of(Kind.HEARTBEAT, expires_in_us=expires_us)
            beat_us = at_us + 20_000
        else:
            raw = _traffic(host, rng.choice(TRAFFIC) if traffic == "mixed" else traffic, expires_us, rng)
        host.board.feed(raw, at_us)
        at_us += len(raw) * BYTE_US


def _traffic(host: HostInTime, traffic: str, expires_us: float, rng: random.Random) -> bytes:
    if traffic == "status":
        return host.bytes_of(rng.choice((Kind.STATUS, Kind.IDENTIFY)))
    if traffic == "pulses":
        values = (rng.randrange(8), rng.randint(0, 30), 1, 0, 1)
        return host.bytes_of(Kind.PULSE, *values, expires_in_us=expires_us)
    if traffic == "sync":
        mode = rng.choice((SyncMode.BARCODE, SyncMode.STROBE))
        sync = host.bytes_of(Kind.SYNC, int(mode), 5, expires_in_us=expires_us)
        return sync + host.bytes_of(Kind.STROBE, expires_in_us=expires_us)
    if traffic == "garbage":
        return rng.randbytes(20)
    return wire.MAGIC.to_bytes(2, "little") * 10


def _measure(edges: list[tuple[float, int, int]], phase_us: float, served: Served) -> None:
    rises: dict[int, float] = {}
    for time_us, output, level in edges:
        if output == wire.SYNC_OUTPUT and not level:
            continue  # cut at any time by another SYNC
        offset_us = (time_us - phase_us + SLOT / 2) % SLOT - SLOT / 2
        served.edges += 1
        served.earliest_us = min(served.earliest_us, offset_us)
        served.latest_us = max(served.latest_us, offset_us)
        if level:
            rises[output] = time_us
        else:
            width_us = time_us - rises[output]
            served.excess_us = max(served.excess_us, width_us - round(width_us / SLOT) * SLOT)
