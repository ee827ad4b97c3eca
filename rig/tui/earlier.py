"""What happened before the screen was opened, read from the growing session file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from online.files.session_file import SessionReader
from online.files.tables import message_of
from online.messages import Event, PulseReceipt, Trial
from rig.tui.ethogram import SPAN_NS


@dataclass(frozen=True, slots=True)
class Earlier:
    """Trials, receipts and events of the session so far; losses by frame; the posteriors of the last half minute.

    frame_index (T,), dropped_before (T,), has_evidence (T,) of all frames; times_ns (R,), posteriors (R, K) and
    evidence (R,) of the recent ones.
    """

    trials: list[Trial]
    receipts: list[PulseReceipt]
    events: list[Event]
    frame_index: NDArray[np.int64]
    dropped_before: NDArray[np.int64]
    decoded_index: NDArray[np.int64]
    has_evidence: NDArray[np.uint8]
    times_ns: NDArray[np.int64]
    posteriors: NDArray[np.float32]
    evidence: NDArray[np.uint8]


def read_earlier(session_dir: Path) -> Earlier:
    """Read a session file as far as it is written.

    Raises
    ------
    FileFormatError
        when there is none, or it cannot be read.
    """
    with SessionReader(session_dir) as session:
        frames = session.table("frames/header")
        rows = session.table("syllables/rows")
        posterior = session.array("syllables/posterior")
        times_ns = rows["capture_time_ns"]
        first = int(np.searchsorted(times_ns, times_ns[-1] - SPAN_NS)) if len(rows) else 0
        recent = np.zeros((0, 0), np.float32) if posterior is None else posterior[first : len(rows)].astype(np.float32)
        rows_there = min(len(recent), len(rows) - first)
        return Earlier(
            trials=[message_of(row, Trial) for row in session.table("pulses/trials")],
            receipts=[message_of(row, PulseReceipt) for row in session.table("pulses/receipts")],
            events=[message_of(row, Event) for row in session.table("events/rows")],
            frame_index=frames["frame_index"],
            dropped_before=frames["dropped_before"],
            decoded_index=rows["frame_index"],
            has_evidence=rows["has_evidence"],
            times_ns=times_ns[first : first + rows_there],
            posteriors=recent[:rows_there],
            evidence=rows["has_evidence"][first : first + rows_there],
        )
