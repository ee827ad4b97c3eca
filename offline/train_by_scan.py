"""`etholoop train --scan`: many chains, the best of which becomes the model."""

from dataclasses import replace

import click
import numpy as np

from offline.arhmm.gibbs import Settings
from offline.changepoints import block_durations_s, read_changepoints
from offline.command_line import progress_bar, say
from offline.scan.kept import Shelf
from offline.scan.report import as_json, draw_scan, in_words
from offline.scan.run import Request, Scale, run_scan
from offline.scan.trials import Candidate, Trial, narrowed
from offline.train_options import TrainOptions, chains_of, picture_of, schedule_of
from offline.train_outcome import write_outcome
from offline.training import Prepared
from offline.workers import open_workers
from online.errors import ConfigError
from online.model import Array


def train_by_scan(options: TrainOptions, prepared: Prepared, settings: Settings) -> None:
    if prepared.held_out is None:
        raise ConfigError(
            "a scan chooses on held-out sessions, and none is held out: give two sessions, and --hold-out"
        )
    num_dims = prepared.train.x.shape[1]
    if beyond := sorted(n for n in options.scan_pcs if n > num_dims):
        say(f"--scan-pcs {', '.join(map(str, beyond))}: the scores have {num_dims} components, so {num_dims} are tried")
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
    schedule = schedule_of(options, None)
    shelf = _shelf(options)
    with open_workers(options.workers, options.scheduler) as workers, progress_bar(silent=options.as_json) as bar:
        task = bar.add_task("chains", total=_count(request), note="")

        def report(trial: Trial) -> None:
            note = f"kappa {trial.candidate.kappa:g}: held out {trial.held_out_per_frame:.3f} nats/frame"
            bar.update(task, advance=1, note=note)

        sessions = (prepared.train, prepared.held_out)
        result = run_scan(sessions, (settings, schedule), request, scale, workers, report, shelf)
    for complaint in result.complaints:
        say(f"failed: {complaint}")
    if not options.as_json:
        click.echo("\n".join(in_words(result)))
    picture = picture_of(options.out, of_scan=True)
    draw_scan(picture, result, scale.blocks_s, scale.frame_ms)
    kept = result.kept.candidate
    narrow = [narrowed(s, kept.num_components, kept.num_lags) for s in (prepared.train, prepared.held_out)]
    chosen = replace(prepared, train=narrow[0], held_out=narrow[1])
    write_outcome(options, chosen, result.kept.fit, {"scan": as_json(result), "scan_picture": str(picture)}, result)
    shelf.clear()


def _shelf(options: TrainOptions) -> Shelf:
    """Where the scan's finished chains are kept; emptied of an earlier scan's unless this one continues it."""
    shelf = Shelf(chains_of(options.out), options.resume, say)
    if options.resume:
        say(f"{len(shelf)} finished chain(s) in {shelf.folder}")
    else:
        shelf.clear()
    return shelf


def _count(request: Request) -> int:
    """Chains that a scan will run."""
    more = [len(set(v)) - 1 for v in (request.student_t, request.num_lags, request.num_components)]
    return request.restarts * (len(set(request.kappas)) + sum(more))


def _blocks_s(options: TrainOptions, prepared: Prepared) -> Array | None:
    """Block durations of the training sessions."""
    if options.changepoints is None:
        say("no --changepoints: the held-out log-likelihood alone chooses kappa")
        return None
    found, rate_hz = read_changepoints(options.changepoints)
    changes = [found[name] for name in prepared.train.names if name in found]
    known = [block_durations_s(session.times_s, session.trace, rate_hz) for session in changes]
    if not known:
        raise ConfigError(
            f"{options.changepoints}: no changepoints of the training sessions; make them of these sessions"
        )
    if len(known) < len(prepared.train.names):
        say(f"changepoints are known of {len(known)} of {len(prepared.train.names)} training sessions")
    blocks_s = np.concatenate(known)
    if not len(blocks_s):
        raise ConfigError(
            f"{options.changepoints}: no two changepoints of a training session with known frames between; leave "
            "--changepoints out, and the held-out log-likelihood chooses alone"
        )
    return blocks_s
