"""What the commands at the desk share: options gathered into one dataclass, and progress on standard error."""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text
from threadpoolctl import threadpool_limits

T = TypeVar("T")

SEED = click.IntRange(0, 2**63 - 1)


class Number(click.FloatRange):
    """A finite number in a range. NaN is in none, though click lets it through: it is neither too small nor too big."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse and check."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


KAPPA = Number(0, 1e12, min_open=True)
FRAME_RATE = Number(1, 1000)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace what exists under the names given.")


def gather(kind: type[T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """Decorate a function of one dataclass so that click can call it with the dataclass's fields by name.

    Options that may be given many times arrive as tuples; that an option lacks its field, or a field its option, is
    found when the command is first called.
    """

    def decorate(function: Callable[[T], None]) -> Callable[..., None]:
        def callback(**values: Any) -> None:
            function(kind(**values))

        callback.__doc__ = function.__doc__
        callback.__name__ = function.__name__
        return callback

    return decorate


def repeatable(function: Callable[[T], None]) -> Callable[[T], None]:
    """Decorate a command (below `gather`) whose numbers must not depend on how many threads BLAS may use: products of
    matrices, split over another number of threads, differ in their last bits."""

    @wraps(function)
    def alone(options: T) -> None:
        with threadpool_limits(1, user_api="blas"):
            function(options)

    return alone


class NoteColumn(ProgressColumn):
    """The task's field `note`, where it has one."""

    def render(self, task: Task) -> Text:
        """Text of the note."""
        return Text(str(task.fields.get("note", "")))


def progress_bar(silent: bool = False) -> Progress:
    """Progress with time left, on standard error so that standard output stays readable by programs."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        NoteColumn(),
        console=Console(stderr=True),
        disable=silent,
        transient=True,
    )


def say(text: str) -> None:
    """A line for the person, on standard error."""
    click.echo(text, err=True)


def finite(value: Any) -> Any:
    """The same with null in place of numbers that JSON does not know."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
