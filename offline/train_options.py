"""Options of `etholoop train`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from offline.arhmm.fit import Schedule
from offline.learning_options import averaged_sweeps
from online.files.bundle import SUFFIX, require_bundle_name
from online.files.outputs import check_outputs, refuse_existing


class NumberList(click.ParamType):  # type: ignore[type-arg] # generic in newer versions of click alone
    """Numbers above 0, up to `most`, separated by commas."""

    name = "numbers"

    def __init__(self, most: float, whole: bool = False) -> None:
        self._most = most
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
        if not all(0 < number <= self._most and not (self._whole and number % 1) for number in numbers):
            kind = "whole" if self._whole else "positive"
            self.fail(f"{value!r}: {kind} numbers up to {self._most:g} are wanted", param, ctx)
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
    prior: Literal["auto", "learned", "fixed"]
    seed: int
    resume: bool
    overwrite: bool
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


def checkpoint_of(out: Path) -> Path:
    """Where a run that is under way is kept."""
    return out.with_name(out.name + ".checkpoint")


def chains_of(out: Path) -> Path:
    """Folder in which the finished chains of a scan that is under way are kept."""
    return out.with_name(out.name + ".chains")


def picture_of(out: Path, of_scan: bool = False) -> Path:
    """The picture of the convergence, or of the scan."""
    return out.with_name(out.name.removesuffix(SUFFIX) + ".scan.png") if of_scan else out.with_suffix(".png")


def bundle_of_group(out: Path, group: str) -> Path:
    """The bundle with the transitions of one group."""
    plain = "".join(c if c.isalnum() or c in "-_" else "_" for c in group)
    return out.with_name(f"{out.name.removesuffix(SUFFIX)}.{plain}{SUFFIX}")


def check_train_outputs(options: TrainOptions, groups: Sequence[str] = ()) -> None:
    """Raise a ConfigError where --out is no name of a bundle, or something cannot or must not be written.

    A bundle that exists is replaced with --overwrite and by a run that is resumed alone.
    """
    out = options.out
    require_bundle_name("--out", out)
    bundles = {"--out": out} | {f"bundle of group {name!r}": bundle_of_group(out, name) for name in groups}
    outputs = bundles | {
        "checkpoint": chains_of(out) / "kappa.h5" if options.scan else checkpoint_of(out),
        "picture": picture_of(out),
        "picture of the scan": picture_of(out, of_scan=True),
    }
    check_outputs(outputs, (*options.scores, options.pca, options.changepoints))
    refuse_existing(bundles, options.overwrite or options.resume)


def schedule_of(options: TrainOptions, checkpoint: Path | None) -> Schedule:
    return Schedule(
        sweeps=options.sweeps,
        average=averaged_sweeps(options.sweeps),
        threads=options.threads or len(os.sched_getaffinity(0)),
        checkpoint=checkpoint,
        resume=options.resume,
    )
