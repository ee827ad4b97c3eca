"""`etholoop why`: why a rule fired, and why it did not, from a session's own record."""

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from offline.command_line import Number, gather
from offline.replay.recorded import read_session
from offline.why import Answer, Inquiry, trial_for_json, trial_in_words
from online.errors import ConfigError
from online.files.outputs import check_outputs
from online.files.tables import text_of
from online.files.whole_file import whole_file
from protocols.targets import nearest
from protocols.why import NearMiss


@dataclass(frozen=True, slots=True)
class WhyOptions:
    """The command's options; see `etholoop why --help`."""

    session: Path
    seconds: float | None
    frame: int | None
    trial: int | None
    rule: str | None
    out: Path | None
    as_json: bool


@click.command(epilog="Example: etholoop why data/2026-01-31_14-00-00_m12 --at 83.2")
@click.argument("session", type=click.Path(exists=True, path_type=Path))
@click.option("--at", "seconds", type=Number(0), help="Seconds since the session's first frame.")
@click.option("--frame", type=click.IntRange(0), help="Number of a frame (frame_index).")
@click.option("--trial", type=click.IntRange(1), help="Number of a pulse or catch of a rule.")
@click.option("--rule", help="Ask about this rule alone.")
@click.option("--out", type=click.Path(path_type=Path), help="Write every near miss to this CSV file.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer for programs.")
@gather(WhyOptions)
def command(options: WhyOptions) -> None:
    """Say why each rule of a SESSION fired at a moment, or why it did not, with the values that decided.

    A session records every decision, and for every frame at which a rule was near its threshold (from 0.8 of it on) or
    in a bout what kept it from a trial. Without --at, --frame or --trial: how often each cause did. For a protocol that
    was not run, see `etholoop replay --why`.
    """
    asked = [name for name in ("seconds", "frame", "trial") if getattr(options, name) is not None]
    if len(asked) > 1:
        raise ConfigError("--at, --frame and --trial exclude each other")
    check_outputs({"--out": options.out}, [options.session])
    inquiry = Inquiry(read_session(options.session))
    if options.rule is not None and options.rule not in inquiry.rules:
        raise ConfigError(f"--rule {options.rule}: no such rule; {nearest(options.rule, inquiry.rules)}")
    if options.out is not None:
        write_near(inquiry, options.rule, options.out)
    if options.trial is not None:
        _show_trials(inquiry, options)
    elif asked:
        _show_frame(inquiry, options)
    else:
        _show_counts(inquiry, options)


def _show_frame(inquiry: Inquiry, options: WhyOptions) -> None:
    if options.frame is None:
        place = inquiry.place_at(options.seconds or 0.0)
    else:
        found = inquiry.place_of(options.frame)
        if found is None:
            raise ConfigError(f"--frame {options.frame}: was dropped, or is not in the record: no rule saw it")
        place = found
    answers = [answer for answer in inquiry.at(place) if options.rule in (None, answer.rule)]
    frame, seconds = int(inquiry.session.engine["frame_index"][place]), inquiry.seconds(place)
    if options.as_json:
        click.echo(json.dumps({"frame_index": frame, "seconds": seconds, "rules": [asdict(a) for a in answers]}))
        return
    click.echo(f"frame {frame}, {seconds:.3f} s")
    for answer in answers:
        click.echo(f"  {_line(answer)}")
    if not answers:
        click.echo("  the protocol has no rule")


def _line(answer: Answer) -> str:
    said = "did not fire" if answer.outcome == "nothing" else answer.outcome
    return f"{answer.rule}: {said}: {answer.why}"


def _show_trials(inquiry: Inquiry, options: WhyOptions) -> None:
    trials = inquiry.session.trials
    given = trials[(trials["trial_number"] == options.trial) & (trials["outcome"] != b"refused")]
    rows = [row for row in given if options.rule in (None, text_of(row["rule"]))]
    if not rows:
        raise ConfigError(f"--trial {options.trial}: no rule had so many; see `etholoop why` without it")
    if options.as_json:
        click.echo(json.dumps([trial_for_json(row) for row in rows]))
        return
    for row in rows:
        click.echo(f"{text_of(row['rule'])}, frame {row['frame_index']}: {trial_in_words(row)}")


def _show_counts(inquiry: Inquiry, options: WhyOptions) -> None:
    counts = {rule: causes for rule, causes in inquiry.counts().items() if options.rule in (None, rule)}
    trials: dict[str, Any] = {rule: {} for rule in counts}
    for row in inquiry.session.trials:
        rule, outcome = text_of(row["rule"]), text_of(row["outcome"])
        if rule in trials:
            trials[rule][outcome] = trials[rule].get(outcome, 0) + 1
    if options.as_json:
        click.echo(json.dumps({rule: {"trials": trials[rule], "near": counts[rule]} for rule in counts}))
        return
    for rule, causes in counts.items():
        given = ", ".join(f"{number} {outcome}" for outcome, number in sorted(trials[rule].items()))
        click.echo(f"{rule}: {given or 'no decision'}; frames near the threshold or in a bout that gave no trial:")
        for cause, number in causes.items():
            click.echo(f"  {number:>7}  {cause}")
        if not causes:
            click.echo("     none")


def write_near(inquiry: Inquiry, rule: str | None, out: Path) -> None:
    """Every near miss with its values and in words, as CSV."""
    near = inquiry.session.near
    if rule is not None:
        near = near[near["rule"] == rule.encode()]
    frames = inquiry.session.engine["frame_index"]
    places = np.searchsorted(frames, near["frame_index"])
    with whole_file(out) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("frame_index", "seconds", *NearMiss._fields, "words"))
        for place, row in zip(places.tolist(), near, strict=True):
            cells = (row[name] for name in NearMiss._fields)
            values = (text_of(cell) if isinstance(cell, bytes) else cell.item() for cell in cells)
            writer.writerow((row["frame_index"], inquiry.seconds(place), *values, inquiry.near_in_words(row)))
