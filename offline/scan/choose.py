"""Which candidate of a scan to take, and why, in words.

Kappa: where there are changepoints, bouts must last as their blocks do (the medians' ratio nearest to one); of the
kappas that match within `ALIKE` of the nearest, the one with the best held-out log-likelihood is taken. Changepoints
that are close to each other merge into one, so bouts are measured as changepoints would see them. The log-likelihood
alone would not do: crops are no linear image of posture, and a chain that switches every few frames bends around that.
Without changepoints it decides nevertheless, for there is nothing else.

Of lags, components and innovations the simplest is taken of those that the held-out log-likelihood does not tell from
the best: behind by less than `INDIFFERENT_NATS` a frame, or than one standard error of the difference over sessions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon

from offline.scan.trials import Candidate, Trial
from online.model import Array

INDIFFERENT_NATS = 0.01
ALIKE = np.log(1.1)
FAR_OFF = np.log(1.25)
HISTOGRAM_EDGES_S = np.linspace(0, 3, 91)


@dataclass(frozen=True, slots=True)
class Standing:
    """One candidate's figures over its restarts.

    held_out: mean over restarts, nats a frame; behind: how far behind the best, and standard_error of that over
    sessions; median_ms of its bouts; ratio of the median of its bouts as changepoints see them to the median block, and
    js the Jensen-Shannon distance (base 2) of both distributions, None without changepoints."""

    candidate: Candidate
    restarts: int
    held_out: float
    behind: float
    standard_error: float
    syllables: float
    median_ms: float
    ratio: float | None
    js: float | None

    @property
    def as_good(self) -> bool:
        """Whether the data do not tell it from the best."""
        return self.behind <= max(INDIFFERENT_NATS, self.standard_error)


def standings(trials: Sequence[Trial], frame_ms: float, blocks_s: Array | None) -> list[Standing]:
    """One row for each kind of candidate, in their order."""
    kinds = sorted({t.candidate.kind for t in trials})
    grouped = {kind: [t for t in trials if t.candidate.kind == kind] for kind in kinds}
    by_session = {kind: np.mean([t.held_out for t in group], axis=0) for kind, group in grouped.items()}
    frames = trials[0].frames
    best = max(kinds, key=lambda kind: float(by_session[kind].sum()))
    return [_standing(grouped[k], by_session[k], by_session[best], frames, (frame_ms, blocks_s)) for k in kinds]


def _standing(
    trials: list[Trial], own: Array, best: Array, frames: NDArray[np.int64], scale: tuple[float, Array | None]
) -> Standing:
    frame_ms, blocks_s = scale
    total = float(frames.sum())
    counted = frames > 0
    difference = (best - own)[counted] / frames[counted]
    weights = frames[counted] / total
    mean = float((weights * difference).sum())
    spread = float((weights**2 * (difference - mean) ** 2).sum()) ** 0.5
    several = int(counted.sum()) > 1
    lengths_s = np.concatenate([t.durations_frames for t in trials]) * frame_ms / 1000
    median_s = float(np.median(lengths_s)) if len(lengths_s) else float("nan")
    ratio = js = None
    resolved_s = np.concatenate([t.resolved_frames for t in trials]) * frame_ms / 1000
    if blocks_s is not None and len(blocks_s) and len(resolved_s):
        ratio = float(np.median(resolved_s) / np.median(blocks_s))
        histograms = [np.histogram(np.minimum(v, 3.0), HISTOGRAM_EDGES_S)[0] + 1e-9 for v in (resolved_s, blocks_s)]
        js = float(jensenshannon(*histograms, base=2))
    return Standing(
        candidate=trials[0].candidate.kind,
        restarts=len(trials),
        held_out=float(own.sum()) / total,
        behind=mean,
        standard_error=spread * (counted.sum() / max(1, counted.sum() - 1)) ** 0.5 if several else 0.0,
        syllables=float(np.mean([(np.cumsum(t.fit.usage) < 0.95).sum() + 1 for t in trials])),
        median_ms=1000 * median_s,
        ratio=ratio,
        js=js,
    )


def choose_kappa(rows: Sequence[Standing]) -> tuple[Standing, str]:
    """The row to take and the reason."""
    best = min(rows, key=lambda row: row.behind)
    nearest = min(map(_mismatch, rows))
    if not np.isfinite(nearest):
        return best, (
            f"kappa {best.candidate.kappa:g}: best held-out log-likelihood ({best.held_out:.3f} nats a frame); there "
            "are no durations of changepoints' blocks and of bouts to compare (--changepoints), so it decides alone"
        )
    matching = [row for row in rows if _mismatch(row) <= nearest + ALIKE]
    taken = min(matching, key=lambda row: row.behind)
    text = (
        f"kappa {taken.candidate.kappa:g}: its bouts, as changepoints would see them, last {taken.ratio:.2f} times as "
        "long as the blocks between these"
    )
    if len(matching) > 1:
        text += f"; of {len(matching)} that match alike it explains held-out sessions best"
    text += f" ({taken.held_out:.3f} nats a frame)"
    if best is not taken:
        text += f"; kappa {best.candidate.kappa:g} explains {taken.behind:.3f} nats a frame more, but {_lasting(best)}"
    if _mismatch(taken) > FAR_OFF:
        text += "; no kappa tried comes close: try larger or smaller ones (--scan-kappa)"
    return taken, text


def _lasting(row: Standing) -> str:
    if row.ratio is None:
        return "has no two changes of syllable to measure a bout between"
    return f"its bouts last {row.ratio:.2f} times as long as the blocks"


def choose_simplest(
    rows: Sequence[Standing], what: str, complexity: Callable[[Candidate], float]
) -> tuple[Standing, str]:
    """The simplest row that is as good as the best, and the reason."""
    best = min(rows, key=lambda row: row.behind)
    taken = min((row for row in rows if row.as_good), key=lambda row: complexity(row.candidate))
    if taken is best:
        others = [row.behind for row in rows if row is not best]
        return taken, f"{what}: best held-out log-likelihood, by {min(others, default=0.0):.3f} nats a frame"
    return taken, f"{what}: the simplest of those within {max(INDIFFERENT_NATS, taken.standard_error):.3f} nats a frame"


def _mismatch(row: Standing) -> float:
    return float("inf") if row.ratio is None else abs(float(np.log(row.ratio)))
