"""Simulated sessions for calibration: a simulated mouse's posture, seen through noise at 90 Hz, and a model of 30 Hz
fitted to other sessions with the truth; so what is judged is the triggering, not the learning."""

from pathlib import Path

import numpy as np

from offline.calibration.calibrate import Goal, Recorded
from offline.calibration.labels import Labels
from offline.calibration.tracks import ScoreTrack
from online.model import ModelBundle, Provenance, Whitening
from tests.online.test_phases import RATE_HZ, K, Stream, fit, watch

MODEL_RATE_HZ = 30.0
STEP = round(RATE_HZ / MODEL_RATE_HZ)


def fitted_model(seconds: int = 400) -> ModelBundle:
    """A model of 30 Hz, from a session that nobody calibrates on."""
    arhmm = fit(watch(1, seconds).every(STEP))
    whitening = Whitening(np.zeros(arhmm.num_dims), np.eye(arhmm.num_dims))
    return ModelBundle(MODEL_RATE_HZ, None, None, whitening, arhmm, np.full(K, 1 / K), Provenance("t", "n", "learned"))


def held_out(number: int, seconds: int) -> list[Stream]:
    """Sessions that the model has never seen."""
    return [watch(100 + i, seconds) for i in range(number)]


def recorded(stream: Stream, every: int) -> Recorded:
    """A session as a camera of 90 Hz (every = 1) or 30 Hz (every = 3) sees it, judged by the truth."""
    seen = stream.every(every)
    times_ns, onset_ns = (np.rint(seconds * 1e9).astype(np.int64) for seconds in (seen.times_s, seen.onsets_s))
    slots = np.arange(len(times_ns))
    track = ScoreTrack(Path("simulated"), "simulated", RATE_HZ / every, slots, times_ns, np.ascontiguousarray(seen.x))
    return Recorded(track, Labels(seen.syllables, onset_ns))


def most_used(streams: list[Stream], number: int = 6) -> list[Goal]:
    """The most used syllables, each a target of its own."""
    usage = np.bincount(np.concatenate([stream.syllables for stream in streams]), minlength=K)
    return [Goal(f"syllable {k}", (int(k),), (int(k),), 100.0) for k in np.argsort(-usage)[:number]]
