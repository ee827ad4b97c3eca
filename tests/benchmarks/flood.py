"""Messages as fast as asked, for a screen that must bear them: `python -m tests.benchmarks.flood FOLDER RATE`."""

import sys
import time
from pathlib import Path

import numpy as np
import zmq

from online.messages import Event, Syllables
from rig.bus import Publisher

BURSTS_HZ = 50


def main(folder: Path, rate_hz: float) -> None:
    """Half of them events, half posteriors of three syllables, in fifty bursts a second, until killed."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    events, syllables = (Publisher(context, folder, name) for name in ("events.online", "syllables"))
    number, next_ns = 0, time.monotonic_ns()
    while True:
        for _ in range(max(1, round(rate_hz / BURSTS_HZ / 2))):
            number += 1
            now_ns = time.monotonic_ns()
            events.publish(Event(time_ns=now_ns, source="flood", kind="note", detail=f"number {number}"))
            syllables.publish(
                Syllables(
                    frame_index=number,
                    capture_time_ns=now_ns,
                    arrival_time_ns=now_ns,
                    extracted_time_ns=now_ns,
                    decoded_time_ns=now_ns,
                    has_evidence=True,
                    log_evidence=-1.0,
                    phase=0,
                    novelty=None,
                    posterior=np.full(3, 1 / 3),
                    scores=np.zeros(4),
                    further=np.zeros(0),
                )
            )
        next_ns += 1_000_000_000 // BURSTS_HZ
        time.sleep(max(0, next_ns - time.monotonic_ns()) / 1e9)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
