"""A simulated Arduino Uno with its boot loader (STK500, as optiboot speaks it) and an emulated Etholoop board as what
it runs.

python -m tests.bootloader --log pins.csv --flash flash.bin
"""

from pathlib import Path

import click

from rig.ttl import wire
from rig.ttl.emulated_lines import Edge
from rig.ttl.simulated_board import EmulatedBoard, PortServer, serve_until_terminated

IN_SYNC, OK, END = b"\x14", b"\x10", 0x20
SIGNATURE = bytes.fromhex("1e950f")
SET_ADDRESS, WRITE_PAGE, READ_PAGE, READ_SIGNATURE, GET_PARAMETER = 0x55, 0x64, 0x74, 0x75, 0x41
SET_DEVICE, SET_DEVICE_MORE, UNIVERSAL = 0x42, 0x45, 0x56
FLASH_BYTES = 32_768


class ArduinoUno:
    """A `rig.ttl.simulated_board.BoardProgram`: the boot loader, until somebody talks to the program instead."""

    def __init__(self, flash_path: Path) -> None:
        self._flash_path = flash_path
        self.flash = bytearray(b"\xff" * FLASH_BYTES)
        self.address = 0
        self.buffer = bytearray()
        self.loading = True
        self.program = EmulatedBoard(settled=True, loopback={})

    def step(self, time_us: int, data: bytes) -> bytes:
        """See BoardProgram."""
        if self.loading and data[:1] == wire.MAGIC.to_bytes(2, "little")[:1]:
            self.loading = False
            self._flash_path.write_bytes(self.flash)
        if not self.loading:
            return self.program.step(time_us, data)
        self.program.step(time_us, b"")
        self.buffer += data
        answers = b""
        while (length := self._length()) and len(self.buffer) >= length:
            answers += self._execute(bytes(self.buffer[:length]))
            del self.buffer[:length]
        return answers

    def _length(self) -> int:
        """Bytes of the command that has begun, 0 while that is not known."""
        held = self.buffer
        if not held:
            return 0
        if held[0] == WRITE_PAGE:
            return 5 + int.from_bytes(held[1:3], "big") if len(held) >= 4 else 0
        lengths = {SET_ADDRESS: 4, READ_PAGE: 5, GET_PARAMETER: 3, SET_DEVICE: 22, UNIVERSAL: 6}
        if held[0] == SET_DEVICE_MORE:
            return held[1] + 2 if len(held) > 1 else 0
        return lengths.get(held[0], 2)

    def _execute(self, raw: bytes) -> bytes:
        if raw[-1] != END:
            return b"\x15"
        content = b""
        if raw[0] == SET_ADDRESS:
            self.address = 2 * int.from_bytes(raw[1:3], "little")
        elif raw[0] == WRITE_PAGE:
            self.flash[self.address : self.address + len(raw) - 5] = raw[4:-1]
        elif raw[0] == READ_PAGE:
            content = bytes(self.flash[self.address : self.address + int.from_bytes(raw[1:3], "big")])
        elif raw[0] == READ_SIGNATURE:
            content = SIGNATURE
        elif raw[0] in (GET_PARAMETER, UNIVERSAL):
            content = b"\x03"
        return IN_SYNC + content + OK

    def wake_us(self) -> int | None:
        """See BoardProgram."""
        return self.program.wake_us()

    def excuse(self, late_us: int, heard: bool) -> int:
        """See BoardProgram."""
        return self.program.excuse(late_us, heard)

    def take_edges(self) -> list[Edge]:
        """See BoardProgram."""
        return self.program.take_edges()

    def reset(self) -> None:
        """See BoardProgram."""
        self.loading = True
        self.buffer.clear()
        self.program.reset()


@click.command()
@click.option("--log", "log_path", type=click.Path(path_type=Path), required=True)
@click.option("--flash", "flash_path", type=click.Path(path_type=Path), required=True)
def main(log_path: Path, flash_path: Path) -> None:
    """Run it until SIGTERM."""
    serve_until_terminated(PortServer(ArduinoUno(flash_path), log_path, 20.0, reset_on_open=True))


if __name__ == "__main__":
    main()
