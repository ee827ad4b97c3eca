"""Conditions on scalars, place and time, made ready before the session."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import get_args

from protocols.moment import Moment
from protocols.places import inside_test, wall_distance
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

    def shortfall(self, moment: Moment) -> tuple[float, float]:
        """The value, and the nearest one that is allowed."""
        value = self.read(moment)
        return value, self.high if value > self.high or self.low == -inf else self.low

    def text(self, moment: Moment) -> str:
        """Name, value and bounds."""
        bounds = f"{self.low:g} ... {self.high:g}"
        return f"{self.name} = {self.read(moment):.4g} in {bounds}"


def make_checks(conditions: Sequence[Condition], protocol: Protocol) -> tuple[Check, ...]:
    """The conditions of a rule."""
    return tuple(_check(condition, protocol) for condition in conditions)


def first_unmet(checks: Sequence[Check], moment: Moment) -> int | None:
    """Number of the first condition that does not hold."""
    for number, check in enumerate(checks):
        if not check.holds(moment):
            return number
    return None


def _check(condition: Condition, protocol: Protocol) -> Check:
    if condition.place is not None:
        place = next(place for place in protocol.places if place.name == condition.place)
        wanted = 1.0 if condition.inside else 0.0
        return Check(f"inside {place.name}", _inside(inside_test(place)), wanted, wanted)
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


def _at_position(function: Callable[[float, float], float]) -> Reading:
    def read(moment: Moment) -> float:
        pose = moment.pose
        if pose is None or pose.x_mm is None or pose.y_mm is None:
            return nan
        return function(pose.x_mm, pose.y_mm) if isfinite(pose.x_mm + pose.y_mm) else nan

    return read


def _inside(test: Callable[[float, float], bool]) -> Reading:
    return _at_position(lambda x, y: float(test(x, y)))
