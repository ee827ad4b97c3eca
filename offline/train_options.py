"""Options of `etholoop train`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from offline.arhmm.fit import Schedule


class NumberList(click.ParamType):  # type: ignore[type-arg] # generic in newer versions of click alone
    """Numbers separated by commas."""

    name = "numbers"

    def __init__(self, whole: bool = False) -> None:
        self._whole = whole

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...] | tuple[int, ...]:
        """Parse, e.g. "10,1e3"."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(part) for part in str(value).split(",") if part.strip())
        except ValueError:
            self.fail(f"{value!r}: numbers separated by commas are wanted, e.g. 1e2,1e3", param, ctx)
        if any(number <= 0 or (self._whole and number != int(number)) for number in numbers):
            self.fail(f"{value!r}: {'whole ' if self._whole else ''}positive numbers are wanted", param, ctx)
        return tuple(int(number) for number in numbers) if self._whole else numbers


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """The command's options; see `etholoop train --help`."""

    scores: tuple[Path, ...]
    out: Path
    pca: Path | None
    kappa: float
    max_syllables: int
    lags: int
    pcs: int
    sweeps: int
    hold_out: float
    hold_out_by: Literal["session", "subject"]
    group: tuple[str, ...]
    subject: tuple[str, ...]
    share: float
    transitions: Literal["shared", "group"]
    student_t: bool
    prior: Literal["learned", "fixed"]
    seed: int
    resume: bool
    scan: bool
    scan_kappa: tuple[float, ...]
    scan_lags: tuple[int, ...]
    scan_pcs: tuple[int, ...]
    scan_student_t: bool
    restarts: int
    changepoints: Path | None
    workers: int
    scheduler: str | None
    threads: int | None
    frame_rate: float | None
    as_json: bool


def schedule_of(options: TrainOptions, checkpoint: Path | None) -> Schedule:
    return Schedule(
        sweeps=options.sweeps,
        average=min(40, options.sweeps),
        threads=options.threads or len(os.sched_getaffinity(0)),
        checkpoint=checkpoint,
        resume=options.resume,
    )
