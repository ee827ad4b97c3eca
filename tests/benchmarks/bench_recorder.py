"""What a recorded frame costs the recorder: processor time a frame, and the share of a core at the camera's rate,
beside the floor of copying the same frames once.

Run: python tests/benchmarks/bench_recorder.py
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from offline.bench.footage import simulated_footage
from online.files.session_file import SessionShape, SessionWriter
from online.messages import Frame

FRAMES = 200
FLUSH_EVERY = 30
CAMERAS = ((512, 424, 30), (640, 480, 30), (848, 480, 90), (1280, 720, 30))


def header(index: int, image: np.ndarray) -> Frame:
    times = dict.fromkeys(("device_time_ns", "capture_time_ns", "arrival_time_ns", "published_time_ns"), index)
    height, width = image.shape
    return Frame(
        frame_index=index, dropped_before=0, frame_number=index, height=height, width=width, truth=None, **times
    )


def record(frames: np.ndarray, folder: Path) -> tuple[float, int]:
    """Processor seconds to record the frames, and the size of the file."""
    shape = SessionShape(frames.shape[1], frames.shape[2], 2, 0, 2, 80, record_depth=True, compression_level=1)
    writer = SessionWriter(folder / "session.h5", shape, {}, {})
    messages = [header(index, image) for index, image in enumerate(frames)]
    started = time.process_time()
    for index, message in enumerate(messages):
        writer.append(message, memoryview(frames[index].tobytes()))
        if index % FLUSH_EVERY == 0:
            writer.flush()
    writer.close()
    return time.process_time() - started, (folder / "session.h5").stat().st_size


def main() -> None:
    sys.stdout.write(f"{'camera':>16}{'ms a frame':>12}{'of a core':>11}{'x floor':>9}{'size':>7}\n")
    for width, height, rate_hz in CAMERAS:
        footage = simulated_footage(width, height, rate_hz, FRAMES)
        frames = np.asarray(footage.frames)
        with tempfile.TemporaryDirectory() as folder:
            seconds, size = record(frames, Path(folder))
        started = time.process_time()
        for image in frames:
            image.copy()
        floor = time.process_time() - started
        each = seconds / len(frames)
        sys.stdout.write(
            f"{f'{width}x{height} {rate_hz} Hz':>16}{1e3 * each:12.2f}{each * rate_hz:10.0%}{seconds / floor:9.0f}"
            f"{size / frames.nbytes:7.2f}\n"
        )


if __name__ == "__main__":
    main()
