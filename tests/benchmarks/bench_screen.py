"""What the screen costs: latency of the loop with and without it, in alternating blocks of one run; CPU and redraws.

    python -m tests.benchmarks.bench_screen [BLOCKS [SECONDS [FRAMES_A_SECOND]]]

A session on a simulated board runs throughout. In every other block a screen is open on a terminal of 120 x 40; the
first seconds of each block, in which a screen starts, are not counted. Latency is from a frame's arrival to the
decision; CPU is the screen process's own, user and system.
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from online.files.session_file import SessionReader
from tests.rigs import start, write_recording, write_rig
from tests.tui.terminals import Terminal, run_dir_in

SETTLE_S = 5.0
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Blocks:
    """Spans of time (ns) with and without a screen; share of a core that it used, and updates a second."""

    spans: dict[bool, list[tuple[int, int]]] = field(default_factory=lambda: {True: [], False: []})
    cpu: list[float] = field(default_factory=list)
    updates: list[int] = field(default_factory=list)


def cpu_s(process_id: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def wait_until(terminal: Terminal | None, time_ns: int) -> None:
    """Let time pass; what a screen draws is read away."""
    if terminal is not None:
        terminal.until(lambda: time.monotonic_ns() > time_ns, turns=10**6)
    while time.monotonic_ns() < time_ns:
        select.select([], [], [], 0.05)


def run_block(blocks: Blocks, run_dir: Path, counts: Path | None, seconds: float) -> None:
    """One block, with a screen when there is a file for its `counts`."""
    terminal = None if counts is None else Terminal("tests.benchmarks.watched_live", str(run_dir), "none", str(counts))
    begin_ns = time.monotonic_ns() + round(SETTLE_S * 1e9)
    end_ns = begin_ns + round(seconds * 1e9)
    wait_until(terminal, begin_ns)
    used_s = cpu_s(terminal.process.pid) if terminal else 0.0
    wait_until(terminal, end_ns)
    blocks.spans[terminal is not None].append((begin_ns, end_ns))
    if terminal is not None and counts is not None:
        blocks.cpu.append((cpu_s(terminal.process.pid) - used_s) / seconds)
        blocks.updates += [int(line) for line in counts.read_text().split()[-int(seconds) + 1 :]]
        terminal.close()


def latencies_ms(folder: Path, spans: list[tuple[int, int]]) -> NDArray[np.float64]:
    """From arrival to decision, of the frames that arrived within the spans."""
    with SessionReader(folder) as session:
        engine, frames = session.table("engine/rows"), session.table("frames/header")
    arrived = dict(zip(frames["frame_index"].tolist(), frames["arrival_time_ns"].tolist(), strict=True))
    arrival_ns = np.array([arrived.get(index, 0) for index in engine["frame_index"].tolist()])
    inside = np.zeros(len(engine), bool)
    for begin_ns, end_ns in spans:
        inside |= (arrival_ns >= begin_ns) & (arrival_ns < end_ns)
    return np.asarray((engine["decision_time_ns"] - arrival_ns)[inside] / 1e6)


def main(num_blocks: int, seconds: float, rate_hz: float) -> None:
    """Run, and print both medians and what the screen used."""
    blocks = Blocks()
    with tempfile.TemporaryDirectory(prefix="el") as name:
        folder = Path(name)
        write_recording(folder / "rec", int(rate_hz * (2 * num_blocks * (seconds + SETTLE_S) + 60)), rate_hz=rate_hz)
        (folder / "p").mkdir()
        files = write_rig(folder, 'driver = "recording"\npath = "rec"', folder / "p", rate_hz=rate_hz)
        process = start(files)
        while not list(files.private.glob("etholoop-*/pins.csv")):
            select.select([], [], [], 0.1)
        run_dir = run_dir_in(files.private)
        for block in range(num_blocks):
            run_block(blocks, run_dir, None, seconds)
            run_block(blocks, run_dir, folder / f"counts{block}", seconds)
        process.send_signal(signal.SIGINT)
        process.communicate()
        (session,) = files.out.iterdir()
        without, with_screen = (latencies_ms(session, blocks.spans[shown]) for shown in (False, True))
    lines = [f"arrival to decision at {rate_hz:.0f} frames/s, {num_blocks} pairs of blocks of {seconds:.0f} s:"]
    for name, values in (("without a screen", without), ("with a screen", with_screen)):
        p50, p95 = np.percentile(values, [50, 95])
        lines.append(f"  {name:<17} p50 {p50:.3f} ms  p95 {p95:.3f} ms  {len(values)} frames")
    apart = np.median(with_screen) - np.median(without)
    lines.append(f"  medians apart by {apart:+.3f} ms, {apart / np.median(without):+.1%}")
    lines.append(f"screen, frames of 160 x 120: {words_of(blocks)}")
    lines.append(f"screen, frames of 512 x 424 at 30 frames/s: {words_of(large_frames(num_blocks, seconds))}")
    sys.stdout.write("\n".join(lines) + "\n")


def words_of(blocks: Blocks) -> str:
    """What a screen used."""
    return (
        f"{np.mean(blocks.cpu):.1%} of a core (largest block {max(blocks.cpu):.1%}), "
        f"{np.mean(blocks.updates):.1f} updates a second (most {max(blocks.updates)})"
    )


def large_frames(num_blocks: int, seconds: float) -> Blocks:
    """A screen on a rig that only pretends, with frames of a Kinect's size."""
    blocks = Blocks()
    with tempfile.TemporaryDirectory(prefix="el") as name:
        run_dir = Path(name) / "etholoop-x"
        rig = subprocess.Popen([sys.executable, "-m", "tests.fake_rig", str(run_dir), "3600"])
        try:
            while not (run_dir / "health.recorder").exists():
                select.select([], [], [], 0.1)
            for block in range(num_blocks):
                run_block(blocks, run_dir, Path(name) / f"counts{block}", seconds)
        finally:
            rig.kill()
            rig.wait()
    return blocks


if __name__ == "__main__":
    words = dict(enumerate(map(float, sys.argv[1:])))
    main(int(words.get(0, 6)), words.get(1, 10.0), words.get(2, 30.0))
