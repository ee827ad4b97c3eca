"""Has a chain settled? In numbers and in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from offline.arhmm.checkpoint import TracePoint

SETTLED_NATS = 0.01


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """drift: mean log-likelihood per frame of the averaged sweeps less that of as many before them, in nats;
    noise: standard deviation from sweep to sweep within the averaged ones. None when the chain is too short to say."""

    drift: float | None
    noise: float | None
    averaged: int

    @property
    def settled(self) -> bool:
        """Whether the averaged sweeps are on a level with those before them."""
        return self.drift is not None and abs(self.drift) < SETTLED_NATS

    @property
    def sentence(self) -> str:
        """For the person who waits."""
        if self.drift is None:
            return f"too short to tell whether it settled: fewer than {2 * self.averaged} sweeps (--sweeps)"
        change = f"log-likelihood changed by {self.drift:+.4f} nats a frame over the last {self.averaged} sweeps"
        if self.settled:
            return f"settled: {change}"
        if self.drift > 0:
            return f"still rising, train longer (--sweeps): {change}"
        return f"falling: the chain gives up likelihood for fewer or stickier syllables, train longer: {change}"


def diagnose(trace: Sequence[TracePoint], averaged: int) -> Diagnosis:
    """Compare the averaged sweeps with as many before them."""
    values = np.array([point.train for point in trace])
    if len(values) < 2 * averaged:
        return Diagnosis(None, None, averaged)
    last, before = values[-averaged:], values[-2 * averaged : -averaged]
    return Diagnosis(float(last.mean() - before.mean()), float(last.std()), averaged)
