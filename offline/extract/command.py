"""`etholoop extract`: many recordings in parallel."""

import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty

import click

from offline.command_line import SEED, Number, gather, progress_bar, say
from offline.extract.flips import load_weights
from offline.extract.quality import unusual_sessions
from offline.extract.session import Progress, SessionReport, SessionTask, extract_session
from offline.workers import open_workers
from online.arena_calibration import CalibrationSettings
from online.errors import ConfigError, EtholoopError
from online.model import ExtractionSettings

DEFAULT_MM_PER_PIXEL = 1.85
REFERENCE_SIZE_MM = 39.0
"""Square root of the usual area of an adult mouse from above (1500 mm^2)."""

_steps: "Queue[tuple[int, int]] | None" = None


def _start_worker(steps: "Queue[tuple[int, int]]") -> None:
    global _steps
    _steps = steps


def _work(task: SessionTask) -> SessionReport:
    queue = _steps
    return extract_session(task, lambda done, found: queue.put((done, found)) if queue is not None else None)


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """The command's options; see `etholoop extract --help`."""

    sessions: tuple[Path, ...]
    jobs: int
    scheduler: str | None
    compat: str | None
    arena: Path | None
    mask: Path | None
    mm_per_crop_pixel: float
    same_size: bool
    head_tail: Path | None
    min_height: float
    max_height: float
    depth_range: tuple[float, float] | None
    seed: int
    trim: bool
    movie: bool
    overwrite: bool
    as_json: bool


@click.command(epilog="Example: etholoop extract recordings/session_* --jobs 4")
@click.argument("sessions", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Sessions extracted at a time.")
@click.option("--scheduler", help="Address of a dask scheduler whose workers see the same files; instead of --jobs.")
@click.option(
    "--compat",
    type=click.Choice(["moseq2"]),
    help="Repeat moseq2-extract: its crops, its scalars, its mistakes; for models trained with it.",
)
@click.option("--arena", type=click.Path(path_type=Path), help="Arena file; without it the arena is found by itself.")
@click.option("--mask", type=click.Path(path_type=Path), help="What hides the mouse; see 'etholoop arena --help'.")
@click.option(
    "--mm-per-crop-pixel",
    default=DEFAULT_MM_PER_PIXEL,
    type=Number(0.2, 20),
    show_default=True,
    help="Size of a crop pixel; a camera that sees within 3 % of it is used as it is, any other is resampled.",
)
@click.option("--same-size", is_flag=True, help="Scale each animal to the same size in the crop, once it is known.")
@click.option("--head-tail", type=click.Path(path_type=Path), help="Classifier of the nose's end: 'etholoop flips'.")
@click.option(
    "--min-height",
    default=10.0,
    show_default=True,
    type=Number(0, 255),
    help="Lowest height of the mouse above the floor, mm.",
)
@click.option("--max-height", default=100.0, show_default=True, type=Number(0, 255), help="Greatest height, mm.")
@click.option(
    "--depth-range", type=(Number(0), Number(0)), help="Where to look for the floor: nearest and farthest mm."
)
@click.option("--seed", default=0, show_default=True, type=SEED, help="Of the search for the floor.")
@click.option("--trim", is_flag=True, help="Use recordings that were cut short as far as they go.")
@click.option("--movie/--no-movie", default=True, show_default=True, help="Write results_00.mp4, to look at.")
@click.option("--overwrite", is_flag=True, help="Extract sessions again that have results.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
@gather(ExtractOptions)
def command(options: ExtractOptions) -> None:
    """Extract the mouse from depth recordings.

    SESSIONS are MoSeq folders, depth files or archives, Etholoop sessions, or RealSense files (.db3, .bag). Each gets
    a folder proc with results_00.h5 and results_00.yaml (egocentric crops and scalars, made by the same code that
    runs at the rig) and results_00.mp4. Frames without a mouse, dropped frames and odd sizes are reported.
    """
    if options.same_size and options.compat:
        raise ConfigError("--same-size and --compat exclude each other: moseq2-extract leaves animals their size")
    settings = ExtractionSettings(
        options.mm_per_crop_pixel,
        min_height_mm=options.min_height,
        max_height_mm=options.max_height,
        opening_diameter_px=9 if options.compat else 7,
        convention="moseq2" if options.compat else "etholoop",
        reference_size_mm=REFERENCE_SIZE_MM if options.same_size else None,
        head_tail_weights=load_weights(options.head_tail) if options.head_tail else None,
    )
    calibration = CalibrationSettings(depth_range_mm=options.depth_range)
    tasks = [
        SessionTask(path, settings, calibration, options.arena, options.mask, options.seed, options.trim, options.movie)
        for path in options.sessions
    ]
    todo = [task for task in tasks if options.overwrite or not task.results.exists()]
    for task in tasks:
        if task not in todo:
            say(f"{task.path}: has results already; --overwrite extracts it again")
    reports, failures = extract_all(todo, options.jobs, silent=options.as_json, scheduler=options.scheduler)
    if options.as_json:
        messages = {path: str(error) for path, error in failures.items()}
        click.echo(json.dumps({"sessions": [asdict(report) for report in reports], "failures": messages}, indent=1))
    else:
        for report in reports:
            click.echo(_line(report))
    if failures:
        raise _in_one(failures)


def _in_one(failures: dict[str, EtholoopError]) -> EtholoopError:
    """All failures as one error, of their own kind if they share it."""
    named = (str(error) if path in str(error) else f"{path}: {error}" for path, error in failures.items())
    kinds = {type(error) for error in failures.values()}
    return (kinds.pop() if len(kinds) == 1 else EtholoopError)("; ".join(named))


def _line(report: SessionReport) -> str:
    line = f"{report.results}: {report.frames} frames, {report.dropped} dropped, {report.missing} without a mouse"
    failed = [f"check {name}: {report.checks[name]:.0%} of frames" for name in report.failed]
    return "\n  warning: ".join([line, *report.warnings, *failed])


Outcome = tuple[SessionTask, SessionReport | EtholoopError]


def extract_all(
    tasks: list[SessionTask], jobs: int, silent: bool, scheduler: str | None = None
) -> tuple[list[SessionReport], dict[str, EtholoopError]]:
    """Extract sessions; one that fails does not stop the others. Returns reports, and errors by path."""
    reports: list[SessionReport] = []
    failures: dict[str, EtholoopError] = {}
    with progress_bar(silent) as bar:
        task_id = bar.add_task("extracting", total=0, note="")

        def advance(done: int, found: int) -> None:
            bar.update(task_id, advance=done, total=(bar.tasks[0].total or 0) + found)

        if scheduler is not None:
            outcomes = _on_cluster(tasks, scheduler, advance)
        elif jobs == 1 or len(tasks) < 2:
            outcomes = _in_this_process(tasks, advance)
        else:
            outcomes = _in_parallel(tasks, jobs, advance)
        for task, outcome in outcomes:
            if isinstance(outcome, SessionReport):
                reports.append(outcome)
            else:
                failures[str(task.path)] = outcome
    return _compared(reports), failures


def _compared(reports: list[SessionReport]) -> list[SessionReport]:
    """Note sessions that are unlike the others."""
    flags = unusual_sessions([report.means for report in reports])
    unlike = "mean size or speed is unlike the other sessions'"
    return [
        replace(report, warnings=[*report.warnings, unlike]) if flag else report
        for report, flag in zip(reports, flags, strict=True)
    ]


def _in_this_process(tasks: list[SessionTask], advance: Progress) -> Iterator[Outcome]:
    for task in tasks:
        try:
            yield task, extract_session(task, advance)
        except EtholoopError as error:
            yield task, error


def _on_cluster(tasks: list[SessionTask], scheduler: str, advance: Progress) -> Iterator[Outcome]:
    """Sessions on the workers of a dask scheduler; progress comes session by session."""
    advance(0, len(tasks))
    with open_workers(scheduler=scheduler) as workers:
        for task, outcome in zip(tasks, workers.map(_job, None, tasks), strict=True):
            advance(1, 0)
            yield task, outcome


def _job(_: None, task: SessionTask) -> SessionReport:
    return extract_session(task, lambda _done, _found: None)


def _in_parallel(tasks: list[SessionTask], jobs: int, advance: Progress) -> Iterator[Outcome]:
    context = multiprocessing.get_context("spawn")
    steps: Queue[tuple[int, int]] = context.Queue()
    with ProcessPoolExecutor(jobs, context, _start_worker, (steps,)) as pool:
        futures: list[Future[SessionReport]] = [pool.submit(_work, task) for task in tasks]
        waiting = set(futures)
        while waiting:
            waiting = wait(waiting, timeout=0.2).not_done
            with suppress(Empty):
                while True:
                    advance(*steps.get_nowait())
        for task, future in zip(tasks, futures, strict=True):
            error = future.exception()
            if error is not None and not isinstance(error, EtholoopError):
                raise error
            yield task, error if error is not None else future.result()
