"""From recordings to thresholds: everything but reading options and writing files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from offline.calibration.choosing import (
    BLOCK_MS,
    FEWEST_BLOCKS,
    Choice,
    Judged,
    Rules,
    all_candidates,
    choose_each,
    is_published,
    judge,
)
from offline.calibration.counting import Candidate, Figures, Units, count_candidates, figures
from offline.calibration.evidence import FILTERED, ONE_PHASE, Traces, trace
from offline.calibration.labels import Labels, bouts_of
from offline.calibration.tracks import Array, Ints, ScoreTrack
from online.model import ModelBundle
from online.pipeline import phases_of
from protocols.trial import EvidenceRequest

PUBLISHED, BEST, SLOW = "published", "best of all", "published, slow"
"""SLOW: the published rule at the model's rate, on a camera that is faster."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A target to calibrate for: `syllables` of the model whose probability a rule watches, and `labels` that count as
    the target in what the animal did (the same, unless it is judged by a simulation's truth). `reversed`: the rule's
    contingency is, and the onset of everything else has no meaning."""

    name: str
    syllables: tuple[int, ...]
    labels: tuple[int, ...]
    refractory_ms: float
    reversed: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording with what the animal did in it."""

    track: ScoreTrack
    labels: Labels


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What was found for one goal. counts (C, U, NUM_COUNTS); `choices` and `judged` by kind of rule: "published",
    each kind of evidence, "best of all"; `frontier`: figures of every candidate over all recordings."""

    goal: Goal
    candidates: list[Candidate]
    kinds: tuple[EvidenceRequest, ...]
    choices: dict[str, Choice]
    judged: dict[str, Judged]
    frontier: Figures
    bouts: int
    minutes: float

    def chosen(self, rule: str) -> Candidate:
        """The candidate chosen for a kind of rule on all recordings."""
        return self.candidates[self.choices[rule].candidate]


def rule_name(kind: EvidenceRequest) -> str:
    """How a kind of evidence is called in tables."""
    return "filtered" if kind == FILTERED else f"{kind.kind} {kind.time_ms:g} ms"


def calibrate(
    recorded: Sequence[Recorded],
    bundle: ModelBundle,
    kinds: Sequence[EvidenceRequest],
    goals: Sequence[Goal],
    precision: float,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Calibrated]:
    """Try every candidate on every recording, choose, and judge. `kinds` are those beside the filtered posterior."""
    every = (FILTERED, *kinds, ONE_PHASE)
    fast = any(phases_of(bundle.frame_rate_hz, one.track.rate_hz) > 1 for one in recorded)
    candidates = all_candidates(len(every))
    counts: list[list[Array]] = [[] for _ in goals]
    unit_recording: list[int] = []
    for number, one in enumerate(recorded):
        traces = trace(one.track, bundle, kinds, [goal.syllables for goal in goals], advance)
        units = blocks_of(one.track.times_ns)
        unit_recording += [number] * units.num_units
        for g, goal in enumerate(goals):
            counts[g].append(_count(traces, g, one, goal, candidates, units))
    direct, turned = (rules_of(candidates, every, precision, fast, onset) for onset in (True, False))
    return [
        _calibrated(
            goal, np.concatenate(parts, axis=1), unit_recording, candidates, every, turned if goal.reversed else direct
        )
        for goal, parts in zip(goals, counts, strict=True)
    ]


def _count(traces: Traces, place: int, one: Recorded, goal: Goal, candidates: list[Candidate], units: Units) -> Array:
    bouts = bouts_of(one.labels, goal.labels, one.track.times_ns)
    return count_candidates(traces, place, bouts, candidates, goal.refractory_ms, units)


def blocks_of(times_ns: Ints) -> Units:
    """A recording in blocks of equal length, about BLOCK_MS, or less where it is short."""
    span_ns = int(times_ns[-1] - times_ns[0]) + 1
    number = max(round(span_ns / (BLOCK_MS * 1e6)), FEWEST_BLOCKS)
    return Units(((times_ns - times_ns[0]) * number // span_ns).astype(np.int64), number)


def rules_of(
    candidates: Sequence[Candidate], every: Sequence[EvidenceRequest], precision: float, fast: bool, onset: bool
) -> Rules:
    """The candidates of each kind of rule; `fast` when the camera is faster than the model. Without `onset` that kind
    of evidence is left out."""
    possible = np.array([onset or every[candidate.kind].kind != "onset" for candidate in candidates])
    published = np.array([is_published(candidate) for candidate in candidates])
    of_kind = np.array([candidate.kind for candidate in candidates])
    one_phase = of_kind == every.index(ONE_PHASE)
    masks = {SLOW: one_phase} if fast else {}
    masks[PUBLISHED] = published
    masks |= {rule_name(kind): of_kind == number for number, kind in enumerate(every) if kind != ONE_PHASE}
    masks[BEST] = ~one_phase
    masks = {name: mask & possible for name, mask in masks.items() if (mask & possible).any()}
    return Rules(masks, published, precision, frozenset((PUBLISHED, SLOW)))


def _calibrated(
    goal: Goal,
    counts: Array,
    recording: Sequence[int],
    candidates: list[Candidate],
    every: tuple[EvidenceRequest, ...],
    rules: Rules,
) -> Calibrated:
    total = counts.sum(1)
    return Calibrated(
        goal=goal,
        candidates=candidates,
        kinds=every,
        choices=choose_each(total, rules),
        judged=judge(counts, recording, rules),
        frontier=figures(total),
        bouts=int(total[0, -3]),
        minutes=float(total[0, -1]),
    )
