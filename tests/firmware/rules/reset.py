"""What a reset must not change: it is quiet for a window, and limits and count outlive it."""

import struct
from dataclasses import replace

from rig.ttl import wire
from rig.ttl.limits import limit_values
from rig.ttl.wire import Kind, Reason
from tests.firmware.boards_in_time import LIMITS, BoardInTime, HostInTime
from tests.firmware.rules.common import SLOT, armed_host
from tests.firmware.simulated_firmware import SimulatedFirmware

RECORD_BYTES = 35  # of the store


def reset_is_quiet_for_a_window(board: BoardInTime) -> None:
    host = armed_host(board)
    host.pulse(width=200)
    board.reset()
    host.run(30_000)
    assert host.is_low()
    assert host.pulse() is Reason.WRONG_SESSION
    host.find_clock()
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    assert host.pulse() is Reason.NOT_ARMED
    host.arm()
    host.beat_for(700_000)
    assert host.pulse(channel=1) is Reason.QUIET
    host.beat_for(400_000)
    host.edges.clear()
    host.nonce = 79
    host.ask(Kind.STOP)
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    host.arm()
    assert host.pulse(channel=1) is Reason.NONE


def limits_and_count_survive_a_reset(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=1, period=51, count=30) is Reason.NONE
    host.beat_for(200_000)
    host.ask(Kind.DISARM)
    host.run(250_000)
    board.reset()
    host.run(30_000)
    host.find_clock()
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    status = host.ask(Kind.STATUS).fields
    assert status["pulses"] == 30
    assert status["max_width_slots"] == LIMITS.max_width_us // SLOT
    host.run(1_100_000)
    host.arm()
    assert host.pulse(width=1, period=51, count=11) is Reason.COUNT
    assert host.pulse(width=1, period=51, count=10) is Reason.NONE


def count_is_not_lost_by_a_reset_while_armed(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=1, period=51, count=40) is Reason.NONE
    host.beat_for(230_000)
    board.reset()
    host.run(30_000)
    host.find_clock()
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    host.run(1_100_000)
    host.arm()
    assert host.pulse(width=1) is Reason.COUNT


def count_is_stored_before_the_first_pulse(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=1, period=51, count=40) is Reason.NONE
    board.reset()
    host.run(30_000)
    host.find_clock()
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    host.run(1_100_000)
    host.arm()
    assert host.pulse(width=1) is Reason.COUNT


def damaged_store_is_not_believed(board: SimulatedFirmware) -> None:
    host = HostInTime(board)
    host.begin()
    host.run(250_000)
    good = board.store()
    for at in (4, 8, 12, 20):
        board.reset()
        damaged = bytearray(good)
        for record in range(0, len(good) - RECORD_BYTES, RECORD_BYTES):
            damaged[record + at] ^= 0x5A
        board.set_store(bytes(damaged))
        board.reset()
        host.run(30_000)
        fields = host.ask(Kind.STATUS).fields
        known = (LIMITS.max_width_us, wire.DEFAULT_WIDTH_US)
        assert fields["max_width_slots"] * SLOT in known
        assert fields["pulses"] == 0


def newest_record_is_believed(board: SimulatedFirmware) -> None:
    host = HostInTime(board)
    host.begin()
    for widest in range(30, 65):  # more records than the store has room for
        limits = replace(LIMITS, max_width_us=widest * SLOT)
        assert host.reason(Kind.SET_LIMITS, *limit_values(limits, interlock=False)) is Reason.NONE
        host.run(200_000)
    board.reset()
    host.run(30_000)
    assert host.ask(Kind.STATUS).fields["max_width_slots"] == 64


def stored_limits_over_a_ceiling_are_not_believed(board: SimulatedFirmware) -> None:
    good = limit_values(LIMITS, interlock=False)
    for at, value in ((0, wire.CEILING_WIDTH_US // SLOT + 1), (1, wire.CEILING_DUTY + 1), (5, 51)):
        values = (*good[:at], value, *good[at + 1 :])
        record = struct.pack("<III", 1_000, 77, 0) + struct.pack("<IHIIIB", *values)
        record += wire.zlib.crc32(record).to_bytes(4, "little")
        board.set_store(record + board.store()[len(record) :])
        board.reset()
        host = HostInTime(board)
        host.run(30_000)
        fields = host.ask(Kind.STATUS).fields
        assert fields["max_width_slots"] * SLOT == wire.DEFAULT_WIDTH_US
        assert fields["max_duty"] == wire.DEFAULT_DUTY


def reset_while_storing_loses_nothing(board: SimulatedFirmware) -> None:
    host = armed_host(board)
    assert host.pulse() is Reason.NONE
    host.beat_for(10_000)
    host.ask(Kind.DISARM)
    host.run(250_000)
    known = LIMITS.max_width_us // SLOT
    for n in range(24):
        limits = replace(LIMITS, max_width_us=(known - 1) * SLOT)
        assert host.reason(Kind.SET_LIMITS, *limit_values(limits, interlock=False)) is Reason.NONE
        host.run(5_321 * n)
        board.reset()
        host.run(30_000)
        host.find_clock()
        status = host.ask(Kind.STATUS).fields
        assert status["max_width_slots"] in (known, known - 1)
        assert status["pulses"] == 1
        known = status["max_width_slots"]
        assert host.reason(Kind.OPEN_SESSION) is Reason.NONE


def arming_that_was_given_up_uses_no_allowance(board: BoardInTime) -> None:
    host = HostInTime(board)
    host.begin()
    host.ask(Kind.ARM)
    host.run(1_500_000)
    host.ask(Kind.DISARM)
    host.run(500_000)
    board.reset()
    host.run(30_000)
    assert host.ask(Kind.STATUS).fields["pulses"] == 0


def arming_lowers_no_count(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse(width=1, period=51, count=30) is Reason.NONE
    host.beat_for(200_000)
    host.ask(Kind.DISARM)
    fewer = replace(LIMITS, max_pulses=10)
    assert host.reason(Kind.SET_LIMITS, *limit_values(fewer, interlock=False)) is Reason.NONE
    host.run(250_000)
    host.arm()
    host.run(1_000)
    board.reset()
    host.run(30_000)
    assert host.ask(Kind.STATUS).fields["pulses"] >= 30


def new_window_after_a_reset_is_quiet_too(board: BoardInTime) -> None:
    host = armed_host(board)
    assert host.pulse() is Reason.NONE
    board.reset()
    host.run(30_000)
    host.find_clock()
    assert host.reason(Kind.OPEN_SESSION) is Reason.NONE
    longer = replace(LIMITS, window_us=1_100_000)
    assert host.reason(Kind.SET_LIMITS, *limit_values(longer, interlock=False)) is Reason.NONE
    host.arm()
    assert host.pulse() is Reason.QUIET
