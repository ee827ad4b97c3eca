"""The real firmware in simavr, in real time behind a pseudo-terminal, as a process of its own.

python -m tests.firmware.paced_board --log pins.csv
"""

from pathlib import Path

import click

from rig.ttl.simulated_board import PortServer, serve_until_terminated
from tests.firmware.simulated_firmware import FirmwareProgram, build_firmware

SETTLED_US = 11_000_000  # longer than the windows in the tests


@click.command()
@click.option("--log", "log_path", type=click.Path(path_type=Path), required=True)
@click.option("--idle", "idle_s", default=10.0)
@click.option("--reset-on-open", is_flag=True)
@click.option("--heard", "heard_path", type=click.Path(path_type=Path), help="Where bytes from the host are written.")
@click.option("--loopback", nargs=2, type=int, multiple=True)
@click.option("--elf", type=click.Path(path_type=Path), help="Another firmware.")
def main(
    log_path: Path,
    idle_s: float,
    reset_on_open: bool,
    heard_path: Path | None,
    loopback: tuple[tuple[int, int], ...],
    elf: Path | None,
) -> None:
    """Run it until SIGTERM."""
    program = FirmwareProgram(elf or build_firmware(), SETTLED_US, loopback)
    serve_until_terminated(PortServer(program, log_path, idle_s, reset_on_open, heard_path))


if __name__ == "__main__":
    main()
