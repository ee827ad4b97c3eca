"""`etholoop convert`: a recording as a RealSense file, through the SDK's own recorder."""

import json
import sys
from contextlib import suppress
from pathlib import Path

import click
import numpy as np
from rich.progress import Progress

from online.errors import ConfigError
from online.files.whole_file import whole_file
from rig.cameras.pour import pour
from rig.cameras.protocol import EndOfRecording
from rig.cameras.realsense import RealSenseCamera
from rig.cameras.realsense_feed import FeedSource
from rig.cameras.realsense_settings import RealSenseSettings
from rig.cameras.recording import RecordingCamera
from rig.clock import Clock, SystemClock


def convert(recording: Path, out: Path, clock: Clock, progress: Progress | None = None) -> int:
    """Write `recording` as the new `.db3` file `out`, without loss; returns the number of frames.

    Time stamps and gaps are kept. The file appears under its name only when it is complete.
    """
    if out.suffix != ".db3" or out.exists():
        raise ConfigError(f"{out}: name a new .db3 file")
    with whole_file(out) as temporary:
        feed = RecordingCamera(recording, "fast", clock)
        camera = RealSenseCamera(RealSenseSettings(record_to=temporary), clock, FeedSource(feed, exact_times=True))
        task = None if progress is None else progress.add_task(out.name)
        num_frames = 0
        try:
            info = camera.open()
            buffer = np.zeros((info.height, info.width), np.uint16)
            camera.start()
            with suppress(EndOfRecording):
                while True:
                    num_frames += camera.read_into(buffer, 1000) is not None
                    if progress is not None and task is not None:
                        progress.update(task, completed=num_frames, total=feed.num_frames)
        finally:
            camera.close()
    return num_frames


@click.command(epilog="Example: etholoop convert recordings/session_1 session_1.db3")
@click.argument("recording", type=click.Path(exists=True, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="Print the result for programs.")
def command(recording: Path, out: Path, as_json: bool) -> None:
    """Write a MoSeq recording as a RealSense .db3 file.

    With a .db3 or .bag file as RECORDING and - as OUT, its frames are written to standard output, for programs.
    """
    if str(out) == "-":
        pour(recording, sys.stdout.buffer, SystemClock())
        return
    with Progress(transient=True, disable=as_json) as progress:
        num_frames = convert(recording, out, SystemClock(), progress)
    if as_json:
        click.echo(json.dumps({"file": str(out), "frames": num_frames}))
    else:
        click.echo(f"{out}: {num_frames} frames")
