"""Conditions on scalars, place and time, made ready before the session."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import get_args

from protocols.moment import Moment
from protocols.places import AtPoint, inside_test, wall_distance
from protocols.rule_schema import Condition, PoseQuantity
from protocols.schema import Protocol

Reading = Callable[[Moment], float]
POSE_QUANTITIES = get_args(PoseQuantity)


@dataclass(frozen=True, slots=True)
class Check:
    """`read` must lie in low ... high, both included; NaN, for what is not known, never does."""

    name: str
    read: Reading
    low: float
    high: float

    def holds(self, moment: Moment) -> bool:
        """Whether it does."""
        return self.low <= self.read(moment) <= self.high

    def nearest(self, value: float) -> float:
        """The nearest value that is allowed."""
        return self.high if value > self.high or self.low == -inf else self.low

    def text(self, moment: Moment) -> str:
        """Name, value and bounds."""
        bounds = f"{self.low:g} ... {self.high:g}"
        return f"{self.name} = {self.read(moment):.4g} in {bounds}"


def make_checks(conditions: Sequence[Condition], protocol: Protocol) -> tuple[Check, ...]:
    """The conditions of a rule."""
    return tuple(_check(condition, protocol) for condition in conditions)


def _check(condition: Condition, protocol: Protocol) -> Check:
    if condition.place is not None:
        place = next(place for place in protocol.places if place.name == condition.place)
        wanted = 1.0 if condition.inside else 0.0
        return Check(f"inside {place.name}", _at_position(inside_test(place)), wanted, wanted)
    if condition.quantity is None:
        raise AssertionError("a condition without quantity and place was not refused")
    low = -inf if condition.min is None else condition.min
    high = inf if condition.max is None else condition.max
    return Check(condition.quantity, _reading(condition.quantity, protocol), low, high)


def _reading(quantity: str, protocol: Protocol) -> Reading:
    if quantity in POSE_QUANTITIES:
        return _of_pose(quantity)
    if quantity == "wall_distance_mm" and protocol.arena is not None:
        return _at_position(wall_distance(protocol.arena))
    readings: dict[str, Reading] = {
        "novelty": lambda moment: moment.novelty,
        "block_time_ms": lambda moment: moment.block_ns / 1e6,
        "session_time_ms": lambda moment: moment.session_ns / 1e6,
    }
    return readings[quantity]


def _of_pose(quantity: str) -> Reading:
    def read(moment: Moment) -> float:
        value = None if moment.pose is None else getattr(moment.pose, quantity)
        return nan if value is None else value

    return read


def _at_position(function: AtPoint) -> Reading:
    def read(moment: Moment) -> float:
        pose = moment.pose
        if pose is None:
            return nan
        x_mm, y_mm = pose.x_mm, pose.y_mm
        if x_mm is None or y_mm is None or not isfinite(x_mm + y_mm):
            return nan
        return function(x_mm, y_mm)

    return read
