"""When a session's pulses were given, for controls that repeat or match them."""

from pathlib import Path

import numpy as np

from online.errors import FileFormatError
from online.files.session_file import SessionReader
from online.files.tables import is_missing, text_of


def pulse_times_ms(path: Path) -> tuple[float, ...]:
    """Times at which pulses rose, in ms since the first frame's exposure, in order; catch trials are no pulses.

    Parameters
    ----------
    path
        a session folder, or a text file with a time a line.

    Raises
    ------
    FileFormatError
        if it is neither.
    """
    if path.is_dir() or path.suffix == ".h5":
        return _of_session(path)
    try:
        times = [float(line) for line in path.read_text().split()]
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise FileFormatError(f"{path}: neither a session folder nor a text file with a time in ms a line") from error
    return tuple(sorted(times))


def _of_session(path: Path) -> tuple[float, ...]:
    """As the board reported them; a pulse that no board confirmed has no known time and is left out."""
    with SessionReader(path) as session:
        frames = session.table("engine/rows")
        trials = session.table("pulses/trials")
        receipts = session.table("pulses/receipts")
    if not len(frames):
        raise FileFormatError(f"{path}: holds no frame")
    executed = receipts[~is_missing(receipts["executed_time_ns"])]
    rise_ns = dict(zip(executed["command_sequence"].tolist(), executed["executed_time_ns"].tolist(), strict=True))
    pulses = trials[np.array([text_of(outcome) == "pulse" for outcome in trials["outcome"]], bool)]
    start_ns = int(frames["capture_time_ns"][0])
    times = [rise_ns[s] - start_ns for s in pulses["command_sequence"].tolist() if s in rise_ns]
    return tuple(sorted(time / 1e6 for time in times))
