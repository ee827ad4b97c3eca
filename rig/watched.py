"""The process through which others look at a session, where the rig file wants it; its death ends nothing."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rig.children import spawn
from rig.launch import Launch

FAREWELL_S = 3.0


@contextmanager
def watched(launch: Launch, report: Callable[[str], None]) -> Iterator[None]:
    """Let others look until the end of the block, where [watch] of the rig file says so."""
    if launch.rig.watch is None:
        yield
        return
    log = launch.run_dir / "watch.log"
    with log.open("wb") as output:
        process = spawn("rig.watch_process", [str(launch.run_dir)], output)
    report(f"others may look: etholoop watch {launch.rig.watch.address} --key NAME.watch")
    threading.Thread(target=_look_after, args=(process, log, report), daemon=True, name="watch").start()
    try:
        yield
    finally:
        with suppress(subprocess.TimeoutExpired):  # it ends with the session by itself
            process.wait(FAREWELL_S)
        process.kill()
        process.wait()


def _look_after(process: "subprocess.Popen[bytes]", log: Path, report: Callable[[str], None]) -> None:
    """Say it where nobody can look (any more): a failure of this alone is none of the session."""
    if process.wait() > 0:
        with suppress(OSError):
            report(f"ALERT  nobody can look from elsewhere: {log.read_text(errors='replace').strip()[-400:]}")
