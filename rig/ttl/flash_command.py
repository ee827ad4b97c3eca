"""`etholoop ttl flash`: build the firmware and write it to a board through its boot loader."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import click
from rich.console import Console

from online.errors import BoardError, EtholoopError
from rig.clock import SystemClock
from rig.ttl import wire
from rig.ttl.etholoop_board import EtholoopBoard
from rig.ttl.firmware_build import build_hex
from rig.ttl.port import find_port, open_port

BAUDS = {"uno": 115_200, "nano": 115_200, "nano-old": 57_600}
"""Of the boot loaders; Nanos made before 2018 have the old one, and so have most copies."""
LAST_LINES = 6
HINTS = {
    "not in sync": "the boot loader did not answer: is it an Uno? Try --board nano or nano-old; unplug and plug it in",
    "programmer is not responding": "the boot loader did not answer: try --board nano or nano-old",
    "signature": "the chip is not an ATmega328P: the firmware is for the Arduino Uno and Nano",
    "verification": "what was read back differs: use a shorter cable, then write again",
}


@click.command("flash", epilog="Example: etholoop ttl flash --port usb:2341:0043")
@click.option("--port", help="usb:VID:PID[:SERIAL] or a path.")
@click.option("--board", type=click.Choice(list(BAUDS)), default="uno", show_default=True, help="Its boot loader.")
@click.option("--hex", "given", type=click.Path(exists=True, path_type=Path), help="Write this file, build nothing.")
@click.option("--out", type=click.Path(path_type=Path), help="Build into this file and write no board.")
def command(port: str | None, board: str, given: Path | None, out: Path | None) -> None:
    """Build the firmware and write it to an Arduino Uno or Nano, then ask the board who it is.

    Pull the cables of light sources first: while the boot loader runs, pins float, and it blinks D13. Needs avrdude,
    and avr-gcc unless --hex names a firmware that was built elsewhere (with --out).
    """
    if (port is None) == (out is None):
        raise click.UsageError("name a board by --port, or a file by --out")
    if out is not None:
        build_hex(out)
        click.echo(f"firmware written to {out}; write it to a board: etholoop ttl flash --port PORT --hex {out}")
    elif port is not None:
        flash(port, board, given)


def flash(port: str, board: str, given: Path | None) -> None:
    """Write the firmware to a board, and see that it answers."""
    path = find_port(port)
    if shutil.which("avrdude") is None:
        raise EtholoopError("avrdude is not installed: sudo apt-get install avrdude")
    open_port(path, wire.BAUD).close()  # a port that another program holds, or that we may not open, is told now
    with tempfile.TemporaryDirectory() as folder, Console(stderr=True).status(f"writing the firmware to {path}"):
        firmware = given
        if firmware is None:
            firmware = Path(folder) / "board.hex"
            build_hex(firmware)
        write(firmware, path, BAUDS[board])
        info = identify(path)
    click.echo(f"the board on {path} runs firmware {info}; next: etholoop ttl check --port {port}")


def write(firmware: Path, path: str, baud: int) -> None:
    """Have avrdude write and verify.

    Raises
    ------
    BoardError
        with avrdude's last words, and what they mean.
    """
    words = ["avrdude", "-q", "-c", "arduino", "-p", "atmega328p", "-P", path, "-b", str(baud), "-D"]
    done = subprocess.run(
        [*words, "-U", f"flash:w:{firmware}:i"], capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode == 0:
        return
    said = done.stdout + done.stderr
    hint = next((hint for sign, hint in HINTS.items() if sign in said.lower()), "see avrdude's words above")
    last = "\n  ".join(line for line in said.splitlines() if line.strip())[-2000:].splitlines()[-LAST_LINES:]
    raise BoardError("avrdude could not write the board:\n  " + "\n".join(last) + f"\n{hint}")


def identify(path: str) -> str:
    """Which firmware answers, after the board has started again."""
    board = EtholoopBoard(path, SystemClock())
    try:
        return board.open().firmware
    finally:
        board.close()
