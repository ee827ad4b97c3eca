"""Faults of every kind against boards in simulated time: nothing that the board promises is ever broken."""

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from rig.ttl import wire
from rig.ttl.limits import limit_values
from rig.ttl.wire import Kind, Reason, WireFrame
from tests.firmware.boards_in_time import BoardInTime, EmulatorInTime, HostInTime
from tests.firmware.faults import LIMITS, Campaign, note_clock, recover, run_campaign, set_interlock
from tests.firmware.oracle import judge
from tests.firmware.simulated_firmware import NEAR_WRAP, SimulatedFirmware, build_firmware
from tests.ttl_benches import needs_simavr

Record = Callable[[str, object], None]


def board_of(kind: str) -> BoardInTime:
    if kind == "emulator":
        return EmulatorInTime()
    return SimulatedFirmware(build_firmware(*([NEAR_WRAP] if kind == "wrap" else [])))


def attack(kind: str, seeds: range, faults_each: int, record_property: Record) -> Counter[str]:
    """Campaigns one after the other; their counts go into the test report."""
    total: Counter[str] = Counter()
    for seed in seeds:
        verdict, counts = run_campaign(board_of(kind), seed, faults_each)
        assert verdict.violations == [], f"{kind}, seed {seed}"
        total += counts
    record_property("counts", f"{kind}: " + ", ".join(f"{n} {what}" for what, n in sorted(total.items())))
    return total


def test_the_emulator_under_500_faults(record_property: Record) -> None:
    attack("emulator", range(100, 101), 500, record_property)


@needs_simavr
@pytest.mark.parametrize("kind", ["firmware", "wrap"])
@pytest.mark.parametrize("first", [0, 1])
def test_the_firmware_under_2000_faults(kind: str, first: int, record_property: Record) -> None:
    seed = first if kind == "firmware" else first + 10
    counts = attack(kind, range(seed, seed + 1), 500, record_property)
    assert counts["pulses"] > 300
    assert len([name for name in counts if counts[name] > 5]) > 14


@needs_simavr
@pytest.mark.soak
@pytest.mark.parametrize("first", range(1000, 1100, 10))
def test_the_firmware_under_100000_faults(first: int, record_property: Record) -> None:
    attack("firmware", range(first, first + 5), 1000, record_property)
    attack("wrap", range(first + 5, first + 10), 1000, record_property)


class BoardMachine(RuleBasedStateMachine):
    """Commands, damage and accidents in any order; the whole is judged at the end."""

    make: Callable[[], BoardInTime]

    def __init__(self) -> None:
        super().__init__()
        self.campaign = Campaign(type(self).make(), random.Random(1))
        self.host: HostInTime = self.campaign.host
        self.campaign.trace.resets_us.append(0.0)
        self.host.run(15_000)
        note_clock(self.campaign)
        assert self.host.reason(Kind.OPEN_SESSION) is Reason.NONE
        assert self.host.reason(Kind.SET_LIMITS, *limit_values(LIMITS, interlock=True)) is Reason.NONE
        self.host.run(LIMITS.window_us)
        self.sent = [b"\xe7\x4c"]

    @rule()
    def recover(self) -> None:
        set_interlock(self.campaign, 1)
        recover(self.campaign)

    @rule(beats=st.integers(1, 12))
    def beat(self, beats: int) -> None:
        self.host.beat_for(beats * 10_000)

    @rule(duration_ms=st.sampled_from([1, 3, 20, 49, 51, 70, 300]))
    def silence(self, duration_ms: int) -> None:
        self.host.run(duration_ms * 1000)

    @rule(
        channel=st.integers(0, 8),
        delay=st.sampled_from([0, 1, 40, 10_001, 100_001]),
        width=st.sampled_from([0, 1, 50, 99, 100, 101, 2**32 - 1]),
        gap=st.sampled_from([0, 19, 20, 21, 200]),
        count=st.sampled_from([0, 1, 1, 2, 5, 30, 65_535]),
        expires_ms=st.sampled_from([-5, 0, 20, 20, 20, 999, 1002, 2_000_000]),
    )
    def pulse(self, channel: int, delay: int, width: int, gap: int, count: int, expires_ms: int) -> None:
        period = (width + gap) & 0xFFFFFFFF
        raw = self.host.bytes_of(Kind.PULSE, channel, delay, width, period, count, expires_in_us=expires_ms * 1000)
        self.sent.append(raw)
        self.campaign.put(raw)
        self.host.run(3_000)

    @rule(kind=st.sampled_from([Kind.STOP, Kind.DISARM, Kind.ARM, Kind.STATUS, Kind.IDENTIFY]))
    def command(self, kind: Kind) -> None:
        self.host.send(kind)
        self.host.run(3_000)

    @rule(back=st.integers(1, 5), data=st.data())
    def replay(self, back: int, data: st.DataObject) -> None:
        raw = self.sent[-min(back, len(self.sent))]
        self.campaign.put(raw[data.draw(st.integers(0, 3)) :])
        self.host.run(2_000)

    @rule(raw=st.binary(min_size=1, max_size=60))
    def garbage(self, raw: bytes) -> None:
        self.campaign.put(raw)
        self.host.run(2_000)

    @rule(at=st.integers(0, 34), bit=st.integers(0, 7))
    def damaged_pulse(self, at: int, bit: int) -> None:
        raw = bytearray(self.host.bytes_of(Kind.PULSE, 1, 0, 50, 0, 1))
        raw[at] ^= 1 << bit
        self.campaign.put(bytes(raw))
        self.host.run(3_000)

    @rule(cut=st.integers(1, 34), pause_ms=st.sampled_from([1, 4, 6, 30]))
    def torn_pulse(self, cut: int, pause_ms: int) -> None:
        raw = self.host.bytes_of(Kind.PULSE, 2, 0, 50, 0, 1)
        self.campaign.put(raw[:cut])
        self.host.run(pause_ms * 1000)
        self.campaign.put(raw[cut:])
        self.host.run(3_000)

    @rule(level=st.integers(0, 1))
    def interlock(self, level: int) -> None:
        set_interlock(self.campaign, level)
        self.host.run(3_000)

    @rule()
    def reset(self) -> None:
        self.host.run(max(0.0, self.campaign.line_free_us - self.campaign.board.now_us) + 50)
        self.campaign.trace.resets_us.append(self.campaign.board.now_us)
        self.campaign.board.reset()
        self.host.run(15_000)
        note_clock(self.campaign)

    @rule(nonce=st.integers(1, 3), step=st.integers(-2, 3))
    def other_host(self, nonce: int, step: int) -> None:
        expires_us = round(self.campaign.board.now_us + self.host.offset_us + 20_000) & 0xFFFFFFFF
        opening = WireFrame(Kind.OPEN_SESSION, self.host.sequence + step, nonce, (expires_us,))
        self.campaign.put(wire.encode(opening))
        self.host.run(3_000)

    def teardown(self) -> None:
        set_interlock(self.campaign, 1)
        self.host.run(100_000)
        self.campaign.trace.edges = self.host.edges
        assert judge(self.campaign.trace).violations == []


@pytest.mark.parametrize("kind", ["emulator", pytest.param("firmware", marks=needs_simavr)])
def test_no_sequence_of_events_breaks_a_promise(kind: str) -> None:
    machine = type("Machine", (BoardMachine,), {"make": staticmethod(lambda: board_of(kind))})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=30))
