"""What is a command at all: damaged, torn and false frames do nothing, and whole ones are found among them."""

from rig.ttl import wire
from rig.ttl.wire import Kind, Reason
from tests.firmware.boards_in_time import BoardInTime
from tests.firmware.rules.common import armed_host


def damaged_frames_do_nothing(board: BoardInTime) -> None:
    host = armed_host(board)
    raw = host.bytes_of(Kind.PULSE, 0, 0, 10, 0, 1)
    for at in range(len(raw)):
        for bit in (0, 7):
            damaged = bytearray(raw)
            damaged[at] ^= 1 << bit
            board.feed(bytes(damaged))
            host.send(Kind.HEARTBEAT)
            host.run(3_000)
    assert host.edges == []
    host.run(1_000)
    assert host.ask(Kind.STATUS).fields["bad_frames"] > 0


def frames_with_another_magic_do_nothing(board: BoardInTime) -> None:
    host = armed_host(board)
    for magic in (wire.MAGIC ^ 1, wire.MAGIC ^ 0x100):
        raw = host.bytes_of(Kind.PULSE, 0, 0, 10, 0, 1)
        body = magic.to_bytes(2, "little") + raw[2:-4]
        board.feed(body + wire.zlib.crc32(body).to_bytes(4, "little"))
        host.run(3_000)
        host.ask(Kind.HEARTBEAT)
    assert host.edges == []


def malformed_frames_are_refused(board: BoardInTime) -> None:
    host = armed_host(board)
    for kind, length in ((Kind.PULSE, 4), (Kind.STOP, 1), (0x30, 0), (Kind.HEARTBEAT, 0)):
        host.sequence += 1
        body = wire.HEADER.pack(wire.MAGIC, length, kind, host.sequence, host.nonce) + bytes(length)
        board.feed(body + wire.zlib.crc32(body).to_bytes(4, "little"))
        host.run(3_000)
        assert host.answers[host.sequence].fields["reason"] == Reason.MALFORMED
    assert host.edges == []


def frame_after_garbage_is_found(board: BoardInTime) -> None:
    host = armed_host(board)
    torn = host.bytes_of(Kind.PULSE, 0, 0, 10, 0, 1)[:20]
    whole = host.bytes_of(Kind.PULSE, 1, 0, 10, 0, 1)
    board.feed(b"\xe7\xe7\x4c\xff" + torn + whole)
    host.run(4_000)
    assert [output for _, output, _ in host.edges] == [1, 1]


def half_a_frame_is_forgotten_after_a_pause(board: BoardInTime) -> None:
    host = armed_host(board)
    raw = host.bytes_of(Kind.PULSE, 0, 0, 10, 0, 1, expires_in_us=500_000)
    board.feed(raw[:-2])
    host.run(40_000)
    board.feed(raw[-2:])
    host.run(5_000)
    assert host.edges == []


def stop_behind_half_a_frame_is_found(board: BoardInTime) -> None:
    host = armed_host(board)
    host.pulse(width=200)
    board.feed(host.bytes_of(Kind.PULSE, 0, 0, 10, 0, 1)[:14] + host.bytes_of(Kind.STOP))
    host.run(12_000)
    assert host.is_low()
    assert host.edges[-1][0] - host.edges[0][0] < 12_000
