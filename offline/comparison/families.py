"""Model families fitted to the same sessions by the same sampler, judged on the same held-out frames."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from offline.arhmm.data import Sessions
from offline.arhmm.fit import Fit, Schedule, fit
from offline.arhmm.gibbs import Settings
from offline.scan.trials import common_frames, judge, narrowed
from online.model import Array


@dataclass(frozen=True, slots=True)
class Family:
    """Without `lags` a syllable is a place; without `chain` it does not depend on the one before; `single`: one."""

    name: str
    lags: bool = True
    chain: bool = True
    single: bool = False


AR_HMM = Family("AR-HMM")
FAMILIES = (
    AR_HMM,
    Family("AR mixture", chain=False),
    Family("Gaussian HMM", lags=False),
    Family("Gaussian mixture", lags=False, chain=False),
    Family("single AR", single=True),
)


@dataclass(frozen=True, slots=True)
class FamilyData:
    """Sessions with all lags, and what the families share."""

    train: Sessions
    held_out: Sessions
    settings: Settings
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class FamilyFit:
    """A fitted family; held_out (S,) log-likelihoods of the held-out sessions over their `frames` (S,)."""

    family: Family
    fit: Fit
    held_out: Array
    frames: NDArray[np.int64]

    @property
    def held_out_per_frame(self) -> float:
        """Nats a frame."""
        return float(self.held_out.sum() / max(1, self.frames.sum()))


def fit_family(data: FamilyData, family: Family) -> FamilyFit:
    """Fit one family to the training sessions and judge it on frames that have all lags."""
    num_lags = data.train.num_lags if family.lags else 0
    num_dims = data.train.x.shape[1]
    train, held = (narrowed(s, num_dims, num_lags) for s in (data.train, data.held_out))
    settings = replace(
        data.settings,
        max_syllables=1 if family.single else data.settings.max_syllables,
        mixture=not family.chain,
    )
    found = fit(train, None, settings, data.schedule)
    sums, frames = judge(found.model, held, common_frames(data.held_out, data.train.num_lags))
    return FamilyFit(family, found, sums, frames)
