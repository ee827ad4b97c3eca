"""When the real firmware's edges come, in simulated time: jitter, widths, and the way from a command to a pin."""

import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from rig.ttl import wire
from rig.ttl.protocol import BoardLimits
from rig.ttl.wire import Kind, Reason, SyncMode
from tests.firmware import crowds
from tests.firmware.boards_in_time import BYTE_US, HostInTime
from tests.firmware.crowds import WORST, Crowd, calm_phase_us, random_crowd, serve_crowd
from tests.firmware.simulated_firmware import SimulatedFirmware, build_firmware
from tests.ttl_benches import needs_simavr

Record = Callable[[str, object], None]
SLOT = wire.SLOT_US
LIMITS = BoardLimits(max_width_us=300_000, max_duty=0.5, window_us=1_000_000, min_interval_us=100, max_pulses=100_000)
JITTER_US = 10.0
pytestmark = needs_simavr


@pytest.fixture
def board() -> Iterator[SimulatedFirmware]:
    board = SimulatedFirmware(build_firmware())
    yield board
    board.close()


@pytest.fixture
def host(board: SimulatedFirmware) -> HostInTime:
    host = HostInTime(board)
    host.run(15_000)
    host.begin(LIMITS)
    host.arm()
    return host


def offsets_on_grid(host: HostInTime) -> NDArray[np.float64]:
    """How far each edge lies from the grid on which all edges should lie."""
    times = np.array([time_us for time_us, _, _ in host.edges])
    phase = np.median(times % SLOT)
    return (times - phase + SLOT / 2) % SLOT - SLOT / 2


@pytest.mark.parametrize("channels", [1, 7])
def test_jitter_stays_under_10_us_whatever_else_the_board_does(
    host: HostInTime, channels: int, record_property: Record
) -> None:
    rng = random.Random(channels)
    assert host.reason(Kind.SYNC, int(SyncMode.BARCODE), 99) is Reason.NONE
    for channel in range(channels):
        width = rng.randint(1, 20)
        assert host.pulse(width, channel, 0, 2 * width + rng.randint(1, 40), 4_000) is Reason.NONE
    for _ in range(150):
        host.send(Kind.HEARTBEAT)
        host.send(rng.choice((Kind.STATUS, Kind.IDENTIFY, Kind.HEARTBEAT)))
        host.board.set_input(rng.randrange(3), rng.randint(0, 1))
        host.run(rng.uniform(1_500, 9_000))
    offsets = offsets_on_grid(host)
    assert len(offsets) > 300
    assert np.ptp(offsets) < JITTER_US
    record_property(
        "counts", f"jitter, {channels} trains and a barcode: {len(offsets)} edges, {np.ptp(offsets):.1f} us at most"
    )


def hold_to_the_grid(
    board: SimulatedFirmware, host: HostInTime, chosen: list[tuple[int, Crowd]], record_property: Record
) -> None:
    """Crowds one after the other: every edge in time, and no pulse longer than asked for, by nothing at all."""
    phase_us = calm_phase_us(host)
    served = []
    for seed, crowd in chosen:
        served.append(serve_crowd(host, crowd, seed, phase_us))
        assert served[-1].spread_us < JITTER_US, (seed, crowd)
        assert served[-1].excess_us <= 0.0, (seed, crowd)
        assert board.resets == 0, (seed, crowd)
    edges, refused = sum(each.edges for each in served), sum(each.refused for each in served)
    record_property(
        "counts",
        f"{len(served)} crowds: {edges} edges, {refused} trains refused, jitter {max(s.spread_us for s in served):.1f} "
        f"us at most, widths {max(s.excess_us for s in served):+.1f} us at most",
    )


def test_edges_that_crowd_are_in_time(board: SimulatedFirmware, host: HostInTime, record_property: Record) -> None:
    chosen = list(enumerate(WORST)) + [(seed, random_crowd(random.Random(seed))) for seed in range(40)]
    assert {crowd.traffic for _, crowd in chosen} == set(crowds.TRAFFIC)
    hold_to_the_grid(board, host, chosen, record_property)


@pytest.mark.soak
@pytest.mark.parametrize("first", [10_000, 20_000])
def test_edges_of_3000_crowds_are_in_time(
    board: SimulatedFirmware, host: HostInTime, first: int, record_property: Record
) -> None:
    chosen = [(seed, random_crowd(random.Random(seed))) for seed in range(first, first + 1_500)]
    hold_to_the_grid(board, host, chosen, record_property)


@pytest.mark.parametrize(
    ("width_ms", "period_ms", "count", "duration_ms"), [(250, 0, 1, 300), (10, 50, 40, 2_100), (0.1, 0.2, 100, 30)]
)
def test_pulses_are_as_long_and_as_far_apart_as_asked(
    host: HostInTime, width_ms: float, period_ms: float, count: int, duration_ms: float, record_property: Record
) -> None:
    width, period = round(width_ms * 1000), round(period_ms * 1000)
    assert host.pulse(width // SLOT, 0, 0, period // SLOT, count) is Reason.NONE
    host.beat_for(duration_ms * 1000)
    pulses = host.pulses_of(0)
    assert len(pulses) == count
    errors = [actual - width for _, actual in pulses]
    errors += [rise - pulses[0][0] - n * period for n, (rise, _) in enumerate(pulses)]
    assert max(map(abs, errors)) < JITTER_US
    record_property("counts", f"{count} x {width_ms} ms: errors up to {max(map(abs, errors)):.2f} us")


@pytest.mark.parametrize(
    ("what", "width_ms", "period_ms", "count", "commands"),
    [("0.5 ms", 0.5, 0, 1, 300), ("250 ms", 250, 0, 1, 40), ("10 ms at 20 Hz", 10, 50, 5, 40)],
)
def test_command_to_pin(
    host: HostInTime, what: str, width_ms: float, period_ms: float, count: int, commands: int, record_property: Record
) -> None:
    rng = random.Random(1)
    width, period = round(width_ms * 1000) // SLOT, round(period_ms * 1000) // SLOT
    frame_us = len(host.bytes_of(Kind.PULSE, 0, 0, 1, 0, 1, sequence=0)) * BYTE_US
    totals = []
    for _ in range(commands):
        host.send(Kind.HEARTBEAT)
        host.run(rng.uniform(2_000, 5_000))
        start_us, before = host.board.now_us, len(host.pulses_of(0))
        assert host.pulse(width, 0, 0, period, count) is Reason.NONE
        host.beat_for((period or width) * count * SLOT * 4)
        pulses = host.pulses_of(0)[before:]
        assert [abs(actual - width * SLOT) < JITTER_US for _, actual in pulses] == [True] * count
        totals.append(pulses[0][0] - start_us)
    totals_us = np.array(totals)
    assert totals_us.min() > frame_us
    assert totals_us.max() < frame_us + 450
    low, median, high, most = np.percentile(totals_us, [5, 50, 95, 100])
    record_property(
        "counts",
        f"command to pin, {what}: p5 {low:.0f}, p50 {median:.0f}, p95 {high:.0f}, max {most:.0f} us, "
        f"of which the wire {frame_us:.0f} us ({100 * frame_us / median:.0f} % of p50)",
    )


def test_answers_give_the_time_of_the_pin(host: HostInTime) -> None:
    rng = random.Random(2)
    differences = []
    for _ in range(40):
        delay = rng.choice((0, 0, 3, 70))
        answer = host.ask(Kind.PULSE, 1, delay, 2, 0, 1)
        host.beat_for(10_000 + rng.uniform(0, 3_000))
        differences.append(host.pulses_of(1)[-1][0] - answer.fields["time_us"])
    assert np.ptp(differences) < JITTER_US


def test_an_input_sees_a_pulse_when_the_answer_says(board: SimulatedFirmware, host: HostInTime) -> None:
    board.wire(1, 0)
    host.run(3_000)
    host.events.clear()
    for delay in (0, 3, 70, 2):
        start_us = host.ask(Kind.PULSE, 1, delay, 20, 0, 1).fields["time_us"]
        host.beat_for(20_000)
        changes = [event.fields for event in host.events if event.kind == Kind.INPUT_CHANGED]
        ended = next(event.fields for event in host.events if event.kind == Kind.TRAIN_ENDED)
        host.events.clear()
        assert [change["level"] for change in changes] == [1, 0]
        assert abs(changes[0]["time_us"] - start_us) < JITTER_US
        assert abs(changes[1]["time_us"] - ended["time_us"]) < JITTER_US


def test_every_position_of_the_clock_tick_is_good_for_a_pulse(host: HostInTime) -> None:
    for n in range(220):
        host.send(Kind.HEARTBEAT)
        host.run(3_000 + 7.3 * n)
        assert host.pulse(width=3) is Reason.NONE
    host.run(2_000)
    assert all(abs(width - 3 * SLOT) < JITTER_US for _, width in host.pulses_of(0))
    assert len(host.pulses_of(0)) == 220
