"""Cards of syllables: what a syllable looks like, how long it lasts, how fast and how high the mouse is in it.

Made from sessions whose frames carry a label. A bout is an unbroken run of one label; bouts at a session's edges and
beside frames without a label have no known length, and are counted in the usage alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Crops = NDArray[np.uint8]
LEAD_MS = 330
LONGEST_MS = 1500
NUM_CLIPS = 6


@dataclass(frozen=True, slots=True)
class LabelledFrames:
    """One session's labels (T,), negative where there is none, with speed (T,) and height (T,), NaN where unknown."""

    labels: NDArray[np.int64]
    speed_mm_s: NDArray[np.float64]
    height_mm: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Clip:
    """One instance: crops (n, H, W) in mm, of which `onset` ... `end` (exclusive) are the bout itself."""

    crops: Crops
    onset: int
    end: int


@dataclass(frozen=True, slots=True)
class Card:
    """`usage` is a share of labelled frames; durations are quartiles of whole bouts in ms; speed in the floor's plane
    and height are medians over frames. What cannot be known is NaN."""

    syllable: int
    usage: float
    bouts: int
    duration_ms: tuple[float, float, float]
    speed_mm_s: float
    height_mm: float
    clips: tuple[Clip, ...] = ()


@dataclass(frozen=True, slots=True)
class Bouts:
    """Whole bouts of one session: label, first frame, one past the last, each (n,)."""

    label: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]


def whole_bouts(labels: NDArray[np.int64]) -> Bouts:
    """Bouts whose both ends are seen: another label stands before and after."""
    edges = np.flatnonzero(np.diff(labels)) + 1
    start, end = edges[:-1], edges[1:]
    seen = (labels[start] >= 0) & (labels[start - 1] >= 0) & (labels[end] >= 0) if start.size else np.zeros(0, bool)
    return Bouts(labels[start][seen], start[seen], end[seen])


def measure(sessions: Sequence[LabelledFrames], num_syllables: int, rate_hz: float) -> list[Card]:
    """A card without clips for every syllable, in their order."""
    labels, speed, height = (
        np.concatenate([getattr(s, name) for s in sessions]) for name in ("labels", "speed_mm_s", "height_mm")
    )
    bouts = [whole_bouts(s.labels) for s in sessions]
    bout_labels = np.concatenate([b.label for b in bouts])
    durations_ms = np.concatenate([b.end - b.start for b in bouts]) * 1000 / rate_hz
    labelled = max(1, int((labels >= 0).sum()))
    cards = []
    for k in range(num_syllables):
        inside, lasting = labels == k, durations_ms[bout_labels == k]
        quartiles = np.percentile(lasting, [25, 50, 75]).tolist() if lasting.size else [np.nan] * 3
        cards.append(
            Card(
                syllable=k,
                usage=float(inside.sum() / labelled),
                bouts=int(lasting.size),
                duration_ms=(quartiles[0], quartiles[1], quartiles[2]),
                speed_mm_s=_median(speed[inside]),
                height_mm=_median(height[inside]),
            )
        )
    return cards


def _median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a clip is: session, frames `first` ... `last` (exclusive) of it, and the bout within them."""

    session: int
    first: int
    last: int
    onset: int
    end: int


def typical(sessions: Sequence[LabelledFrames], card: Card, rate_hz: float, count: int = NUM_CLIPS) -> list[Cut]:
    """Instances to be shown: those nearest to the median duration, from as many sessions as there are, in turn."""
    lead, longest = round(LEAD_MS * rate_hz / 1000), round(LONGEST_MS * rate_hz / 1000)
    found: list[tuple[int, float, int, Cut]] = []
    for number, session in enumerate(sessions):
        bouts = whole_bouts(session.labels)
        mine = np.flatnonzero(bouts.label == card.syllable)
        apart = np.abs((bouts.end - bouts.start)[mine] * 1000 / rate_hz - card.duration_ms[1])
        for rank, place in enumerate(np.argsort(apart, kind="stable")[:count].tolist()):
            start, end = int(bouts.start[mine[place]]), int(bouts.end[mine[place]])
            end = min(end, start + longest)
            first, last = max(0, start - lead), min(len(session.labels), end + lead)
            found.append((rank, float(apart[place]), number, Cut(number, first, last, start - first, end - first)))
    return [cut for *_, cut in sorted(found, key=lambda item: item[:3])[:count]]
