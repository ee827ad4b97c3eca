"""Calibrates the arena from the recording that is about to be played, in a process that can be given up: it may take
long, and whoever waits wants to go on meanwhile."""

import sys
from pathlib import Path

from online.errors import EtholoopError
from rig.launch import Launch
from rig.session_run import find_arena


def main() -> int:
    """Entry point: `python -m rig.calibration_process RUN_DIR`; writes `arena.toml` there, or its reason to stderr."""
    launch = Launch.load(Path(sys.argv[1]))
    assert launch.camera is not None
    try:
        find_arena(launch.rig, launch.camera, launch.run_dir)
    except EtholoopError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
