"""Other people's boards, emulated from their published specifications, behind a pseudo-terminal each.

python -m tests.emulated_boards harp-behavior --log pins.csv
"""

import heapq
import struct
from pathlib import Path

import click

from rig.ttl import harp_wire
from rig.ttl.emulated_lines import Edge
from rig.ttl.harp_wire import ERROR, READ, WRITE, HarpMessage
from rig.ttl.simulated_board import PortServer, serve_until_terminated


class Lines:
    """Outputs that change at once or later; what is planned for one output can be dropped."""

    def __init__(self) -> None:
        self.levels: dict[int, int] = {}
        self.planned: list[tuple[int, int, int]] = []
        self.edges: list[Edge] = []

    def put(self, time_us: int, output: int, level: int) -> None:
        if self.levels.get(output, 0) != level:
            self.levels[output] = level
            self.edges.append(Edge(time_us, output, level))

    def plan(self, time_us: int, output: int, level: int) -> None:
        heapq.heappush(self.planned, (time_us, output, level))

    def drop(self, time_us: int, output: int) -> None:
        self.planned = [plan for plan in self.planned if plan[1] != output]
        heapq.heapify(self.planned)
        self.put(time_us, output, 0)

    def advance(self, time_us: int) -> None:
        while self.planned and self.planned[0][0] <= time_us:
            self.put(*heapq.heappop(self.planned))


class EmulatedSerialBoard:
    """A `rig.ttl.simulated_board.BoardProgram` around `Lines`."""

    def __init__(self) -> None:
        self.lines = Lines()
        self.now_us = 0
        self.buffer = bytearray()

    def receive(self) -> bytes:
        """Do what the bytes in `buffer` ask for, and answer."""
        raise NotImplementedError

    def step(self, time_us: int, data: bytes) -> bytes:
        self.now_us = max(self.now_us, time_us)
        self.lines.advance(self.now_us)
        self.buffer += data
        return self.receive() if data else b""

    def wake_us(self) -> int | None:
        return self.lines.planned[0][0] if self.lines.planned else None

    def excuse(self, late_us: int, heard: bool) -> int:
        """See BoardProgram: no board of these has a deadline."""
        return 0

    def take_edges(self) -> list[Edge]:
        edges, self.lines.edges = self.lines.edges, []
        return edges

    def reset(self) -> None:
        for output in list(self.lines.levels):
            self.lines.drop(self.now_us, output)


class HarpEmulator(EmulatedSerialBoard):
    """Common registers of a Harp device: identity, time, operation control."""

    identity = 0
    num_outputs = 0

    def __init__(self) -> None:
        super().__init__()
        self.registers: dict[int, bytes] = {
            0: self.identity.to_bytes(2, "little"),
            6: b"\x03",
            7: b"\x00",
            10: b"\x00",
        }

    def receive(self) -> bytes:
        sent = b""
        while (message := harp_wire.parse(self.buffer)) is not None:
            sent += harp_wire.encode(self.answer(message))
        return sent

    def answer(self, message: HarpMessage) -> HarpMessage:
        kind, address = message.kind, message.address
        if kind == WRITE and message.payload and (address == 10 or self.write(address, message.payload)):
            self.registers[address] = message.payload
        elif kind != READ or address not in self.registers:
            kind |= ERROR
        payload = self.registers.get(address, b"")
        return HarpMessage(kind, address, message.payload_type, payload, self.now_us)

    def write(self, address: int, payload: bytes) -> bool:
        """Act on a write; False when there is no such register or value."""
        raise NotImplementedError


class BehaviorEmulator(HarpEmulator):
    identity = 1216
    num_outputs = 14

    def write(self, address: int, payload: bytes) -> bool:
        value = int.from_bytes(payload, "little")
        outputs = [n for n in range(self.num_outputs) if value >> n & 1]
        if address == 34:
            for output in outputs:
                self.raise_output(output)
        elif address == 35:
            for output in outputs:
                self.lines.drop(self.now_us, output)
        elif 46 <= address <= 59:
            return value >= 1
        else:
            return address == 45
        return True

    def raise_output(self, output: int) -> None:
        self.lines.drop(self.now_us, output)
        self.lines.put(self.now_us, output, 1)
        if int.from_bytes(self.registers.get(45, b"\0"), "little") >> output & 1:
            duration_ms = int.from_bytes(self.registers[46 + output], "little")
            self.lines.plan(self.now_us + 1000 * duration_ms, output, 0)


class CuttlefishEmulator(HarpEmulator):
    identity = 1403
    num_outputs = 8

    def __init__(self) -> None:
        super().__init__()
        self.registers |= {address: bytes(17) for address in range(41, 49)}

    def write(self, address: int, payload: bytes) -> bool:
        if address == 40:
            for output in range(self.num_outputs):
                self.lines.drop(self.now_us, output)
                if payload[0]:
                    self.start(output)
        elif address == 35:
            for output in range(self.num_outputs):
                if payload[0] >> output & 1:
                    self.lines.put(self.now_us, output, 0)
        elif 41 <= address <= 48:
            return len(payload) == 17
        else:
            return address in (32, 34)
        return True

    def start(self, output: int) -> None:
        offset_us, on_us, off_us, cycles, _ = struct.unpack("<IIIIB", self.registers[41 + output])
        directions = self.registers.get(32, b"\0")[0]
        for cycle in range(cycles if directions >> output & 1 else 0):
            rise_us = self.now_us + offset_us + cycle * (on_us + off_us)
            self.lines.plan(rise_us, output, 1)
            self.lines.plan(rise_us + on_us, output, 0)


class PulsePalEmulator(EmulatedSerialBoard):
    """Pulse Pal 2: times in units of 50 us, volts in 16 bits; a train pulses until its duration is over."""

    sizes = {1: 1, 2: 2, 3: 2, 12: 1, 13: 1, 14: 1, 15: 1, 16: 1, 17: 2, 128: 1} | dict.fromkeys(range(4, 12), 4)

    def __init__(self) -> None:
        super().__init__()
        self.parameters: dict[tuple[int, int], int] = {}

    def receive(self) -> bytes:
        sent = b""
        while len(self.buffer) >= 2:
            if self.buffer[0] != 213:
                del self.buffer[0]
                continue
            size, answer = self.one()
            if size == 0:
                return sent
            del self.buffer[:size]
            sent += answer
        return sent

    def one(self) -> tuple[int, bytes]:
        """Length of the message at the start of the buffer (0: more must come), and its answer."""
        code = self.buffer[1]
        if code == 74:
            size = 4 + self.sizes.get(self.buffer[2], 1) if len(self.buffer) > 2 else 99
            if len(self.buffer) < size:
                return 0, b""
            value = int.from_bytes(self.buffer[4:size], "little")
            self.parameters[self.buffer[3] - 1, self.buffer[2]] = value
            return size, b"\x01"
        size = {72: 2, 77: 3, 80: 2, 81: 2, 82: 4}.get(code, 2)
        if len(self.buffer) < size:
            return 0, b""
        if code == 77:
            for output in range(4):
                if self.buffer[2] >> output & 1:
                    self.trigger(output)
        if code in (80, 81):
            self.reset()
        return size, bytes([75]) + (22).to_bytes(4, "little") if code == 72 else b""

    def trigger(self, output: int) -> None:
        width, gap, total, delay = (50 * self.parameters.get((output, code), 0) for code in (4, 7, 10, 11))
        high = self.parameters.get((output, 2), 0x8000) > 0xA000 > self.parameters.get((output, 17), 0x8000)
        rise_us = self.now_us + delay
        end_us = rise_us + total
        while high and rise_us < end_us:
            self.lines.plan(rise_us, output, 1)
            self.lines.plan(min(rise_us + width, end_us), output, 0)
            rise_us += width + gap


class SketchEmulator(EmulatedSerialBoard):
    """A lab's sketch: "P" starts a pulse of 5 ms on the only output, which nothing can cut."""

    def receive(self) -> bytes:
        asked = b"P" in self.buffer and not self.lines.levels.get(0)
        self.buffer.clear()
        if asked:
            self.lines.put(self.now_us, 0, 1)
            self.lines.plan(self.now_us + 5_000, 0, 0)
        return b""

    def reset(self) -> None:
        self.lines.drop(self.now_us, 0)


BOARDS = {
    "harp-behavior": BehaviorEmulator,
    "harp-cuttlefish": CuttlefishEmulator,
    "pulse-pal": PulsePalEmulator,
    "serial-character": SketchEmulator,
}


@click.command()
@click.argument("kind", type=click.Choice(list(BOARDS)))
@click.option("--log", "log_path", type=click.Path(path_type=Path), required=True)
def main(kind: str, log_path: Path) -> None:
    """Run it until SIGTERM."""
    serve_until_terminated(PortServer(BOARDS[kind](), log_path, 10.0, reset_on_open=False))


if __name__ == "__main__":
    main()
