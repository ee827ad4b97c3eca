"""How the firmware is compiled."""

import subprocess
from pathlib import Path

from online.errors import EtholoopError

SOURCE_FOLDER = Path(__file__).parent / "firmware"
FLAGS = ("-mmcu=atmega328p", "-DF_CPU=16000000UL", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror")
COMPILER = "sudo apt-get install gcc-avr avr-libc"


def compile_command(folder: Path = SOURCE_FOLDER) -> list[str]:
    """The compiler's command line, but for ``-o FILE``."""
    return ["avr-gcc", *FLAGS, str(folder / "board.c")]


def build_hex(target: Path) -> None:
    """Compile the firmware into an Intel HEX file.

    Raises
    ------
    EtholoopError
        when the compiler is not installed, or fails.
    """
    elf = target.with_suffix(".elf")
    _run([*compile_command(), "-o", str(elf)])
    _run(["avr-objcopy", "-O", "ihex", "-R", ".eeprom", str(elf), str(target)])
    elf.unlink()


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise EtholoopError(
            f"{command[0]} is not installed: {COMPILER}, or give a firmware that was built elsewhere by --hex"
        ) from error
    if done.returncode:
        raise EtholoopError(f"{' '.join(command)} failed: {done.stderr.strip()[-2000:]}")
