"""The course of a scan: kappa first, then innovations, lags and components one after the other, then the restarts."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from offline.arhmm.data import Sessions
from offline.arhmm.fit import Schedule
from offline.arhmm.gibbs import Settings
from offline.scan.agreement import Agreement, compare_restarts
from offline.scan.choose import Standing, choose_kappa, choose_simplest, standings
from offline.scan.kept import Shelf
from offline.scan.trials import Candidate, ScanData, Trial, run_trial, scan_data
from offline.workers import Workers
from online.errors import ConfigError, EtholoopError
from online.model import Array


@dataclass(frozen=True, slots=True)
class Request:
    """What to try: `first` is the starting point (its seed is the first restart's); each tuple holds a value, which
    is taken, or several, which are scanned."""

    first: Candidate
    restarts: int
    kappas: tuple[float, ...]
    student_t: tuple[bool, ...]
    num_lags: tuple[int, ...]
    num_components: tuple[int, ...]

    @property
    def all_kinds(self) -> list[Candidate]:
        """One candidate for each value of each setting."""
        first = self.first
        return [
            first,
            *(replace(first, kappa=k) for k in self.kappas),
            *(replace(first, num_lags=lags) for lags in self.num_lags),
            *(replace(first, num_components=count) for count in self.num_components),
        ]


@dataclass(frozen=True, slots=True)
class Stage:
    """One setting that was scanned."""

    name: str
    rows: list[Standing]
    chosen: Candidate
    reason: str


@dataclass(frozen=True, slots=True)
class ScanResult:
    """stages in order; all trials; the restarts with the chosen settings, how they agree, and the one to keep."""

    stages: list[Stage]
    trials: list[Trial]
    restarts: list[Trial]
    agreement: Agreement
    complaints: list[str]

    @property
    def kept(self) -> Trial:
        """The restart to keep."""
        return self.restarts[self.agreement.best]


@dataclass(frozen=True, slots=True)
class Scale:
    """Time of a frame, and the changepoints' block durations where there are any."""

    frame_ms: float
    blocks_s: Array | None

    @property
    def resolution_frames(self) -> int:
        """How near to each other changepoints can be: the first percentile of their blocks, or one frame.

        Where blocks are few or alike that says nothing of the detector, and all bouts would seem to last as they do:
        half of their median is the most.
        """
        if self.blocks_s is None or not len(self.blocks_s):
            return 1
        nearest_s = min(float(np.percentile(self.blocks_s, 1)), float(np.median(self.blocks_s)) / 2)
        return max(1, round(nearest_s * 1000 / self.frame_ms))


@dataclass(frozen=True, slots=True)
class Means:
    """Who runs the chains, who hears of each, and where they are kept."""

    workers: Workers
    report: Callable[[Trial], None]
    shelf: Shelf | None


def run_scan(
    sessions: tuple[Sessions, Sessions],
    base: tuple[Settings, Schedule],
    request: Request,
    scale: Scale,
    workers: Workers,
    report: Callable[[Trial], None] = lambda _: None,
    shelf: Shelf | None = None,
) -> ScanResult:
    """Scan on (training, held-out) sessions; chains that are on the shelf are not run again, finished ones put there.

    Raises
    ------
    ConfigError
        if no held-out frame can be judged, or no trial succeeds.
    """
    data = scan_data(*sessions, *base, request.all_kinds, scale.resolution_frames)
    known: dict[Candidate, Trial] = {}
    complaints: list[str] = []

    def attempt(kinds: list[Candidate]) -> list[Trial]:
        return _try_all(data, kinds, request, (known, complaints), Means(workers, report, shelf))

    taken = request.first.kind
    stages: list[Stage] = []
    for name, kinds, choose in _plan(request, scale):
        tried = kinds(taken)
        if len(tried) > 1:
            trials = attempt(tried)
            rows = standings(trials, scale.frame_ms, scale.blocks_s)
            row, reason = choose(rows)
            stages.append(Stage(name, rows, row.candidate, reason))
            taken = row.candidate
        else:
            taken = tried[0]
    restarts = attempt([taken])
    return ScanResult(stages, list(known.values()), restarts, compare_restarts(data, restarts), complaints)


_Choice = Callable[[list[Standing]], tuple[Standing, str]]


def _plan(request: Request, scale: Scale) -> list[tuple[str, Callable[[Candidate], list[Candidate]], _Choice]]:
    return [
        ("kappa", lambda taken: [replace(taken, kappa=v) for v in sorted(set(request.kappas))], choose_kappa),
        (
            "innovations",
            lambda taken: [replace(taken, student_t=v) for v in sorted(set(request.student_t))],
            lambda rows: choose_simplest(rows, "innovations", lambda c: float(c.student_t)),
        ),
        (
            "lags",
            lambda taken: [replace(taken, num_lags=v) for v in sorted(set(request.num_lags))],
            lambda rows: choose_simplest(rows, "lags", lambda c: float(c.num_lags)),
        ),
        (
            "components",
            lambda taken: [replace(taken, num_components=v) for v in sorted(set(request.num_components))],
            lambda rows: choose_simplest(rows, "components", lambda c: float(c.num_components)),
        ),
    ]


def _try_all(
    data: ScanData,
    kinds: list[Candidate],
    request: Request,
    memory: tuple[dict[Candidate, Trial], list[str]],
    means: Means,
) -> list[Trial]:
    """Trials of all restarts of each kind; those already known, or kept, are not run again."""
    known, complaints = memory
    seeds = range(request.first.seed, request.first.seed + request.restarts)
    wanted = [replace(kind, seed=seed) for kind in kinds for seed in seeds]
    for candidate in wanted:
        if means.shelf is not None and candidate not in known and (trial := means.shelf.take(data, candidate)):
            known[candidate] = trial
            means.report(trial)
    new = [candidate for candidate in wanted if candidate not in known]
    for candidate, outcome in zip(new, means.workers.map(run_trial, data, new), strict=True):
        if isinstance(outcome, EtholoopError):
            complaints.append(f"{candidate}: {outcome}")
            continue
        known[candidate] = outcome
        if means.shelf is not None:
            means.shelf.put(data, outcome)
        means.report(outcome)
    found = [known[candidate] for candidate in wanted if candidate in known]
    if not found:
        raise ConfigError("no trial of the scan succeeded: " + "; ".join(complaints))
    if found[0].frames.sum() == 0:
        raise ConfigError(
            f"no held-out frame has its {data.most_lags} predecessors: hold out more sessions (--hold-out), or scan "
            "fewer lags"
        )
    return found
