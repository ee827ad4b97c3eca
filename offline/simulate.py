"""`etholoop simulate`: recordings of a simulated mouse, with the truth beside them."""

import json
import multiprocessing
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty

import click
import numpy as np

from offline.command_line import SEED, Number, gather, progress_bar
from online.errors import ConfigError
from online.files.truth_file import TruthTable
from online.simulation.mouse import init, step
from online.simulation.settings import SimulationSettings

FRAMES_A_REPORT = 60
EPOCH = datetime(2025, 1, 1, 12)

_frames_done: "Queue[int] | None" = None


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """The command's options; see `etholoop simulate --help`."""

    out: Path
    sessions: int
    minutes: float
    rate: int
    seed: int
    behaviour_seed: int
    syllables: int
    width: int
    height: int
    focal_px: float
    floor_distance: float
    arena_size: float
    body_scale: float
    drop: float
    noise: float
    holes: float
    tether: bool
    reflection: bool
    jobs: int
    as_json: bool


@dataclass(frozen=True, slots=True)
class Task:
    """One session to simulate."""

    folder: Path
    settings: SimulationSettings
    num_slots: int


@dataclass(frozen=True, slots=True)
class Report:
    """What was written."""

    folder: str
    frames: int
    dropped: int
    seed: int


@click.command(epilog="Example: etholoop simulate --out recordings --sessions 4 --minutes 2")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the session folders.")
@click.option("--sessions", default=4, show_default=True, type=click.IntRange(1, 10000))
@click.option("--minutes", default=2.0, show_default=True, type=Number(0, min_open=True), help="Of each.")
@click.option("--rate", default=30, show_default=True, help="Frames a second: 15, 30, 60, 90 ...")
@click.option("--seed", default=0, show_default=True, type=SEED, help="Of the first session; the others count upwards.")
@click.option(
    "--behaviour-seed", default=0, show_default=True, type=SEED, help="Of the repertoire: the same animal, if the same."
)
@click.option("--syllables", default=24, show_default=True, help="Size of the repertoire.")
@click.option("--width", default=320, show_default=True, help="Of the image, px.")
@click.option("--height", default=240, show_default=True, help="Of the image, px.")
@click.option("--focal-px", default=385.0, show_default=True, help="Focal length, px.")
@click.option("--floor-distance", default=673.0, show_default=True, help="From the camera, mm.")
@click.option("--arena-size", default=230.0, show_default=True, help="Radius, mm; less where the view holds less.")
@click.option("--body-scale", default=1.0, show_default=True, help="Size of the animal.")
@click.option("--drop", default=0.0, show_default=True, help="Chance that a frame is dropped.")
@click.option("--noise", default=1.0, show_default=True, help="Factor on the sensor's noise.")
@click.option("--holes", default=5e-5, show_default=True, help="Share of pixels without a reading.")
@click.option("--tether", is_flag=True, help="A cable from the animal's neck.")
@click.option("--reflection", is_flag=True, help="Walls that mirror the animal.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Sessions simulated at a time.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
@gather(SimulateOptions)
def command(options: SimulateOptions) -> None:
    """Record a simulated mouse: MoSeq session folders (depth.dat, metadata.json, depth_ts.txt).

    Beside each recording, truth.h5 holds the animal's true syllable, place and posture in every frame, so that
    whatever is learned from the recordings can be judged. Sessions differ in what happens, not in the repertoire.
    """
    tasks = plan(options)
    with progress_bar(silent=options.as_json) as bar:
        task = bar.add_task("simulating", total=sum(t.num_slots for t in tasks), note="")
        reports = simulate_all(tasks, options.jobs, lambda count: bar.advance(task, count))
    if options.as_json:
        click.echo(json.dumps({"sessions": [asdict(report) for report in reports]}, indent=1))
    else:
        for report in reports:
            click.echo(f"{report.folder}: {report.frames} frames, {report.dropped} dropped, seed {report.seed}")


def plan(options: SimulateOptions) -> list[Task]:
    """The sessions to simulate, after checking that nothing is in the way.

    Raises
    ------
    ConfigError
        if a setting is impossible, a session's folder exists already, or the disk is too small.
    """
    first = SimulationSettings(
        width=options.width,
        height=options.height,
        rate_hz=options.rate,
        focal_px=options.focal_px,
        floor_distance_mm=options.floor_distance,
        arena_size_mm=options.arena_size,
        behaviour_seed=options.behaviour_seed,
        num_syllables=options.syllables,
        body_scale=options.body_scale,
        drop_probability=options.drop,
        noise_scale=options.noise,
        hole_rate=options.holes,
        tether=options.tether,
        reflection=options.reflection,
    )
    num_slots = max(round(options.minutes * 60 * options.rate), 2)
    tasks = [
        Task(options.out / f"session_{seed:04d}", replace(first, seed=seed), num_slots)
        for seed in range(options.seed, options.seed + options.sessions)
    ]
    for task in tasks:
        if task.folder.exists():
            raise ConfigError(f"{task.folder} exists already: choose another --out or --seed, or remove it")
    options.out.mkdir(parents=True, exist_ok=True)
    needed, free = 2 * first.width * first.height * num_slots * len(tasks), shutil.disk_usage(options.out).free
    if needed > 0.95 * free:
        raise ConfigError(
            f"the recordings need {needed / 1e9:.1f} GB and {options.out} has {free / 1e9:.1f} GB: "
            "fewer --sessions or --minutes, or a smaller image"
        )
    return tasks


def simulate_all(tasks: list[Task], jobs: int, progress: Callable[[int], object]) -> list[Report]:
    """Simulate sessions, several at a time; `progress` hears how many slots were done."""
    if jobs == 1 or len(tasks) == 1:
        return [simulate_session(task, progress) for task in tasks]
    context = multiprocessing.get_context("spawn")
    frames_done: Queue[int] = context.Queue()
    with ProcessPoolExecutor(min(jobs, len(tasks)), context, _start_worker, (frames_done,)) as pool:
        futures: list[Future[Report]] = [pool.submit(_work, task) for task in tasks]
        waiting = set(futures)
        while waiting:
            waiting = wait(waiting, timeout=0.2).not_done
            with suppress(Empty):
                while True:
                    progress(frames_done.get_nowait())
        return [future.result() for future in futures]


def _start_worker(frames_done: "Queue[int]") -> None:
    global _frames_done
    _frames_done = frames_done


def _work(task: Task) -> Report:
    queue = _frames_done
    return simulate_session(task, queue.put if queue is not None else lambda _: None)


def simulate_session(task: Task, progress: Callable[[int], object]) -> Report:
    """Write one session folder under a temporary name, then give it its own."""
    part = task.folder.with_name(f".{task.folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        recorded = _record(task, part, progress)
        part.rename(task.folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return Report(str(task.folder), recorded, task.num_slots - recorded, task.settings.seed)


def _record(task: Task, folder: Path, progress: Callable[[int], object]) -> int:
    settings = task.settings
    state = init(settings)
    truths = TruthTable(task.num_slots)
    frame = np.zeros((settings.height, settings.width), "<u2")
    recorded = 0
    with (folder / "depth.dat").open("wb") as depth, (folder / "depth_ts.txt").open("w") as times:
        for slot in range(task.num_slots):
            seen = step(state, frame) is not None
            assert state.last_truth is not None
            truths.put(slot, state.last_truth, state.posture, seen)
            if seen:
                depth.write(frame.data)
                times.write(f"{1000 * slot / settings.rate_hz:.4f} 0\n")
                recorded += 1
            if (slot + 1) % FRAMES_A_REPORT == 0:
                progress(FRAMES_A_REPORT)
    progress(task.num_slots % FRAMES_A_REPORT)
    truths.write(folder / "truth.h5", settings, state.behaviour)
    (folder / "metadata.json").write_text(json.dumps(_metadata(task), indent=1))
    return recorded


def _metadata(task: Task) -> dict[str, object]:
    settings, lens = task.settings, task.settings.intrinsics
    return {
        "SubjectName": f"simulated mouse {settings.behaviour_seed}",
        "SessionName": task.folder.name,
        "StartTime": (EPOCH + timedelta(hours=settings.seed)).isoformat(),
        "DepthResolution": [settings.width, settings.height],
        "DepthDataType": "UInt16[]",
        "ColorResolution": [settings.width, settings.height],
        "ColorDataType": "Byte[]",
        "IsLittleEndian": True,
        "NidaqChannels": 0,
        "NidaqSamplingRate": 0.0,
        "Intrinsics": {"fx": lens.fx_px, "fy": lens.fy_px, "cx": lens.cx_px, "cy": lens.cy_px},
        "Simulation": asdict(settings),
    }
