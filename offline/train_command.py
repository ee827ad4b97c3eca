"""`etholoop train`: from scores to a model bundle."""

from pathlib import Path

import click

from offline.arhmm.checkpoint import TracePoint
from offline.arhmm.fit import Fit, fit
from offline.arhmm.gibbs import Settings
from offline.arhmm.transitions import StickyHDP
from offline.command_line import FRAME_RATE, KAPPA, OVERWRITE, SEED, Number, gather, progress_bar, repeatable, say
from offline.dataset import DataSet, available_components, common_rate_hz, hold_out, open_dataset, require_components
from offline.dataset_files import Selection
from offline.learning_options import LAGS, PCS, PRIOR, SCHEDULER, SCORES, SWEEPS, WORKERS, learns_prior
from offline.pca.components import read_components
from offline.scores import ScoredSession
from offline.train_by_scan import train_by_scan
from offline.train_options import NumberList, TrainOptions, check_train_outputs, checkpoint_of, schedule_of
from offline.train_outcome import write_groups, write_outcome
from offline.training import Prepared, prepare
from online.errors import ConfigError


@click.command(epilog="Example: etholoop train scores.h5 --pca pca.h5 --out mouse.model.h5 --kappa 1e4 --seed 1")
@SCORES
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Model bundle to write (*.model.h5).")
@click.option("--pca", type=click.Path(exists=True, path_type=Path), help="pca.h5, so that the model can run at a rig.")
@click.option(
    "--kappa", default=1e3, show_default=True, type=KAPPA, help="Stickiness: larger makes syllables last longer."
)
@click.option("--max-syllables", default=100, show_default=True, type=click.IntRange(1, 2000))
@LAGS
@PCS
@SWEEPS
@click.option("--hold-out", default=0.2, show_default=True, type=Number(0, 0.9), help="Share of sessions.")
@click.option("--hold-out-by", type=click.Choice(["session", "subject"]), default="session", show_default=True)
@click.option("--group", multiple=True, help="Only sessions of this group of the index; may be repeated.")
@click.option("--subject", multiple=True, help="Only sessions of this subject; may be repeated.")
@click.option("--share", default=1.0, show_default=True, type=Number(0, 1, min_open=True), help="Of sessions.")
@click.option(
    "--transitions",
    type=click.Choice(["shared", "group"]),
    default="shared",
    show_default=True,
    help="group: transitions of their own for the groups of the index, with a bundle for each group beside OUT.",
)
@click.option("--student-t", is_flag=True, help="Heavy-tailed innovations instead of Gaussian.")
@PRIOR
@click.option("--seed", default=0, show_default=True, type=SEED)
@click.option(
    "--resume", is_flag=True, help="Continue a run that was stopped, bit for bit, with what it kept beside OUT."
)
@OVERWRITE
@click.option("--scan", is_flag=True, help="Choose kappa and the like on held-out sessions, and among restarts.")
@click.option("--scan-kappa", type=NumberList(1e12), default="1e2,1e3,1e4,1e5,1e6,1e7,1e8", show_default=True)
@click.option("--scan-lags", type=NumberList(20, whole=True), default="", help="Numbers of lags to scan, e.g. 1,2,3,5.")
@click.option("--scan-pcs", type=NumberList(200, whole=True), default="", help="Numbers of components, e.g. 5,10,15.")
@click.option("--scan-student-t", is_flag=True, help="Scan Gaussian against Student-t innovations.")
@click.option(
    "--restarts", default=3, show_default=True, type=click.IntRange(1), help="Chains for each setting scanned."
)
@click.option(
    "--changepoints", type=click.Path(exists=True, path_type=Path), help="Of --scan: to compare durations with."
)
@WORKERS
@SCHEDULER
@click.option("--threads", type=click.IntRange(1), help="Default: all cores. Changes nothing in the result.")
@click.option("--frame-rate", type=FRAME_RATE, help="Hz, where the scores file does not say it.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary for programs.")
@gather(TrainOptions)
@repeatable
def command(options: TrainOptions) -> None:
    """Learn a model of syllables from principal-component SCORES.

    SCORES are any mix of pca_scores.h5, moseq2-index.yaml, results_00.h5 (with --pca) and Etholoop sessions. A sticky
    HDP-AR-HMM is fitted by Gibbs sampling; the bundle holds posterior means over the last sweeps. Held-out sessions
    judge the model and say what is usual (novelty), and take part in nothing else; the bundle names them ('etholoop
    model info'). A picture of the convergence
    (PNG) is left beside the model.

    --scan tries each --scan-kappa with each of the restarts, then the other settings at the kappa chosen, and keeps the
    best restart. A larger kappa makes bouts longer and costs likelihood, on crops up to any length: so the kappa is
    taken whose bouts last as the blocks between --changepoints do (make them with 'etholoop changepoints'), and of
    those alike in that the one that explains held-out sessions best. Without --changepoints the likelihood decides
    alone.
    """
    if options.changepoints is not None and not options.scan:
        raise ConfigError("--changepoints chooses kappa in a scan: give --scan as well, or leave it out")
    if options.scan and options.transitions == "group":
        raise ConfigError("--scan chooses with shared transitions: scan first, then train with --transitions group")
    check_train_outputs(options)
    wanted = max((options.pcs, *(options.scan_pcs if options.scan else ())))
    count = available_components(options.scores, wanted) if options.scan_pcs else wanted
    selection = Selection(count, options.pca, options.group, options.subject, options.share, options.seed)
    components = None if options.pca is None else read_components(options.pca, count)[1]
    found = open_dataset(options.scores, selection)
    if components is not None and options.pca is not None:
        unknown = require_components(found.sessions, components, options.pca)
        if unknown:
            say(f"not known of {len(unknown)} session(s): whether their scores come from {options.pca}")
    for complaint in found.complaints:
        say(f"skipped: {complaint}")
    held = hold_out(found.sessions, options.hold_out, options.seed, options.hold_out_by)
    _say_held_out(found.sessions, held)
    groups = sorted({s.group for s in found.sessions}) if options.transitions == "group" else []
    check_train_outputs(options, groups)
    prepared = prepare(found.sessions, held, options.lags, _frame_rate(options, found), groups)
    settings = Settings(
        hdp=StickyHDP(options.kappa),
        max_syllables=options.max_syllables,
        student_t=options.student_t,
        learn_prior=learns_prior(options.prior, options.pca, found.sessions),
        seed=options.seed,
    )
    if options.scan:
        train_by_scan(options, prepared, settings)
        return
    result = _train_one(options, prepared, settings)
    beside = write_groups(options, prepared, result, groups)
    write_outcome(options, prepared, result, {"groups": beside} if beside else {})
    checkpoint_of(options.out).unlink(missing_ok=True)


def _train_one(options: TrainOptions, prepared: Prepared, settings: Settings) -> Fit:
    checkpoint = checkpoint_of(options.out)
    if options.resume and not checkpoint.exists():
        say(f"{checkpoint} does not exist: starting from the beginning")
    with progress_bar(silent=options.as_json) as bar:
        task = bar.add_task("sweeps", total=options.sweeps, note="")
        held = ""

        def report(point: TracePoint) -> None:
            nonlocal held
            held = held if point.held_out is None else f", held out {point.held_out:.3f}"
            bar.update(task, completed=point.sweep, note=f"{point.train:.3f} nats/frame{held}")

        return fit(prepared.train, prepared.held_out, settings, schedule_of(options, checkpoint), report, say)


def _say_held_out(sessions: list[ScoredSession], held: list[str]) -> None:
    """Which sessions judge; and whether they shaped the components, which no later step can undo."""
    if not held:
        say(f"all {len(sessions)} session(s) train: none is held out to judge the model")
        return
    names = ", ".join(f"{s.uuid} ({s.subject})" if s.subject else s.uuid for s in sessions if s.uuid in held)
    say(f"held out, to judge the model ({len(held)} of {len(sessions)} sessions): {names}")
    if any(s.in_components for s in sessions if s.uuid in held):
        say("the components were learned from held-out sessions as well: 'etholoop pca --hold-out' leaves them out")


def _frame_rate(options: TrainOptions, found: DataSet) -> float:
    if options.frame_rate is not None:
        return options.frame_rate
    rate = common_rate_hz(found)
    if rate is None:
        say("the scores do not say their frame rate: 30 Hz assumed (--frame-rate)")
    return 30.0 if rate is None else rate
