"""`etholoop replay`: what a protocol did, or would have done, in recorded sessions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from offline.command_line import Number, gather, progress_bar, say
from offline.protocol_commands import read_protocol
from offline.replay import nulls, report
from offline.replay.compare import Comparison, compare, compare_near
from offline.replay.decoded import Model, decode_session, load_model, open_results_file, open_scores
from offline.replay.from_frames import recompute
from offline.replay.inputs import Recording
from offline.replay.kinds import kind_of
from offline.replay.recorded import RecordedSession, read_session, recording_of
from offline.replay.run import Replayed, replay
from online.errors import ConfigError, SessionFailed
from online.files.assignment import open_arm
from online.files.outputs import check_outputs
from online.files.protocol_files import ProtocolFiles
from protocols.materials import Materials
from protocols.materials import gather as gather_materials
from protocols.schema import Protocol
from protocols.seal import is_sealed, opened

_PATH = click.Path(exists=True, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """The command's options; see `etholoop replay --help`."""

    sessions: tuple[Path, ...]
    protocol: Path | None
    model: Path | None
    frames: bool
    assignment: Path | None
    baseline: tuple[Path, ...]
    null: int
    window: float
    trials: Path | None
    why: Path | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class Job:
    """A recording with the protocol and materials to run over it; `record` and `differences` where the session itself
    is reproduced."""

    recording: Recording
    protocol: Protocol
    materials: Materials
    record: RecordedSession | None = None
    differences: dict[str, int] | None = None


@click.command(epilog="Example: etholoop replay sessions/* --protocol reinforce.toml --trials trials.csv")
@click.argument("sessions", nargs=-1, required=True, type=_PATH)
@click.option("--protocol", type=_FILE, help="Protocol to run; without it, or with the file that ran, see above.")
@click.option("--model", type=_FILE, help="Decode with this model; needed for anything but an Etholoop session.")
@click.option("--frames", is_flag=True, help="Compute poses and posteriors again from the session's raw depth.")
@click.option("--assignment", type=_FILE, help="Sealed assignment, where the session's arm was blinded.")
@click.option("--null", type=click.IntRange(0), default=0, show_default=True, help="Draws of each null distribution.")
@click.option("--baseline", multiple=True, type=_PATH, help="Recording without stimulation, for --null; repeatable.")
@click.option(
    "--window",
    default=nulls.WINDOW_S,
    show_default=True,
    type=Number(0, min_open=True),
    help="Seconds after a pulse that the nulls look at.",
)
@click.option("--trials", type=click.Path(path_type=Path), help="Write all decisions to this CSV file.")
@click.option(
    "--why", type=click.Path(path_type=Path), help="Write why each rule near its threshold did not fire (CSV)."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result for programs.")
@gather(ReplayOptions)
def command(options: ReplayOptions) -> None:
    """Run a protocol over recorded SESSIONS, as fast as the machine can, through the engine and decoder of the rig.

    An Etholoop session without another --protocol or --model is *reproduced* from the inputs that were recorded: every
    decision must come out identical, bit for bit, and exit code 5 says that one did not, where and in what. With
    another protocol it is a dry run, as if the board had been armed throughout. SESSIONS may also be extracted
    recordings (results_00.h5) or scores (pca_scores.h5), which need --protocol and --model; a frame is then taken to be
    20 ms old when it is decided.
    """
    read = (*options.sessions, *options.baseline, options.protocol, options.model, options.assignment)
    check_outputs({"--trials": options.trials, "--why": options.why}, read)
    model = None if options.model is None else load_model(options.model)
    jobs = [job for path in options.sessions for job in jobs_of(path, options, model)]
    replays: list[Replayed] = []
    results: list[dict[str, Any]] = []
    with progress_bar(silent=options.as_json) as bar:
        for job in jobs:
            task = bar.add_task(job.recording.session[:40], total=job.recording.num_frames)
            keep_near = options.why is not None or job.record is not None
            replayed = replay(job.recording, job.protocol, job.materials, keep_near, partial(bar.advance, task))
            replays.append(replayed)
            results.append(report.summarise(replayed, job.protocol) | _reproduction(job, replayed))
    if options.trials is not None:
        report.write_trials(replays, options.trials)
    if options.why is not None:
        report.write_near(replays, options.why)
    compared = _nulls(jobs, options, model) if options.null else None
    _show(results, compared, options)
    if any(result["identical"] is False for result in results):
        raise SessionFailed("a session was not reproduced; see 'difference' above")


def jobs_of(path: Path, options: ReplayOptions, model: Model | None) -> list[Job]:
    """Open one path: an Etholoop session, extracted results, or scores of several sessions."""
    kind = kind_of(path)
    if kind == "session":
        return [_session_job(path, options, model)]
    if options.protocol is None or model is None:
        raise ConfigError(f"{path} is no Etholoop session: give --protocol and --model")
    protocol = read_protocol(options.protocol)
    recordings = open_scores(path, model) if kind == "scores" else [open_results_file(path, model)]
    return [Job(r, protocol, _materials(protocol, options.protocol, r.subject)) for r in recordings]


def _session_job(path: Path, options: ReplayOptions, model: Model | None) -> Job:
    session = read_session(path)
    own = options.protocol is None or options.protocol.read_bytes() == session.protocol_bytes
    if options.protocol is None or own:
        arm, protocol = _arm(session, options), session.protocol
        materials = session.own_materials(arm)
        if arm is not None:
            protocol = opened(protocol, str(session.attributes["subject"]), arm)
    else:
        protocol = read_protocol(options.protocol)
        materials = _materials(protocol, options.protocol, str(session.attributes["subject"]))
    if options.frames:
        again = recompute(session)
        return Job(again.recording, protocol, materials, session if own else None, again.differences)
    if model is not None:
        return Job(decode_session(session, model, as_recorded=own), protocol, materials)
    return Job(recording_of(session, as_recorded=own), protocol, materials, session if own else None)


def _arm(session: RecordedSession, options: ReplayOptions) -> str | None:
    assignment, subject = session.protocol.assignment, str(session.attributes["subject"])
    if assignment is None or assignment.sealed is None:
        return None
    if options.assignment is None:
        raise ConfigError(f"{session.path}: its arm is sealed: give --assignment {assignment.sealed}")
    return open_arm(options.assignment.read_text(), subject, str(options.assignment))


def _materials(protocol: Protocol, path: Path, subject: str) -> Materials:
    return gather_materials(protocol, ProtocolFiles(path.parent), subject)


def _reproduction(job: Job, replayed: Replayed) -> dict[str, Any]:
    """Whether the session's own record came out again."""
    if job.record is None:
        return {"identical": None, "difference": ""}
    sealed = is_sealed(job.record.protocol)
    found: Comparison = compare(replayed.decided, job.record.trials, sealed)
    difference = found.difference or compare_near(replayed.near, job.record.near, sealed)
    if difference and not job.record.complete:
        difference += "; messages of the session were lost in recording, so not all of the engine's inputs are there"
    first = sorted((job.differences or {}).items(), key=lambda item: item[1])
    recomputed = [f"{what} first differs at frame {frame}" for what, frame in first]
    return {
        "identical": not difference,
        "difference": difference,
        "refused_by_board": found.refused_by_board,
        "recomputed": recomputed,
    }


def _nulls(jobs: Sequence[Job], options: ReplayOptions, model: Model | None) -> dict[str, Any]:
    """Both nulls over all sessions; they must share a protocol."""
    protocol = jobs[0].protocol
    if any(_without_arms(job.protocol) != _without_arms(protocol) for job in jobs):
        raise ConfigError("--null: the sessions ran different protocols; give one with --protocol")
    say("null distributions: replaying" + (f", and {len(options.baseline)} baselines" if options.baseline else ""))
    own = [nulls.replay_traced(job.recording, protocol, job.materials)[1] for job in jobs]
    quiet = []
    for path in options.baseline:
        for job in jobs_of(path, replace(options, frames=False, protocol=options.protocol), model):
            recording = recording_of(job.record, False) if job.record is not None else job.recording
            quiet.append(nulls.replay_traced(recording, protocol, jobs[0].materials)[1])
    return nulls.null_distributions(protocol, own, quiet, options.null, options.window)


def _without_arms(protocol: Protocol) -> Protocol:
    return protocol.model_copy(update={"assignment": None})


def _show(results: list[dict[str, Any]], compared: dict[str, Any] | None, options: ReplayOptions) -> None:
    if options.as_json:
        click.echo(json.dumps({"sessions": results, "nulls": compared}))
        return
    for result in results:
        for line in report.as_text(result):
            click.echo(line)
        if result["identical"] is not None:
            click.echo(
                "  reproduced identically" if result["identical"] else f"  NOT reproduced: {result['difference']}"
            )
            for line in result["recomputed"]:
                click.echo(f"  computed again from the frames: {line}")
    for line in nulls.as_text(compared, options.window) if compared is not None else ():
        click.echo(line)
