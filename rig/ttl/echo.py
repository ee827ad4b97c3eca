"""A port that sends back what it hears, in a process of its own: the least that any board's answer can take.

    python -m rig.ttl.echo --log echo.csv

prints the path of its port.
"""

from pathlib import Path

import click

from rig.ttl.emulated_lines import Edge
from rig.ttl.simulated_board import PortServer, serve_until_terminated


class Echo:
    """A `rig.ttl.simulated_board.BoardProgram` without lines."""

    def step(self, time_us: int, data: bytes) -> bytes:
        """See BoardProgram."""
        return data

    def wake_us(self) -> int | None:
        """See BoardProgram."""
        return None

    def excuse(self, late_us: int, heard: bool) -> int:
        """See BoardProgram."""
        return 0

    def take_edges(self) -> list[Edge]:
        """See BoardProgram."""
        return []

    def reset(self) -> None:
        """See BoardProgram."""


@click.command()
@click.option("--log", "log_path", type=click.Path(path_type=Path), required=True)
def main(log_path: Path) -> None:
    """Run it until SIGTERM."""
    serve_until_terminated(PortServer(Echo(), log_path, 10.0, reset_on_open=False))


if __name__ == "__main__":
    main()
