"""What goes into the engine at a frame and what comes out: light structures, made outside pydantic."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from online.messages import TrialOutcome

Vector = NDArray[np.float64]


@dataclass(slots=True)
class Evidence:
    """What the decoder knows after a frame that it could judge; for a frame without evidence, pass None instead.

    filtered (K,): P(syllable now | all frames until now). `further`: one (K,) row for each kind that
    `EngineState.requests` lists beyond the filtered one, in that order; a row of NaN where that kind knows nothing
    yet. `novelty`: how unlike anything in training the frame is, NaN where unknown. `step` alone reads them.
    """

    filtered: Vector
    further: tuple[Vector, ...] = ()
    novelty: float = math.nan


class PoseLike(Protocol):
    """What rules may ask of a pose: `online.messages.Pose`, or anything with these attributes. None: not known."""

    @property
    def x_mm(self) -> float | None: ...
    @property
    def y_mm(self) -> float | None: ...
    @property
    def heading_rad(self) -> float | None: ...
    @property
    def heading_probability(self) -> float | None: ...
    @property
    def length_mm(self) -> float | None: ...
    @property
    def height_mm(self) -> float | None: ...
    @property
    def speed_mm_s(self) -> float | None: ...
    @property
    def turning_rad_s(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Train:
    """A finite train: `count` pulses of `width_us`, one each `period_us`, the first after `delay_us`."""

    channel: int
    width_us: int
    period_us: int
    count: int
    delay_us: int

    @property
    def duration_us(self) -> int:
        """From the first rise to the last fall."""
        return (self.count - 1) * self.period_us + self.width_us


@dataclass(frozen=True, slots=True)
class Decision:
    """One opportunity that a rule took or was denied; probability and threshold are NaN where a rule has none.

    `trial_number` counts the rule's pulses and catches from 1; a refused opportunity carries the number that its
    trial would have had. `reason` is the cause of a refusal, empty otherwise; `detail` says what decided it.
    """

    rule: str
    trial_number: int
    outcome: TrialOutcome
    reason: str
    target_probability: float
    threshold: float
    block: str
    output: str
    train: Train
    detail: str


class EvidenceRequest(NamedTuple):
    """A kind of evidence beyond the filtered posterior: "smoothed" (`time_ms` ago), "predicted" (ahead) or "onset"
    (row k: P(the current bout is of k and began within the last `time_ms`))."""

    kind: str
    time_ms: float


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """A rule as the screen shows it. `state`: "off" (not live in this block), "waiting", "dwell" (in a bout, not yet
    long enough), "bout" (its trial given) or "refractory"."""

    name: str
    state: str
    target: tuple[int, ...]
    threshold: float
    target_probability: float
    dwell_ms: float
    refractory_left_ms: float
    pulses: int
    catches: int
    refused: int


@dataclass(frozen=True, slots=True)
class Status:
    """The session as the screen shows it; `block` is empty before the first frame and after the last block."""

    block: str
    block_left_ms: float
    elapsed_ms: float
    duration_ms: float
    finished: bool
    rules: tuple[RuleStatus, ...]
