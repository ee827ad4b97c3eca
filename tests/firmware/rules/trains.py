"""Pulses and trains are what was asked for, in time, on every channel together."""

from dataclasses import replace

from rig.ttl import wire
from rig.ttl.wire import Kind, Reason
from tests.firmware import crowds
from tests.firmware.boards_in_time import LIMITS, BoardInTime, HostInTime
from tests.firmware.rules.common import CLOCK_US, JITTER_US, LONGEST_SILENCE_US, SLOT, armed_host, close, only_pulse
from tests.firmware.simulated_firmware import SimulatedFirmware

FAST_LIMITS = replace(LIMITS, max_duty=0.5, min_interval_us=100, max_pulses=3_000)
LONG_LIMITS = replace(
    LIMITS, max_width_us=5_000_000, max_duty=0.5, window_us=11_000_000, min_interval_us=100, max_pulses=10_000
)
FAR = (  # channel, delay, width, period and count of trains that run together
    ((1, 0, 1, 20, 2), (3, 0, 1, 20, 2)),
    ((0, 0, 40_000, 0, 1),),
    ((0, 0, 1, 45_000, 2),),
    ((0, 0, 1, 300, 240), (1, 66_000, 1, 0, 1), (2, 0, 2, 66_300, 2), (3, 66_600, 3, 0, 1)),
)
CROWD = (  # channel, period in slots, count, and the answer; trains that begin together, with a pulse of one slot
    (0, 3, 200, Reason.NONE),  # 6,667 edges per second, rounded up
    (1, 3, 200, Reason.NONE),
    (2, 2, 200, Reason.BUSY),
    (2, 30, 2, Reason.BUSY),  # 667, rounded up: 14,001 together
    (2, 31, 20, Reason.NONE),  # 646
    (3, 0, 1, Reason.NONE),
    (4, 1_000, 2, Reason.NONE),  # 20: 14,000 together
    (5, wire.CEILING_PERIOD_US // SLOT, 2, Reason.BUSY),
    (5, 0, 1, Reason.NONE),
)


def pulse_has_its_width_and_time(board: BoardInTime) -> None:
    host = armed_host(board)
    answer = host.ask(Kind.PULSE, 2, 30, 15, 0, 1)
    host.beat_for(10_000)
    rise, width = only_pulse(host, 2)
    assert close(width, 15 * SLOT)
    assert abs(rise + host.offset_us - answer.fields["time_us"]) < CLOCK_US
    ended = next(event for event in host.events if event.kind == Kind.TRAIN_ENDED)
    assert (ended.fields["channel"], ended.fields["pulses"]) == (2, 1)
    assert ended.fields["reason"] == Reason.COMPLETED


def train_is_finite_and_regular(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=20, channel=5, period=100, count=6) is Reason.NONE
    host.beat_for(200_000)
    pulses = host.pulses_of(5)
    assert len(pulses) == 6
    assert all(close(width, 20 * SLOT) for _, width in pulses)
    assert all(close(rise - pulses[0][0], n * 100 * SLOT) for n, (rise, _) in enumerate(pulses))


def trains_on_two_channels_do_not_meet(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=3, channel=0, period=60, count=5) is Reason.NONE
    assert host.pulse(width=7, channel=6, delay=2, period=71, count=4) is Reason.NONE
    host.beat_for(60_000)
    assert [close(width, 3 * SLOT) for _, width in host.pulses_of(0)] == [True] * 5
    assert [close(width, 7 * SLOT) for _, width in host.pulses_of(6)] == [True] * 4


def far_edge_comes_on_time(board: BoardInTime) -> None:
    host = armed_host(board)
    answer = host.ask(Kind.PULSE, 1, 18_000, 10, 0, 1)
    host.beat_for(1_900_000)
    rise, width = only_pulse(host, 1)
    assert close(width, 10 * SLOT)
    assert abs(rise + host.offset_us - answer.fields["time_us"]) < CLOCK_US


def busy_channel_refuses(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=200) is Reason.NONE
    assert host.pulse(width=1) is Reason.BUSY
    assert host.pulse(width=1, channel=1) is Reason.NONE


def edges_of_all_trains_together_are_limited(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin(FAST_LIMITS)
    host.arm()
    for channel, period, count, reason in CROWD:
        host.send(Kind.HEARTBEAT)
        assert host.pulse(width=1, channel=channel, delay=200, period=period, count=count) is reason
    host.beat_for(230_000)
    assert len(host.pulses_of(0)) == 200
    assert host.pulse(width=1, channel=0, period=2, count=2) is Reason.NONE


def keeps_time(board: SimulatedFirmware, chosen: tuple[crowds.Crowd, ...]) -> None:
    host = HostInTime(board)
    host.begin(crowds.LIMITS)
    host.arm()
    phase_us = crowds.calm_phase_us(host)
    for seed, crowd in enumerate(chosen):
        served = crowds.serve_crowd(host, crowd, seed, phase_us)
        assert board.resets == 0
        assert served.spread_us < JITTER_US
        assert served.excess_us <= 0.0


def crowds_are_in_time_and_no_pulse_is_too_wide(board: SimulatedFirmware) -> None:
    keeps_time(board, crowds.WORST * 2)


def edges_come_before_inputs(board: SimulatedFirmware) -> None:
    keeps_time(board, crowds.STORMS * 2)


def longer_work_waits_for_a_gap(board: SimulatedFirmware) -> None:
    keeps_time(board, crowds.INTERRUPTED * 4)


def far_edges_come_on_time_beside_near_ones(board: BoardInTime) -> None:
    """Near edges are compared by the low half of their slot: those that are 2^16 slots away must not pass for them."""
    host = HostInTime(board)
    host.begin(LONG_LIMITS)
    for trains in FAR:
        host.arm()
        host.edges.clear()
        starts_us = []
        for train in trains:
            host.send(Kind.HEARTBEAT)
            channel, delay, width, period, count = train
            starts_us.append(host.ask(Kind.PULSE, channel, delay, width, period, count).fields["time_us"])
        host.beat_for(max(delay + width + period * (count - 1) for _, delay, width, period, count in trains) * SLOT)
        host.beat_for(20_000)
        for (channel, _, width, period, count), start_us in zip(trains, starts_us, strict=True):
            pulses = host.pulses_of(channel)
            assert len(pulses) == count
            assert all(close(actual, width * SLOT) for _, actual in pulses)
            wanted_us = [start_us - host.offset_us + n * period * SLOT for n in range(count)]
            assert all(abs(rise - w) < CLOCK_US for (rise, _), w in zip(pulses, wanted_us, strict=True))


def crowds_that_meet_the_tick_need_heartbeats(board: SimulatedFirmware) -> None:
    """Edges whose serving takes until after the tick, in each slot of the millisecond."""
    host = HostInTime(board)
    host.begin(crowds.LIMITS)
    for first in range(300, 310):
        host.arm()
        for channel in range(7):
            host.send(Kind.HEARTBEAT)
            host.send(Kind.PULSE, channel, first - 20 * channel, 1, 10, 200)
            host.run(20 * SLOT)
        host.ask(Kind.HEARTBEAT)
        last_us = host.board.now_us
        host.run(250_000)
        assert host.is_low()
        assert host.edges[-1][0] < last_us + LONGEST_SILENCE_US


def every_moment_is_good_for_a_command(board: SimulatedFirmware) -> None:
    host = HostInTime(board)
    host.begin(crowds.LIMITS)
    host.arm()
    phase_us = crowds.calm_phase_us(host)
    host.edges.clear()
    for n in range(150):
        host.send(Kind.HEARTBEAT)
        host.run(1_000 + 7.3 * n)
        assert host.pulse(width=1) is Reason.NONE
    host.run(2_000)
    assert all(abs((time_us - phase_us + SLOT / 2) % SLOT - SLOT / 2) < JITTER_US / 2 for time_us, _, _ in host.edges)
    assert all(close(width, SLOT) for _, width in host.pulses_of(0))
    assert len(host.pulses_of(0)) == 150
