"""Frames survive the wire, and nothing else is taken for one."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.ttl import wire
from rig.ttl.wire import TABLE, Kind, WireFrame
from rig.ttl.wire_header import CRC_PATH, HEADER_PATH, crc_text, header_text
from tests.firmware.wire_program import expected_line, program_text

VECTORS_PATH = Path(__file__).parent / "firmware" / "wire_vectors.txt"

MAXIMA = {"u8": 0xFF, "u16": 0xFFFF, "u32": 0xFFFFFFFF, "u64": 2**64 - 1}


@st.composite
def frames(draw: st.DrawFn) -> WireFrame:
    kind = draw(st.sampled_from(Kind))
    values = tuple(draw(st.integers(0, MAXIMA[unit])) for _, unit in TABLE[kind].fields)
    word = st.integers(0, 0xFFFFFFFF)
    return WireFrame(kind, draw(word), draw(word), values)


@given(st.lists(frames(), max_size=5), st.binary(max_size=20), st.data())
def test_frames_survive_any_chunking_and_noise_before_them(
    sent: list[WireFrame], noise: bytes, data: st.DataObject
) -> None:
    noise = noise.replace(b"\xe7", b"")
    raw = noise + b"".join(map(wire.encode, sent))
    parser = wire.new_parser(wire.MAX_REPLY_PAYLOAD)
    got = []
    while raw:
        cut = data.draw(st.integers(1, len(raw)))
        got += parser.feed(raw[:cut])
        raw = raw[cut:]
    assert got == sent


@given(frames(), st.data())
def test_a_flipped_bit_is_refused_and_the_next_frame_is_found(frame: WireFrame, data: st.DataObject) -> None:
    raw = bytearray(wire.encode(frame))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    follower = WireFrame(Kind.STOP, 7, 7)
    parser = wire.new_parser(wire.MAX_REPLY_PAYLOAD)
    got = parser.feed(bytes(raw) + wire.encode(follower) * 4)
    assert frame not in got
    assert got[-1] == follower


def test_payloads_fit_the_buffers_of_both_ends() -> None:
    for kind, layout in TABLE.items():
        longest = wire.MAX_COMMAND_PAYLOAD if kind in wire.COMMANDS else wire.MAX_REPLY_PAYLOAD
        assert layout.packer.size <= longest


@pytest.mark.parametrize("kind", [0, 0x3F, 0xFF])
def test_a_kind_that_the_table_does_not_know_is_malformed(kind: int) -> None:
    body = wire.HEADER.pack(wire.MAGIC, 0, kind, 1, 2)
    raw = body + wire.zlib.crc32(body).to_bytes(4, "little")
    (frame,) = wire.new_parser(wire.MAX_COMMAND_PAYLOAD).feed(raw)
    assert frame.malformed


def test_the_header_of_the_firmware_is_written_from_the_table() -> None:
    assert HEADER_PATH.read_text() == header_text(), "python -m rig.ttl.wire_header"
    assert CRC_PATH.read_text() == crc_text(), "python -m rig.ttl.wire_header"


def vectors() -> list[tuple[WireFrame, str]]:
    """Frames of every kind with their bytes, which neither rendering may change."""
    lines = VECTORS_PATH.read_text().splitlines()
    read = []
    for line in lines:
        name, sequence, nonce, values, raw = line.split(" ")
        numbers = tuple(map(int, values.split(","))) if values != "-" else ()
        read.append((WireFrame(Kind[name], int(sequence), int(nonce), numbers), raw))
    assert {frame.kind for frame, _ in read} == set(Kind)
    return read


def test_python_writes_and_reads_the_vectors() -> None:
    for frame, raw in vectors():
        assert wire.encode(frame).hex() == raw
        assert wire.new_parser(wire.MAX_REPLY_PAYLOAD).feed(bytes.fromhex(raw)) == [frame]


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler: sudo apt-get install gcc")
def test_c_reads_the_vectors(tmp_path: Path) -> None:
    source, program = tmp_path / "read.c", tmp_path / "read"
    source.write_text(program_text())
    subprocess.run(["cc", "-Wall", "-Werror", f"-I{HEADER_PATH.parent}", str(source), "-o", str(program)], check=True)
    text = "\n".join(raw for _, raw in vectors())
    said = subprocess.run([str(program)], input=text, capture_output=True, text=True, check=True).stdout
    expected = [expected_line(Kind(f.kind), f.sequence, f.nonce, f.values) for f, _ in vectors()]
    assert said.splitlines() == expected
