"""`etholoop pca`: from extracted sessions to principal components and scores."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click
import h5py
import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from offline.command_line import OVERWRITE, SEED, Number, gather, progress_bar, say
from offline.dataset import hold_out
from offline.pca.components import Components, component_keys, projection_of, write_components
from offline.pca.learning import Learning, learn
from offline.pca.scoring import score_session, scorer
from offline.results import Results, extraction_difference, open_all
from offline.scores import ScoresWriter
from offline.training_pictures import draw_components
from offline.workers import Workers, open_workers
from online import projection
from online.errors import ConfigError, EtholoopError
from online.files.outputs import check_outputs, refuse_existing, require_room
from online.files.whole_file import whole_file
from online.frame_grid import SlotRule
from online.model import ExtractionSettings, PixelFilter, Projection

PIXEL_FILTER = PixelFilter(blur_sigma_y_px=1.5)
"""As moseq2-pca filters in effect: the second sigma of its yaml never reaches the blur."""


@dataclass(frozen=True, slots=True)
class PcaOptions:
    """The command's options; see `etholoop pca --help`."""

    results: tuple[Path, ...]
    out: Path
    scores: Path
    components: int
    dropped_frames: SlotRule
    mm_per_crop_pixel: float | None
    hold_out: float
    hold_out_by: Literal["session", "subject"]
    seed: int
    workers: int
    scheduler: str | None
    overwrite: bool
    as_json: bool


@click.command(epilog="Example: etholoop pca */proc/results_00.h5 --out pca.h5 --scores pca_scores.h5")
@click.argument("results", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="pca.h5 to write; pca.yaml goes beside it.")
@click.option("--scores", required=True, type=click.Path(path_type=Path), help="pca_scores.h5 to write.")
@click.option("--components", default=25, show_default=True, type=click.IntRange(1, 500))
@click.option(
    "--dropped-frames",
    type=click.Choice(["round", "floor"]),
    default="round",
    show_default=True,
    help="How gaps in time stamps are counted; floor: as moseq2-pca, which often misses one.",
)
@click.option("--mm-per-crop-pixel", type=Number(0.2, 20), help="Where the results do not say it.")
@click.option(
    "--hold-out",
    default=0.0,
    show_default=True,
    type=Number(0, 0.9),
    help="Share of sessions scored only: those that 'etholoop train' holds out by the same three options.",
)
@click.option("--hold-out-by", type=click.Choice(["session", "subject"]), default="session", show_default=True)
@click.option("--seed", default=0, show_default=True, type=SEED, help="Of the draw of --hold-out.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--scheduler", help="Address of a dask scheduler whose workers see the same files.")
@OVERWRITE
@click.option("--json", "as_json", is_flag=True, help="Print the summary for programs.")
@gather(PcaOptions)
def command(options: PcaOptions) -> None:
    """Find the principal components of extracted sessions (RESULTS, files results_00.h5) and score every frame.

    Covariance and components are exact; the same files give the same result. Dropped frames and frames without a
    mouse have NaN scores. A scree plot with the components (PNG) is left beside pca.h5.
    """
    out = options.out
    beside = {f"{ending[1:]} beside {out}:": out.with_suffix(ending) for ending in (".yaml", ".png")}
    check_outputs({"--out": out, "--scores": options.scores, **beside}, options.results)
    refuse_existing({"--out": out, "--scores": options.scores}, options.overwrite)
    sessions, complaints = open_all(options.results, options.dropped_frames, options.mm_per_crop_pixel)
    for complaint in complaints:
        say(f"skipped: {complaint}")
    extraction, rate = _agreed(sessions)
    held = hold_out(sessions, options.hold_out, options.seed, options.hold_out_by)
    learned = [s for s in sessions if s.uuid not in held]
    if held:
        say(f"scored only, not learned from ({len(held)} of {len(sessions)} sessions): {', '.join(held)}")
    rows = sum(int(s.slots[-1]) + 1 for s in sessions if s.num_frames)
    require_room("--scores", options.scores, 4 * (options.components + 1) * rows)
    with open_workers(options.workers, options.scheduler) as workers, progress_bar(silent=options.as_json) as bar:
        found, filled_in = _learn(learned, options.components, bar, workers)
        write_components(options.out, found, PIXEL_FILTER, extraction, [s.path for s in learned], filled_in)
        _write_scores(options.scores, (sessions, held), rate, projection_of(found, PIXEL_FILTER), (bar, workers))
        draw_components(options.out.with_suffix(".png"), found.components, found.explained_variance_ratio)
    share = found.explained_variance_ratio
    if options.as_json:
        summary: dict[str, Any] = {"out": str(options.out), "scores": str(options.scores), "frames": found.num_frames}
        summary |= {"sessions": [s.uuid for s in sessions], "held_out_sessions": held}
        click.echo(json.dumps(summary | {"explained_variance_ratio": share.tolist()}))
    else:
        click.echo(f"{options.out}: {len(share)} components of {found.num_frames} frames explain {share.sum():.1%}")


def _write_scores(
    path: Path,
    sessions: tuple[list[Results], list[str]],
    rate: float,
    components: Projection,
    means: tuple[Progress, Workers],
) -> None:
    """Score every session, the held-out ones (second of `sessions`, uuids) marked as such."""
    every, held = sessions
    bar, workers = means
    task = bar.add_task("scores", total=sum(s.num_frames for s in every), note="")
    with whole_file(path) as temporary, h5py.File(temporary, "w") as scored:
        writer = ScoresWriter(scored, rate, component_keys(components))
        state = scorer(components, every[0].extraction)
        for session, scores in zip(every, workers.map(_score, state, every), strict=True):
            if isinstance(scores, EtholoopError):
                raise scores
            writer.add(session.uuid, *scores, in_components=session.uuid not in held)
            with h5py.File(session.path) as file:
                writer.copy_metadata(session.uuid, file.get("metadata/acquisition"))
            bar.advance(task, session.num_frames)


def _agreed(sessions: list[Results]) -> tuple[ExtractionSettings, float]:
    """The settings and frame rate that all sessions share; pixel size and rate may differ by measurement error."""
    first = sessions[0]
    for other in sessions[1:]:
        if abs(other.frame_rate_hz / first.frame_rate_hz - 1) > 0.03:
            raise ConfigError(
                f"{first.path} was recorded at {first.frame_rate_hz:g} Hz, {other.path} at {other.frame_rate_hz:g} Hz: "
                "components for both cannot be learned together"
            )
        difference = extraction_difference(first.extraction, other.extraction)
        if difference is not None:
            raise ConfigError(f"{first.path} and {other.path} differ in {difference}: extract them alike")
    rate = float(np.median([s.frame_rate_hz for s in sessions]))
    return first.extraction, round(rate) if abs(rate - round(rate)) < 0.2 else rate


def _learn(sessions: list[Results], num_components: int, bar: Progress, workers: Workers) -> tuple[Components, bool]:
    """Components of all crops, and whether hidden pixels were filled in."""
    task = bar.add_task("covariance", total=len(sessions), note="")
    settings = sessions[0].extraction
    limits_mm = (settings.min_height_mm, settings.max_height_mm)
    learning = Learning(PIXEL_FILTER, sessions[0].crop_size_px, limits_mm)
    learned = learn(sessions, learning, num_components, workers, lambda _: bar.advance(task))
    if learned.changes:
        verdict = "settled" if learned.settled else "still changing: hide less, or record more"
        last = learned.changes[-1]
        say(f"hidden pixels filled in {len(learned.changes)} times; components turned by {last:.3f} at last: {verdict}")
    return learned.components, bool(learned.changes)


def _score(state: projection.ProjectionState, session: Results) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return score_session(session, state)
