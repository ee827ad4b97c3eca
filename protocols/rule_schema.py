"""`[[rules]]`: the kinds of rules that an author may write, told apart by `kind`."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from protocols.schema_types import (
    DelayMilliseconds,
    Milliseconds,
    Name,
    PositiveMilliseconds,
    Probability,
    Table,
    Target,
    Threshold,
    as_tuple,
)

PoseQuantity = Literal[
    "speed_mm_s",
    "turning_rad_s",
    "height_mm",
    "length_mm",
    "heading_rad",
    "heading_probability",
    "x_mm",
    "y_mm",
]
Quantity = Literal[PoseQuantity, "novelty", "wall_distance_mm", "block_time_ms", "session_time_ms"]
EvidenceKind = Literal["filtered", "smoothed", "predicted", "onset"]
MatchedCount = Annotated[int, Field(ge=1, le=100_000)]


class Condition(Table):
    """`when`: a quantity between `min` and `max` (both included), or being inside or outside a place.

    A quantity that is not known fulfils nothing. `heading_probability`: that head and tail are not confused;
    `novelty`: how unlike the training data the frame is; `block_time_ms`: since the block began.
    """

    quantity: Quantity | None = None
    min: float | None = None
    max: float | None = None
    place: Name | None = None
    inside: bool = True


class Earlier(Table):
    """`after`: the target must have been seen (at `threshold` or more) not longer than `within_ms` ago.

    Several make a chain: each must follow the one before it within that one's `within_ms`.
    """

    target: Target
    threshold: Threshold = 0.5
    within_ms: PositiveMilliseconds


class Absent(Table):
    """`absent`: the target must have stayed below `threshold` for `for_ms` of frames with evidence, without a gap in
    the evidence longer than `timing.evidence_gap_ms`."""

    target: Target
    threshold: Threshold = 0.5
    for_ms: PositiveMilliseconds


Conditions = Annotated[tuple[Condition, ...], BeforeValidator(as_tuple)]


class RuleBase(Table):
    """Keys of every rule.

    `refractory_ms` runs from trial to trial, catch trials included. One in 1 / `catch_probability` trials is a catch,
    balanced within runs of `catch_block` trials. Of two rules that ask for the same channel at once, the higher
    `priority` wins, then the earlier in the file. `alias`: the name under which screen and record show the rule, so
    that the arms of a blinded experiment look alike.
    """

    name: Name
    alias: Name | None = None
    output: Name
    max_per_minute: Annotated[int, Field(ge=1, le=6000)] | None = None
    catch_block: Annotated[int, Field(ge=1, le=64)] = 8
    delay_ms: DelayMilliseconds = 0.0
    priority: int = 0

    @property
    def shown_name(self) -> str:
        """What screen and record call it."""
        return self.name if self.alias is None else self.alias


class TriggeredRule(RuleBase):
    """Keys of rules that wait for something: conditions, sequences, dwell.

    `dwell_ms` of a bout must have passed, in capture time over frames with evidence; then the rule asks for a trial as
    soon as all else is fulfilled: once a bout, unless `once_per_bout = false`.
    """

    dwell_ms: Milliseconds = 0.0
    refractory_ms: Milliseconds
    once_per_bout: bool = True
    catch_probability: Probability = 0.25
    when: Conditions = ()
    after: Annotated[tuple[Earlier, ...], BeforeValidator(as_tuple)] = ()
    absent: Annotated[tuple[Absent, ...], BeforeValidator(as_tuple)] = ()


class SyllableRule(TriggeredRule):
    """`kind = "syllable"` (the default): a bout of the target syllables.

    A bout begins when the probability of being in one of the `target` syllables reaches `enter` and ends when it falls
    below `exit` (default: `enter`). `contingency = "reversed"` takes the probability of being in none of them.
    `evidence`: "filtered", now, from all frames until now; "smoothed", `evidence_ms` ago, from all frames until now;
    "predicted", `evidence_ms` ahead; "onset", that a bout of the target began within the last `evidence_ms`.
    """

    kind: Literal["syllable"] = "syllable"
    target: Target
    contingency: Literal["direct", "reversed"] = "direct"
    evidence: EvidenceKind = "filtered"
    evidence_ms: PositiveMilliseconds | None = None
    enter: Threshold
    exit: Probability | None = None

    @property
    def exit_threshold(self) -> float:
        """Probability below which a bout ends."""
        return self.enter if self.exit is None else self.exit


class SituationRule(TriggeredRule):
    """`kind = "situation"`: a bout lasts while all conditions of `when` hold, whatever the syllable."""

    kind: Literal["situation"]


class OwnRule(TriggeredRule):
    """`kind = "own"`: a bout lasts while the class `class` of the Python file `file` says so; see `own_rule`."""

    kind: Literal["own"]
    file: Annotated[str, Field(min_length=1)]
    class_name: Annotated[str, Field(alias="class", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    settings: dict[str, str | float | int | bool] = Field(default_factory=dict)


class ScheduledRule(RuleBase):
    """Keys of open-loop rules, whose times are fixed before the session. Trials keep `refractory_ms` apart."""

    refractory_ms: Milliseconds = 0.0
    catch_probability: Probability = 0.0


class PeriodicRule(ScheduledRule):
    """`kind = "periodic"`: a trial each `period_ms`, the first `start_ms` (one period) after each block's beginning."""

    kind: Literal["periodic"]
    period_ms: PositiveMilliseconds
    start_ms: Milliseconds | None = None


class PoissonRule(ScheduledRule):
    """`kind = "poisson"`: on average `rate_per_minute` trials a minute, at exponential intervals after a dead time of
    `refractory_ms`, or of what the train and the camera need."""

    kind: Literal["poisson"]
    rate_per_minute: Annotated[float, Field(gt=0, le=6000)]


class RandomRule(ScheduledRule):
    """`kind = "random"`: a fixed number of trials at random times over its blocks, at least `refractory_ms` apart.

    The number is `count`, or that of the pulses in the session `match` (a session folder, or a text file with a time
    a line), so that rates are matched.
    """

    kind: Literal["random"]
    count: MatchedCount | None = None
    match: str | None = None


class TimesRule(ScheduledRule):
    """`kind = "times"`: trials at `times_ms` after the session's beginning."""

    kind: Literal["times"]
    times_ms: Annotated[tuple[Milliseconds, ...], Field(min_length=1), BeforeValidator(as_tuple)]


class YokedRule(ScheduledRule):
    """`kind = "yoked"`: the pulses of another animal's session at the same session times.

    `source`: a session folder, or a text file with a time in ms a line.
    """

    kind: Literal["yoked"]
    source: Annotated[str, Field(min_length=1)]


Rule = Annotated[
    SyllableRule | SituationRule | OwnRule | PeriodicRule | PoissonRule | RandomRule | TimesRule | YokedRule,
    Field(discriminator="kind"),
]
RULE_KINDS: dict[str, type[RuleBase]] = {
    "syllable": SyllableRule,
    "situation": SituationRule,
    "own": OwnRule,
    "periodic": PeriodicRule,
    "poisson": PoissonRule,
    "random": RandomRule,
    "times": TimesRule,
    "yoked": YokedRule,
}
