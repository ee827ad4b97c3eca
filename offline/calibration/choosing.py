"""Choosing thresholds on some of the data and judging them on the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numba import njit
from numpy.typing import NDArray

from offline.calibration.counting import NUM_COUNTS, RIGHT, TRIGGERS, Candidate, Figures, figures
from offline.calibration.tracks import Array

Mask = NDArray[np.bool_]
ENTER = 1 / (1 + np.exp(-np.linspace(-3.5, 5.5, 37)))
"""Thresholds tried: 0.03 ... 0.996, even on the logit scale."""
EXIT_SHARES = (1.0, 0.5)
DWELLS_MS = (0.0, 30.0, 60.0)
RECALL_MARGIN = 0.02
WORTHWHILE = 0.05
FEWEST_RECORDINGS = 5
BLOCK_MS = 30_000
FEWEST_BLOCKS = 8
RESAMPLES = 400


def all_candidates(num_kinds: int) -> list[Candidate]:
    """Every kind of evidence with every threshold, with and without hysteresis and dwell; the last kind, the filtered
    posterior of one phase, with thresholds alone."""
    rest = [
        Candidate(kind, float(enter), float(enter) * share, dwell)
        for kind, dwell, share, enter in product(range(num_kinds - 1), DWELLS_MS, EXIT_SHARES, ENTER)
    ]
    return rest + [Candidate(num_kinds - 1, float(enter), float(enter), 0.0) for enter in ENTER]


def is_published(candidate: Candidate) -> bool:
    """The published rule as far as it is known: a threshold on the filtered posterior, no dwell, no hysteresis."""
    return candidate.kind == 0 and candidate.dwell_ms == 0 and candidate.exit == candidate.enter


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidate chosen, by its number, and whether it had the precision asked for where it was chosen."""

    candidate: int
    reached: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """Which candidates belong to each kind of rule (C,), and to the published one; the precision asked for.

    `baselines`: kinds that are there for comparison, and are tuned without regard to any other.
    """

    kinds: Mapping[str, Mask]
    published: Mask
    precision: float
    baselines: frozenset[str] = frozenset()


def choose(found: Figures, allowed: Mask, precision: float, least_recall: float = 0.0) -> Choice:
    """The candidate with the smallest delay among those with the precision and recall asked for.

    When none has the precision, the one with the greatest.
    """
    good = allowed & (found.precision >= precision) & (found.recall >= least_recall)
    if good.any():
        return Choice(int(np.argmin(np.where(good, found.delay_ms, np.inf))), True)
    return Choice(int(np.argmax(np.where(allowed & np.isfinite(found.precision), found.precision, -1))), False)


def choose_each(counts: Array, rules: Rules) -> dict[str, Choice]:
    """A choice for each kind of rule from counts (C, NUM_COUNTS).

    Precision is first made to rise with the threshold, so that a lucky threshold is not taken for a good one. Recall
    may fall behind the published rule, tuned on the same data, by no more than RECALL_MARGIN; and what is not faster
    than that rule by WORTHWHILE of its delay is not worth its complication: then the published rule is the choice.
    """
    found = figures(counts)
    found = found._replace(precision=rising(counts[:, RIGHT], counts[:, TRIGGERS], len(ENTER)))
    baseline = choose(found, rules.published, rules.precision)
    floor = float(found.recall[baseline.candidate]) - RECALL_MARGIN if baseline.reached else 0.0
    choices = {}
    for name, mask in rules.kinds.items():
        choice = choose(found, mask, rules.precision, 0.0 if name in rules.baselines else floor)
        worthwhile = found.delay_ms[choice.candidate] < (1 - WORTHWHILE) * found.delay_ms[baseline.candidate]
        simpler = mask[baseline.candidate] and baseline.reached and choice.reached and not worthwhile
        choices[name] = baseline if simpler else choice
    return choices


@njit(cache=True, nogil=True)
def rising(right, triggers, length):  # type: ignore[no-untyped-def]
    """Precision right / triggers made to rise along each curve of `length` candidates (pool adjacent violators)."""
    out = np.full(right.shape[0], np.nan)
    pooled_right, pooled, size = np.empty(length), np.empty(length), np.empty(length, np.int64)
    for start in range(0, right.shape[0], length):
        top = 0
        for i in range(start, min(start + length, right.shape[0])):
            pooled_right[top], pooled[top], size[top] = right[i], triggers[i], 1
            top += 1
            while top > 1 and pooled_right[top - 1] * pooled[top - 2] <= pooled_right[top - 2] * pooled[top - 1]:
                top -= 1
                pooled_right[top - 1] += pooled_right[top]
                pooled[top - 1] += pooled[top]
                size[top - 1] += size[top]
        i = start
        for part in range(top):
            for _ in range(size[part]):
                out[i] = pooled_right[part] / pooled[part] if pooled[part] > 0 else np.nan
                i += 1
    return out


@dataclass(frozen=True, slots=True)
class Judged:
    """Figures of a choice on data that it was not made on, with 95 % intervals; `held` (R, NUM_COUNTS): counts of each
    recording left out, or each resampling; `method` says how."""

    figures: Figures
    low: Figures
    high: Figures
    held: Array
    method: str


def judge(counts: Array, recording: Sequence[int], rules: Rules) -> dict[str, Judged]:
    """Judge the choosing of each kind of rule.

    Parameters
    ----------
    counts
        (C, U, NUM_COUNTS) in units, which are blocks of recordings.
    recording
        (U,) of each unit.
    """
    recordings = np.asarray(recording)
    names = np.unique(recordings)
    if len(names) >= FEWEST_RECORDINGS:
        weights = np.array([recordings != left_out for left_out in names], np.float64)
        rest = 1 - weights
        method = (
            f"chosen on {len(names) - 1} recordings, judged on the one left out; intervals: bootstrap over recordings"
        )
    else:
        drawn = np.random.default_rng(0).integers(len(recordings), size=(RESAMPLES, len(recordings)))
        weights = np.array([np.bincount(row, minlength=len(recordings)) for row in drawn], np.float64)
        rest = (weights == 0).astype(np.float64)
        method = (
            f"fewer than {FEWEST_RECORDINGS} recordings: chosen on blocks of {BLOCK_MS / 1000:g} s or less drawn "
            "with replacement, judged on those not drawn; they come from the same recordings, so expect somewhat less "
            "from others"
        )
    held: dict[str, list[Array]] = {name: [] for name in rules.kinds}
    for chosen_on, judged_on in zip(weights, rest, strict=True):
        choices = choose_each(np.tensordot(chosen_on, counts, (0, 1)), rules)
        for name, choice in choices.items():
            held[name].append(judged_on @ counts[choice.candidate])
    resample = len(names) >= FEWEST_RECORDINGS
    return {name: _judged(np.array(rows).reshape(-1, NUM_COUNTS), resample, method) for name, rows in held.items()}


def _judged(held: Array, resample: bool, method: str) -> Judged:
    rng = np.random.default_rng(0)
    drawn = held[rng.integers(len(held), size=(RESAMPLES, len(held)))].sum(1) if resample else held
    low, high = _interval(figures(drawn))
    return Judged(figures(held.sum(0)), low, high, held, method)


def _interval(drawn: Figures) -> tuple[Figures, Figures]:
    ends = [_ends(values[np.isfinite(values)]) for values in drawn]
    return Figures(*(low for low, _ in ends)), Figures(*(high for _, high in ends))


def _ends(values: Array) -> tuple[Array, Array]:
    nothing = np.array(np.nan)
    if not len(values):
        return nothing, nothing
    low, high = np.percentile(values, [2.5, 97.5])
    return np.array(low), np.array(high)
