"""How long a line may be high and a train keeps it so: the arithmetic that the engine, drivers and boards share."""

from typing import Protocol

from protocols.schema_types import GRID_US

DUTY_SCALE = 10_000
"""Boards know the duty to this fraction."""


class TrainShape(Protocol):
    """A train as far as high time goes; `period_us` means nothing where `count` is 1."""

    @property
    def count(self) -> int: ...
    @property
    def width_us(self) -> int: ...
    @property
    def period_us(self) -> int: ...


def most_high_us(train: TrainShape, window_us: int) -> int:
    """Most high time of a train in any window."""
    total_us = train.count * train.width_us
    if train.count == 1:
        return total_us
    whole, rest_us = divmod(window_us, train.period_us)
    return min(total_us, whole * train.width_us + min(train.width_us, rest_us))


def allowed_high_us(window_us: int, max_duty: float) -> int:
    """High time that one window may hold, on the grid of the boards' clocks."""
    return window_us // GRID_US * round(max_duty * DUTY_SCALE) // DUTY_SCALE * GRID_US
