"""`etholoop train`: from scores to a model bundle."""

import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np

from offline.arhmm.checkpoint import TracePoint
from offline.arhmm.diagnosis import diagnose
from offline.arhmm.fit import Fit, Schedule, fit
from offline.arhmm.gibbs import Settings
from offline.arhmm.transitions import StickyHDP
from offline.changepoints import block_durations_s, read_changepoints
from offline.command_line import gather, progress_bar, say
from offline.dataset import DataSet, Selection, available_components, hold_out, open_dataset
from offline.scan.report import as_json, draw_scan, in_words
from offline.scan.run import Request, Scale, ScanResult, run_scan
from offline.scan.trials import Candidate, Trial, narrowed
from offline.training import Prepared, Recipe, make_bundle, prepare, summarise_fit
from offline.training_pictures import draw_convergence
from offline.workers import open_workers
from online.errors import ConfigError
from online.files.bundle import save_bundle
from online.model import Array


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


@click.command(epilog="Example: etholoop train scores.h5 --pca pca.h5 --out mouse.model.h5 --kappa 1e4 --seed 1")
@click.argument("scores", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Model bundle to write (*.model.h5).")
@click.option("--pca", type=click.Path(exists=True, path_type=Path), help="pca.h5, so that the model can run at a rig.")
@click.option("--kappa", default=1e3, show_default=True, help="Stickiness: larger makes syllables last longer.")
@click.option("--max-syllables", default=100, show_default=True, type=click.IntRange(1, 2000))
@click.option("--lags", default=3, show_default=True, type=click.IntRange(1, 20), help="Frames a syllable looks back.")
@click.option("--pcs", default=10, show_default=True, type=click.IntRange(1, 200), help="Principal components used.")
@click.option("--sweeps", default=200, show_default=True, type=click.IntRange(1))
@click.option("--hold-out", default=0.2, show_default=True, type=click.FloatRange(0, 0.9), help="Share of sessions.")
@click.option("--hold-out-by", type=click.Choice(["session", "subject"]), default="session", show_default=True)
@click.option("--group", multiple=True, help="Only sessions of this group of the index; may be repeated.")
@click.option("--subject", multiple=True, help="Only sessions of this subject; may be repeated.")
@click.option(
    "--share", default=1.0, show_default=True, type=click.FloatRange(0, 1, min_open=True), help="Of sessions."
)
@click.option(
    "--transitions",
    type=click.Choice(["shared", "group"]),
    default="shared",
    show_default=True,
    help="group: transitions of their own for the groups of the index, with a bundle for each group beside OUT.",
)
@click.option("--student-t", is_flag=True, help="Heavy-tailed innovations instead of Gaussian.")
@click.option(
    "--prior",
    type=click.Choice(["learned", "fixed"]),
    default="learned",
    show_default=True,
    help="learned: what the syllables have in common is learned, too; fixed: as moseq2-model.",
)
@click.option("--seed", default=0, show_default=True)
@click.option("--resume", is_flag=True, help="Continue a run that was stopped, bit for bit, from OUT.checkpoint.")
@click.option("--scan", is_flag=True, help="Choose kappa and the like on held-out sessions, and among restarts.")
@click.option("--scan-kappa", type=NumberList(), default="1e1,1e2,1e3,1e4,1e5,1e6", show_default=True)
@click.option("--scan-lags", type=NumberList(whole=True), default="", help="Numbers of lags to scan, e.g. 1,2,3,5.")
@click.option("--scan-pcs", type=NumberList(whole=True), default="", help="Numbers of components, e.g. 5,10,15.")
@click.option("--scan-student-t", is_flag=True, help="Scan Gaussian against Student-t innovations.")
@click.option(
    "--restarts", default=3, show_default=True, type=click.IntRange(1), help="Chains for each setting scanned."
)
@click.option("--changepoints", type=click.Path(exists=True, path_type=Path), help="To compare durations with.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes of a scan.")
@click.option("--scheduler", help="Address of a dask scheduler whose workers run the scan, e.g. tcp://host:8786.")
@click.option("--threads", type=click.IntRange(1), help="Default: all cores. Changes nothing in the result.")
@click.option("--frame-rate", type=float, help="Hz, where the scores file does not say it.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary for programs.")
@gather(TrainOptions)
def command(options: TrainOptions) -> None:
    """Learn a model of syllables from principal-component SCORES.

    SCORES are any mix of pca_scores.h5, moseq2-index.yaml, results_00.h5 (with --pca) and Etholoop sessions. A sticky
    HDP-AR-HMM is fitted by Gibbs sampling; the bundle holds posterior means over the last sweeps. Held-out sessions
    take part in nothing but the judgement. A picture of the convergence (PNG) is left beside the model.

    --scan tries each --scan-kappa with each of the restarts, then the other settings at the kappa chosen, and keeps the
    best restart. A larger kappa costs likelihood but makes bouts longer: of the kappas that held-out sessions cannot
    tell from the best, the one is taken whose bouts last as the blocks between --changepoints do.
    """
    if options.scan and options.transitions == "group":
        raise ConfigError("--scan chooses with shared transitions: scan first, then train with --transitions group")
    if options.scan and options.resume:
        raise ConfigError("--resume continues one chain; a scan has many: give one of --scan and --resume")
    wanted = max((options.pcs, *(options.scan_pcs if options.scan else ())))
    count = available_components(options.scores, wanted) if options.scan_pcs else wanted
    selection = Selection(count, options.pca, options.group, options.subject, options.share, options.seed)
    found = open_dataset(options.scores, selection)
    for complaint in found.complaints:
        say(f"skipped: {complaint}")
    held = hold_out(found.sessions, options.hold_out, options.seed, options.hold_out_by)
    groups = sorted({s.group for s in found.sessions}) if options.transitions == "group" else []
    prepared = prepare(found.sessions, held, options.lags, _frame_rate(options, found), groups)
    settings = Settings(
        hdp=StickyHDP(options.kappa),
        max_syllables=options.max_syllables,
        student_t=options.student_t,
        learn_prior=options.prior == "learned",
        seed=options.seed,
    )
    if options.scan:
        _train_by_scan(options, prepared, settings)
        return
    result = _train_one(options, prepared, settings)
    beside = _write_groups(options, prepared, result, groups)
    _write(options, prepared, result, {"groups": beside} if beside else {})


def _schedule(options: TrainOptions, checkpoint: Path | None) -> Schedule:
    return Schedule(
        sweeps=options.sweeps,
        average=min(40, options.sweeps),
        threads=options.threads or len(os.sched_getaffinity(0)),
        checkpoint=checkpoint,
        resume=options.resume,
    )


def _train_one(options: TrainOptions, prepared: Prepared, settings: Settings) -> Fit:
    checkpoint = options.out.with_name(options.out.name + ".checkpoint")
    if options.resume and not checkpoint.exists():
        say(f"{checkpoint} does not exist: starting from the beginning")
    with progress_bar(silent=options.as_json) as bar:
        task = bar.add_task("sweeps", total=options.sweeps, note="")
        held = ""

        def report(point: TracePoint) -> None:
            nonlocal held
            held = held if point.held_out is None else f", held out {point.held_out:.3f}"
            bar.update(task, completed=point.sweep, note=f"{point.train:.3f} nats/frame{held}")

        return fit(prepared.train, prepared.held_out, settings, _schedule(options, checkpoint), report)


def _train_by_scan(options: TrainOptions, prepared: Prepared, settings: Settings) -> None:
    if prepared.held_out is None:
        raise ConfigError(
            "a scan chooses on held-out sessions, and none is held out: give two sessions, and --hold-out"
        )
    num_dims = prepared.train.x.shape[1]
    first = Candidate(options.kappa, options.lags, min(options.pcs, num_dims), options.student_t, options.seed)
    request = Request(
        first=first,
        restarts=options.restarts,
        kappas=options.scan_kappa or (options.kappa,),
        student_t=(False, True) if options.scan_student_t else (options.student_t,),
        num_lags=options.scan_lags or (options.lags,),
        num_components=tuple(sorted({min(n, num_dims) for n in options.scan_pcs})) or (first.num_components,),
    )
    scale = Scale(1000 / prepared.frame_rate_hz, _blocks_s(options, prepared))
    schedule = _schedule(options, None)
    with open_workers(options.workers, options.scheduler) as workers, progress_bar(silent=options.as_json) as bar:
        task = bar.add_task("chains", total=_count(request), note="")

        def report(trial: Trial) -> None:
            note = f"kappa {trial.candidate.kappa:g}: held out {trial.held_out_per_frame:.3f} nats/frame"
            bar.update(task, advance=1, note=note)

        result = run_scan((prepared.train, prepared.held_out), (settings, schedule), request, scale, workers, report)
    for complaint in result.complaints:
        say(f"failed: {complaint}")
    if not options.as_json:
        click.echo("\n".join(in_words(result)))
    picture = options.out.with_name(options.out.name.removesuffix(".h5").removesuffix(".model") + ".scan.png")
    draw_scan(picture, result, scale.blocks_s, scale.frame_ms)
    kept = result.kept.candidate
    narrow = [narrowed(s, kept.num_components, kept.num_lags) for s in (prepared.train, prepared.held_out)]
    chosen = Prepared(
        whitening=prepared.whitening,
        train=narrow[0],
        held_out=narrow[1],
        frame_rate_hz=prepared.frame_rate_hz,
        calibration=prepared.calibration,
        session_sha256=prepared.session_sha256,
    )
    _write(options, chosen, result.kept.fit, {"scan": as_json(result), "scan_picture": str(picture)}, result)


def _count(request: Request) -> int:
    """Chains that a scan will run."""
    more = [len(set(v)) - 1 for v in (request.student_t, request.num_lags, request.num_components)]
    return request.restarts * (len(set(request.kappas)) + sum(more))


def _blocks_s(options: TrainOptions, prepared: Prepared) -> Array | None:
    """Block durations of the training sessions."""
    if options.changepoints is None:
        say("no --changepoints: the held-out log-likelihood alone chooses kappa")
        return None
    times = read_changepoints(options.changepoints)
    known = [block_durations_s(times[name]) for name in prepared.train.names if name in times]
    if not known:
        raise ConfigError(
            f"{options.changepoints}: no changepoints of the training sessions; make them of these sessions"
        )
    return np.concatenate(known)


def _frame_rate(options: TrainOptions, found: DataSet) -> float:
    if options.frame_rate is not None:
        return options.frame_rate
    rates = found.rates_hz
    if rates and rates[-1] / rates[0] > 1.01:
        raise ConfigError(f"the scores were recorded at different frame rates ({rates} Hz): train them apart")
    if not rates:
        say("the scores do not say their frame rate: 30 Hz assumed (--frame-rate)")
    return rates[0] if rates else 30.0


def _write(
    options: TrainOptions, prepared: Prepared, result: Fit, more: dict[str, Any], scan: ScanResult | None = None
) -> None:
    """Bundle, picture of the convergence, and the summary."""
    kappa = options.kappa if scan is None else scan.kept.candidate.kappa
    seed = options.seed if scan is None else scan.kept.candidate.seed
    made_by = f"etholoop train{' --scan' if scan else ''} (kappa {kappa:g}, {options.sweeps} sweeps)"
    notes = "" if scan is None else "\n".join([stage.reason for stage in scan.stages])
    bundle = make_bundle(prepared, result, Recipe(made_by, seed, options.pca, options.scores, notes))
    save_bundle(options.out, bundle)
    schedule = _schedule(options, None)
    summary = summarise_fit(prepared, result, bundle, diagnose(result.trace, schedule.average)) | more
    final = {"training": summary["train_log_likelihood_per_frame"]}
    if summary["held_out_log_likelihood_per_frame"] is not None:
        final["held out"] = summary["held_out_log_likelihood_per_frame"]
    draw_convergence(options.out.with_suffix(".png"), result.trace, schedule.average, final)
    _tell(options, summary)


def _write_groups(options: TrainOptions, prepared: Prepared, result: Fit, groups: list[str]) -> dict[str, str]:
    """A bundle for each group that has transitions of its own; their paths by group."""
    if options.transitions == "group" and len(groups) < 2:
        say("all sessions are of one group: its transitions are those of the model")
    paths: dict[str, str] = {}
    for name, model in zip(groups, result.by_group, strict=False):
        made_by = f"etholoop train (kappa {options.kappa:g}, {options.sweeps} sweeps, transitions of group {name})"
        plain = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
        path = options.out.with_name(f"{options.out.name.removesuffix('.model.h5')}.{plain}.model.h5")
        save_bundle(
            path,
            make_bundle(
                prepared, replace(result, model=model), Recipe(made_by, options.seed, options.pca, options.scores)
            ),
        )
        paths[name] = str(path)
    return paths


def _tell(options: TrainOptions, summary: dict[str, Any]) -> None:
    if options.as_json:
        click.echo(json.dumps({"out": str(options.out), **_finite(summary)}))
        return
    click.echo(
        f"{options.out}: {summary['syllables']} syllables ({summary['syllables_for_95_percent']} cover 95 % of frames)"
    )
    if summary["median_duration_ms"] is not None:
        click.echo(f"median duration {summary['median_duration_ms']:.0f} ms (Gibbs sample)")
    held = summary["held_out_log_likelihood_per_frame"]
    count = len(summary["held_out_sessions"])
    shown = "no session held out" if held is None else f"{held:.3f} on {count} held-out session(s)"
    click.echo(f"log-likelihood per frame, whitened: {summary['train_log_likelihood_per_frame']:.3f} trained, {shown}")
    click.echo(summary["convergence"])
    if not summary["runs_at_rig"]:
        click.echo("trained from scores alone: it can label scores but cannot run at a rig (give --pca)")


def _finite(value: Any) -> Any:
    """The same with null in place of numbers that JSON does not know."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
