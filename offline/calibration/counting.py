"""Firing and scoring, for thousands of candidate rules over one probability trace.

`fire` repeats the engine's bout trigger with refractory time; that it fires at the same frames is tested against the
engine itself.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from offline.calibration.evidence import Traces
from offline.calibration.labels import Bouts
from offline.calibration.tracks import Array, Ints

TRIGGERS, RIGHT, RIGHT_WITH_SLOP, FOUND, GAIN_MS, BOUTS, LENGTH_MS, MINUTES = range(8)
NUM_COUNTS = 8


class Candidate(NamedTuple):
    """A rule to try: which kind of evidence, and its thresholds. `kind` numbers the kinds of a `Traces`."""

    kind: int
    enter: float
    exit: float
    dwell_ms: float


@njit(cache=True, nogil=True)
def fire(p, trace, rule, fired):  # type: ignore[no-untyped-def]
    """Frames at which a rule gives a trial, into `fired`; returns how many.

    trace: (times_ns, observed_ns, gap); rule: (enter, exit, dwell_ns, refractory_ns).
    """
    times_ns, observed_ns, gap = trace
    enter, exit_, dwell_ns, refractory_ns = rule
    inside, given, dwelt, last_ns, count = False, False, 0, times_ns[0] - np.int64(10**15), 0
    for t in range(p.shape[0]):
        if gap[t]:
            inside = False
        if p[t] != p[t]:
            continue
        if not inside:
            if p[t] >= enter:
                inside, given, dwelt = True, False, 0
        elif p[t] >= exit_:
            dwelt += observed_ns[t]
        else:
            inside = False
        if inside and not given and dwelt >= dwell_ns and times_ns[t] - last_ns >= refractory_ns:
            fired[count] = t
            count += 1
            given = True
            last_ns = times_ns[t]
    return count


@njit(cache=True, nogil=True)
def score(fired, count, times_ns, truth, unit, out):  # type: ignore[no-untyped-def]
    """Add the triggers fired[:count] to out (U, NUM_COUNTS), each to the unit of its frame, bouts to that of their
    onset. truth: (of_frame, onset_ns, length_ns, slop, known, unit_of_bout)."""
    of_frame, onset_ns, length_ns, slop, known, unit_of_bout = truth
    latest = -1
    for i in range(count):
        t = fired[i]
        if not known[t]:
            continue
        u, bout = unit[t], of_frame[t]
        out[u, TRIGGERS] += 1
        out[u, RIGHT_WITH_SLOP] += slop[t]
        if bout >= 0:
            out[u, RIGHT] += 1
            if bout != latest:
                latest = bout
                b = unit_of_bout[bout]
                out[b, FOUND] += 1
                out[b, GAIN_MS] += (length_ns[bout] - (times_ns[t] - onset_ns[bout])) / 1e6


@njit(cache=True, nogil=True)
def _count_all(probability, kinds, rules, trace, truth, unit, out):  # type: ignore[no-untyped-def]
    fired = np.empty(probability.shape[1], np.int64)
    for c in range(rules.shape[0]):
        rule = (rules[c, 0], rules[c, 1], np.int64(rules[c, 2]), np.int64(rules[c, 3]))
        count = fire(probability[kinds[c]], trace, rule, fired)
        score(fired, count, trace[0], truth, unit, out[c])


@dataclass(frozen=True, slots=True)
class Units:
    """How a recording is cut for cross-validation: unit (n,) of each frame, of `num_units` in all."""

    unit: Ints
    num_units: int


def count_candidates(
    traces: Traces, target: int, bouts: Bouts, candidates: list[Candidate], refractory_ms: float, units: Units
) -> Array:
    """Counts (C, U, NUM_COUNTS) of each candidate in each unit."""
    rules = np.array([(c.enter, c.exit, c.dwell_ms * 1e6, refractory_ms * 1e6) for c in candidates])
    kinds = np.array([c.kind for c in candidates])
    times_ns = traces.times_ns
    first = np.full(len(bouts.onset_ns), 0, np.int64)
    frames = np.flatnonzero(bouts.of_frame >= 0)
    numbers, places = np.unique(bouts.of_frame[frames], return_index=True)
    first[numbers] = frames[places]
    unit_of_bout = units.unit[first]
    out = np.zeros((len(candidates), units.num_units, NUM_COUNTS))
    truth = (bouts.of_frame, bouts.onset_ns, bouts.length_ns, bouts.right_with_slop, bouts.known, unit_of_bout)
    trace = (times_ns, traces.observed_ns, traces.gap)
    _count_all(np.ascontiguousarray(traces.probability[:, target]), kinds, rules, trace, truth, units.unit, out)
    np.add.at(out[0, :, BOUTS], unit_of_bout, 1)
    np.add.at(out[0, :, LENGTH_MS], unit_of_bout, bouts.length_ns / 1e6)
    step_min = np.diff(times_ns, append=times_ns[-1]) / 60e9
    np.add.at(out[0, :, MINUTES], units.unit, np.where(bouts.known, step_min, 0.0))
    out[1:, :, BOUTS:] = out[0, :, BOUTS:]
    return out


class Figures(NamedTuple):
    """What counts come to, NaN where there is nothing to divide by. Delay is averaged over all bouts, a missed one
    counting its own length."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    delay_ms: NDArray[np.float64]
    false_per_minute: NDArray[np.float64]
    precision_with_slop: NDArray[np.float64]


def figures(counts: Array) -> Figures:
    """Figures (...) of counts (..., NUM_COUNTS)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        triggers, bouts = counts[..., TRIGGERS], counts[..., BOUTS]
        return Figures(
            precision=counts[..., RIGHT] / triggers,
            recall=counts[..., FOUND] / bouts,
            delay_ms=(counts[..., LENGTH_MS] - counts[..., GAIN_MS]) / bouts,
            false_per_minute=(triggers - counts[..., RIGHT]) / counts[..., MINUTES],
            precision_with_slop=counts[..., RIGHT_WITH_SLOP] / triggers,
        )
