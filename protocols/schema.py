"""The protocol file (TOML) in memory: what an author may write, key by key.

Times are milliseconds, probabilities 0 ... 1, positions mm from the centre of the region of interest, y down.
`parse.parse_protocol` reads a file into these models and reports all its problems together; `check.check_protocol`
asks whether a given model of syllables can serve it.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from protocols.rule_schema import Rule
from protocols.schema_types import (
    DelayMilliseconds,
    EdgeMilliseconds,
    Milliseconds,
    Name,
    Names,
    PositiveMilliseconds,
    Table,
    as_tuple,
)

MOST_OUTPUTS = 14
"""No board that can be driven has more; which a rig's board has, its rig file says."""
SyncMode = Literal["off", "barcode", "strobe"]


def _points(value: object) -> object:
    if isinstance(value, list):
        return tuple(tuple(point) if isinstance(point, list) else point for point in value)
    return value


class Session(Table):
    """`[session]`: `seed` keys every random draw; `duration_ms` may be left out where blocks give it."""

    name: Name
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    duration_ms: PositiveMilliseconds | None = None


class Block(Table):
    """`[[blocks]]`, in the order in which they come; `rules` are those that are live in it."""

    name: Name
    duration_ms: PositiveMilliseconds
    rules: Names = ()


class Circle(Table):
    """A disc."""

    x_mm: float = 0.0
    y_mm: float = 0.0
    radius_mm: Annotated[float, Field(gt=0)]


Polygon = Annotated[
    tuple[tuple[float, float], ...],
    Field(min_length=3),
    BeforeValidator(_points),
    Field(description="corners as [x_mm, y_mm], in order"),
]


class Shape(Table):
    """A circle or a polygon."""

    circle: Circle | None = None
    polygon: Polygon | None = None


class Arena(Shape):
    """`[arena]`: the outline of the walls, for `wall_distance_mm`."""


class Place(Shape):
    """`[[places]]`: a region with a name."""

    name: Name


class Output(Table):
    """`[[outputs]]`: a train on a channel: `count` pulses of `width_ms`, one each `period_ms`, after `delay_ms`."""

    name: Name
    channel: Annotated[int, Field(ge=0, lt=MOST_OUTPUTS)]
    width_ms: EdgeMilliseconds
    period_ms: EdgeMilliseconds | None = None
    count: Annotated[int, Field(ge=1, le=65_535)] = 1
    delay_ms: DelayMilliseconds = 0.0


class SyncOutput(Table):
    """`[[outputs]]` with `sync`: the board's own sync line, which marks time for other recordings.

    "barcode": a numbered pattern at intervals; "strobe": a pulse for each frame.
    """

    name: Name
    sync: Literal["barcode", "strobe"]


class Arm(Table):
    """`[[arms]]`: a group of subjects and the rules that are live for it alone; rules of no arm are live for all."""

    name: Name
    rules: Names = ()


class Assignment(Table):
    """`[assignment]`: which subject is in which arm, openly (`subjects`) or by a sealed file (`sealed`)."""

    sealed: Annotated[str, Field(min_length=1)] | None = None
    subjects: dict[str, Name] | None = None


class Limits(Table):
    """`[limits]`; the host keeps them and the board keeps them again.

    For each channel `max_duty`, the share of any `window_ms` for which the line may be high, and `min_interval_ms`,
    from the end of one pulse to the start of the next; for all together `max_pulses`, in the session. Catch trials
    count as if they were pulses.
    """

    max_width_ms: EdgeMilliseconds
    max_duty: Annotated[float, Field(gt=0, le=1)]
    window_ms: EdgeMilliseconds
    min_interval_ms: Milliseconds
    max_pulses: Annotated[int, Field(ge=1, le=10_000_000)]


class Timing(Table):
    """`[timing]`.

    A frame older than `deadline_ms` at its decision gives no trial. Evidence missing for longer than
    `evidence_gap_ms` ends every bout and proves no absence. `command_ms`: from a decision to the board's execution, by
    which open-loop pulses are sent early; measure it by loopback.
    """

    deadline_ms: Annotated[float, Field(gt=0, le=1000)] = 50.0
    evidence_gap_ms: Annotated[float, Field(gt=0, le=60_000)] = 250.0
    command_ms: Annotated[float, Field(ge=0, le=50)] = 0.0


class Protocol(Table):
    """A whole protocol file. Without blocks, all rules are live for `session.duration_ms`."""

    session: Session
    blocks: Annotated[tuple[Block, ...], BeforeValidator(as_tuple)] = ()
    rules: Annotated[tuple[Rule, ...], BeforeValidator(as_tuple)] = ()
    outputs: Annotated[tuple[Output | SyncOutput, ...], Field(min_length=1), BeforeValidator(as_tuple)]
    arms: Annotated[tuple[Arm, ...], BeforeValidator(as_tuple)] = ()
    assignment: Assignment | None = None
    places: Annotated[tuple[Place, ...], BeforeValidator(as_tuple)] = ()
    arena: Arena | None = None
    limits: Limits
    timing: Timing = Timing()

    @property
    def trains(self) -> dict[str, Output]:
        """The outputs that rules may use, by name."""
        return {output.name: output for output in self.outputs if isinstance(output, Output)}

    @property
    def sync_mode(self) -> SyncMode:
        """What the board's sync line shows."""
        return next((output.sync for output in self.outputs if isinstance(output, SyncOutput)), "off")

    def output(self, name: str) -> Output:
        """The train called `name`."""
        return self.trains[name]

    def all_blocks(self) -> tuple[Block, ...]:
        """The blocks in order; one that spans the session where the file names none."""
        if self.blocks or self.session.duration_ms is None:
            return self.blocks
        rules = tuple(rule.name for rule in self.rules)
        return (Block(name=self.session.name, duration_ms=self.session.duration_ms, rules=rules),)

    def rules_in(self, block: Block, arm: str | None) -> frozenset[str]:
        """Names of the rules that are live in a block for an arm."""
        others = {name for other in self.arms if other.name != arm for name in other.rules}
        mine = {name for own in self.arms if own.name == arm for name in own.rules}
        return frozenset(name for name in block.rules if name in mine or name not in others)
