"""A campaign of faults: a host that works, a wire and a world that do not, and everything noted for the oracle."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from rig.ttl import wire
from rig.ttl.limits import limit_values
from rig.ttl.protocol import BoardLimits
from rig.ttl.wire import Kind, Reason, State, WireFrame
from tests.firmware.boards_in_time import BYTE_US, BoardInTime, HostInTime
from tests.firmware.oracle import Trace, Verdict, judge

LIMITS = BoardLimits(max_width_us=10_000, max_duty=0.1, window_us=1_000_000, min_interval_us=2_000, max_pulses=200)
SLOT = wire.SLOT_US
Chunks = list[tuple[float, bytes]]


@dataclass(slots=True)
class Campaign:
    """A board under fire. Write to the wire with `put`, so that the trace knows it."""

    board: BoardInTime
    rng: random.Random
    host: HostInTime = field(init=False)
    trace: Trace = field(init=False)
    counts: Counter[str] = field(default_factory=Counter)
    history: list[bytes] = field(default_factory=list)
    line_free_us: float = 0.0

    def __post_init__(self) -> None:
        self.host = HostInTime(Recorded(self), nonce=self.rng.getrandbits(31) + 1)
        self.trace = Trace(LIMITS)

    def put(self, data: bytes, time_us: float | None = None) -> None:
        """Bytes on the wire."""
        start_us = max(self.board.now_us if time_us is None else time_us, self.line_free_us)
        self.board.feed(data, start_us)
        self.trace.bytes_in += [(start_us + (n + 1) * BYTE_US, byte) for n, byte in enumerate(data)]
        self.line_free_us = start_us + len(data) * BYTE_US


@dataclass(slots=True)
class Recorded:
    """The board as the host sees it; what the host writes is recorded."""

    campaign: Campaign

    @property
    def now_us(self) -> float:
        """See BoardInTime."""
        return self.campaign.board.now_us

    def feed(self, data: bytes, time_us: float | None = None) -> None:
        """See BoardInTime."""
        self.campaign.put(data, time_us)

    def __getattr__(self, name: str) -> object:
        return getattr(self.campaign.board, name)


def recover(campaign: Campaign) -> None:
    """What a host does after trouble: look, open a session where there is none, arm; a new session at times."""
    host = campaign.host
    host.run(10_000)
    host.find_clock()
    status = host.ask(Kind.STATUS).fields
    host.sequence = max(host.sequence, status["last_sequence"])
    if status["pulses"] > LIMITS.max_pulses - 30 or status["session"] != host.nonce:
        host.reason(Kind.STOP)
        if status["pulses"] > LIMITS.max_pulses - 30:
            host.nonce = campaign.rng.getrandbits(31) + 1
        assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
        assert host.reason(Kind.SET_LIMITS, *limit_values(LIMITS, interlock=True)) is Reason.NONE
    if not host.ask(Kind.STATUS).fields["state"] & State.ARMED:
        host.arm()
        campaign.counts["armed"] += 1


def ordinary_work(campaign: Campaign, duration_us: float) -> Chunks:
    """Heartbeats and pulse commands at the edges of the limits, each with the time at which it is written."""
    host, rng = campaign.host, campaign.rng
    now_us = campaign.board.now_us
    times = [now_us + n * 10_000 for n in range(int(duration_us / 10_000))]
    work: list[tuple[float, Kind, tuple[int, ...], float]] = [(t, Kind.HEARTBEAT, (), 25_000.0) for t in times]
    for _ in range(rng.randint(1, 4)):
        at_us = now_us + rng.uniform(0, duration_us)
        expires_us = rng.choice((20_000.0, 20_000.0, 20_000.0, 1_000.0, -500.0, 3_000_000.0))
        work.append((at_us, Kind.PULSE, random_train(rng), expires_us))
    if rng.random() < 0.05:
        work.append((now_us, Kind.SYNC, (rng.randint(0, 3), rng.getrandbits(32)), 20_000.0))
    if rng.random() < 0.1:
        work.append((now_us + rng.uniform(0, duration_us), rng.choice((Kind.STOP, Kind.DISARM)), (), 0.0))
    chunks = []
    for at_us, kind, values, expires_us in sorted(work):
        chunks.append((at_us, host.bytes_of(kind, *values, expires_in_us=at_us - now_us + expires_us)))
    campaign.history += [raw for _, raw in chunks]
    del campaign.history[:-200]
    return chunks


def random_train(rng: random.Random) -> tuple[int, ...]:
    """Channel, delay, width, period, count, many at a limit's edge."""
    widest, interval = LIMITS.max_width_us // SLOT, LIMITS.min_interval_us // SLOT
    if rng.random() < 0.6:
        width = rng.randint(1, widest)
        return rng.randrange(7), rng.randint(0, 100), width, width + interval + rng.randint(0, 50), rng.randint(1, 3)
    width = rng.choice((1, rng.randint(1, widest), widest, widest, widest + 1, 0, 0xFFFFFFFF))
    count = rng.choice((1, 1, 1, 2, rng.randint(2, 12), 0, 0xFFFF))
    period = (width + interval + rng.choice((-1, 0, 0, 1, 50))) & 0xFFFFFFFF
    delay = rng.choice((0, 0, 0, 1, rng.randint(0, 300), wire.CEILING_DELAY_US // SLOT + 1))
    return rng.choice((0, 1, 2, 6, 7, 200)), delay, width, period, count


def bit_flips(campaign: Campaign, chunks: Chunks) -> Chunks:
    for _ in range(campaign.rng.randint(1, 4)):
        at = campaign.rng.randrange(len(chunks))
        raw = bytearray(chunks[at][1])
        raw[campaign.rng.randrange(len(raw))] ^= 1 << campaign.rng.randrange(8)
        chunks[at] = (chunks[at][0], bytes(raw))
    return chunks


def torn_write(campaign: Campaign, chunks: Chunks) -> Chunks:
    at = campaign.rng.randrange(len(chunks))
    time_us, raw = chunks[at]
    cut = campaign.rng.randrange(1, len(raw))
    later_us = time_us + campaign.rng.choice((500, 2_000, 4_000, 8_000, 30_000))
    return sorted([*chunks[:at], (time_us, raw[:cut]), (later_us, raw[cut:]), *chunks[at + 1 :]], key=lambda c: c[0])


def merged_writes(campaign: Campaign, chunks: Chunks) -> Chunks:
    first = campaign.rng.randrange(len(chunks))
    last = min(len(chunks), first + campaign.rng.randint(2, 6))
    return [(chunks[last - 1][0] if first <= n < last else t, raw) for n, (t, raw) in enumerate(chunks)]


def lost_bytes(campaign: Campaign, chunks: Chunks) -> Chunks:
    at = campaign.rng.randrange(len(chunks))
    time_us, raw = chunks[at]
    cut = campaign.rng.randrange(len(raw))
    chunks[at] = (time_us, raw[:cut] + raw[cut + campaign.rng.randint(1, 5) :])
    return chunks


def duplicated_bytes(campaign: Campaign, chunks: Chunks) -> Chunks:
    at = campaign.rng.randrange(len(chunks))
    time_us, raw = chunks[at]
    cut = campaign.rng.randrange(len(raw))
    chunks[at] = (time_us, raw[:cut] + raw[max(0, cut - campaign.rng.randint(1, 5)) :])
    return chunks


def duplicated_frames(campaign: Campaign, chunks: Chunks) -> Chunks:
    time_us = campaign.rng.choice(chunks)[0]
    again = campaign.rng.choice(campaign.history)
    return sorted([*chunks, (time_us, again), (time_us, again)], key=lambda c: c[0])


def stall(campaign: Campaign, chunks: Chunks) -> Chunks:
    at = campaign.rng.randrange(len(chunks))
    until_us = chunks[at][0] + campaign.rng.choice((15_000, 30_000, 45_000, 55_000, 150_000, 400_000))
    return [(max(t, until_us) if n >= at else t, raw) for n, (t, raw) in enumerate(chunks)]


def host_death(campaign: Campaign, chunks: Chunks) -> Chunks:
    """The host dies after some byte of some command, and says no more."""
    at = campaign.rng.randrange(len(chunks))
    cut = campaign.counts["host_death"] % len(chunks[at][1])
    return [*chunks[:at], (chunks[at][0], chunks[at][1][:cut])]


def reconnect(campaign: Campaign, chunks: Chunks) -> Chunks:
    """Another host opens a session in the midst of it, and the first goes on as if nothing had happened."""
    host = campaign.host
    time_us = campaign.rng.choice(chunks)[0]
    nonce = campaign.rng.choice((host.nonce, campaign.rng.getrandbits(31) + 1))
    expires_us = round(time_us + host.offset_us + campaign.rng.choice((-500, 20_000, 20_000))) & 0xFFFFFFFF
    opening = WireFrame(Kind.OPEN_SESSION, host.sequence + campaign.rng.choice((-3, 0, 5)), nonce, (expires_us,))
    raw = wire.encode(opening)
    if campaign.rng.random() < 0.5:
        raw = wire.encode(WireFrame(Kind.STOP, 0, 0)) + raw
    return sorted([*chunks, (time_us, raw)], key=lambda c: c[0])


def garbage(campaign: Campaign, chunks: Chunks) -> Chunks:
    time_us = campaign.rng.choice(chunks)[0]
    raw = campaign.rng.randbytes(campaign.rng.randint(1, 80)).replace(b"\x00", b"\xe7\x4c")
    return sorted([*chunks, (time_us, raw)], key=lambda c: c[0])


def other_session(campaign: Campaign, chunks: Chunks) -> Chunks:
    """A stranger's commands, whole and in time, of a session that was never opened."""
    stranger = HostInTime(campaign.host.board, nonce=1, sequence=campaign.host.sequence + 100)
    stranger.offset_us = campaign.host.offset_us
    chosen = campaign.rng.choice(chunks)[0]
    ahead_us = chosen - campaign.board.now_us + 20_000
    raw = stranger.bytes_of(Kind.PULSE, 0, 0, 5, 0, 1, expires_in_us=ahead_us)
    raw += stranger.bytes_of(Kind.HEARTBEAT, expires_in_us=ahead_us)
    raw += stranger.bytes_of(Kind.SET_LIMITS, 50_000, 5_000, 1_000, 1, 100_000, 50, expires_in_us=ahead_us)
    return sorted([*chunks, (chosen, raw)], key=lambda c: c[0])


def reset(campaign: Campaign, chunks: Chunks) -> Chunks:
    """The board is reset in the midst of a command, as by a host that opens its port."""
    at = campaign.rng.randrange(len(chunks))
    time_us, raw = chunks[at]
    cut = campaign.rng.randrange(len(raw))
    for when_us, before in [*chunks[:at], (time_us, raw[:cut])]:
        campaign.put(before, when_us)
    campaign.host.run(max(0.0, campaign.line_free_us - campaign.board.now_us) + 50)
    campaign.trace.resets_us.append(campaign.board.now_us)
    campaign.board.reset()
    campaign.host.run(15_000)
    note_clock(campaign)
    return []


def note_clock(campaign: Campaign) -> None:
    """After a reset the board's clock begins anew."""
    campaign.host.find_clock()
    campaign.trace.clock_us.append((campaign.trace.resets_us[-1], campaign.host.offset_us))


def interlock(campaign: Campaign, chunks: Chunks) -> Chunks:
    at = campaign.rng.randrange(len(chunks))
    for time_us, raw in chunks[:at]:
        campaign.put(raw, time_us)
    campaign.host.run(max(0.0, chunks[at][0] - campaign.board.now_us))
    set_interlock(campaign, 0)
    for time_us, raw in chunks[at:]:
        campaign.put(raw, time_us)
    campaign.host.run(campaign.rng.choice((2_000, 30_000)))
    set_interlock(campaign, 1)
    return []


def set_interlock(campaign: Campaign, level: int) -> None:
    campaign.trace.interlock_us.append((campaign.board.now_us, level))
    campaign.board.set_input(wire.INTERLOCK_INPUT, level)


FAULTS: tuple[Callable[[Campaign, Chunks], Chunks], ...] = (
    bit_flips,
    torn_write,
    merged_writes,
    lost_bytes,
    duplicated_bytes,
    duplicated_frames,
    stall,
    host_death,
    reconnect,
    garbage,
    other_session,
    interlock,
)
RESET_EVERY = 50  # a reset costs a whole quiet window


def run_campaign(board: BoardInTime, seed: int, num_faults: int) -> tuple[Verdict, Counter[str]]:
    """Inject faults one after the other, let the host recover from each, and judge the whole."""
    campaign = Campaign(board, random.Random(seed))
    campaign.trace.resets_us.append(0.0)
    campaign.host.run(15_000)
    note_clock(campaign)
    campaign.host.reason(Kind.OPEN_SESSION)
    campaign.host.reason(Kind.SET_LIMITS, *limit_values(LIMITS, interlock=True))
    for n in range(num_faults):
        recover(campaign)
        fault = reset if n % RESET_EVERY == RESET_EVERY - 1 else campaign.rng.choice(FAULTS)
        duration_us = campaign.rng.choice((40_000.0, 80_000.0))
        chunks = fault(campaign, ordinary_work(campaign, duration_us))
        campaign.counts[fault.__name__] += 1
        for time_us, raw in chunks:
            campaign.put(raw, time_us)
        end_us = max(campaign.line_free_us, campaign.board.now_us)
        campaign.host.run(end_us - campaign.board.now_us + campaign.rng.choice((0.0, 20_000.0, 75_000.0)))
    campaign.host.reason(Kind.STOP)
    campaign.host.run(20_000)
    campaign.trace.edges = campaign.host.edges
    verdict = judge(campaign.trace)
    campaign.counts["pulses"] += verdict.pulses
    campaign.counts["frames heard"] += verdict.frames
    campaign.counts["events"] += len(campaign.host.events)
    return verdict, campaign.counts
