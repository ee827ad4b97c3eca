"""`etholoop calibrate`: thresholds from evidence."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from offline.calibration import report
from offline.calibration.calibrate import BEST, Calibrated, Goal, Recorded, calibrate
from offline.calibration.evidence import KINDS
from offline.calibration.labels import Labels, from_model, from_truth, read_label_file
from offline.calibration.rewrite import write_copy
from offline.calibration.tracks import ScoreTrack, load_tracks
from offline.command_line import Number, gather, progress_bar, say
from offline.demo_targets import meanings
from offline.protocol_commands import read_protocol
from offline.replay.decoded import Model, load_model
from offline.score import overlap
from online.errors import ConfigError
from online.files.outputs import check_outputs
from online.files.truth_file import read_truth
from online.files.whole_file import whole_file
from protocols.check import check_protocol
from protocols.rule_schema import SyllableRule
from protocols.schema import Protocol
from protocols.targets import resolve

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_PATH = click.Path(exists=True, path_type=Path)


@dataclass(frozen=True, slots=True)
class CalibrateOptions:
    """The command's options; see `etholoop calibrate --help`."""

    model: Path
    recordings: tuple[Path, ...]
    protocol: Path | None
    out: Path
    precision: float
    labels: Path | None
    truth: bool
    targets: int
    refractory_ms: float
    as_json: bool


@click.command(epilog="Example: etholoop calibrate m.model.h5 held_out/* --protocol reinforce.toml --out calibration")
@click.argument("model", type=_FILE)
@click.argument("recordings", nargs=-1, required=True, type=_PATH)
@click.option("--protocol", type=_FILE, help="Calibrate its rules on syllables, and write a copy with the thresholds.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for tables, picture and protocol.")
@click.option("--precision", default=0.9, show_default=True, type=Number(0, 1), help="Asked for.")
@click.option("--labels", type=_FILE, help="Judge by these labels: of `etholoop apply`, or of a moseq2 model file.")
@click.option("--truth", is_flag=True, help="Judge by what a simulated mouse really did (truth.h5 of its recordings).")
@click.option(
    "--targets",
    default=6,
    show_default=True,
    type=click.IntRange(1),
    help="Without --protocol: so many of the most used syllables.",
)
@click.option("--refractory-ms", default=100.0, show_default=True, type=Number(0), help="Without --protocol.")
@click.option("--json", "as_json", is_flag=True, help="Print the table for programs.")
@gather(CalibrateOptions)
def command(options: CalibrateOptions) -> None:
    """Choose thresholds for MODEL on RECORDINGS that it has never seen, and say how well they will do.

    RECORDINGS are Etholoop sessions, results_00.h5 or pca_scores.h5. Each is decoded as at the rig, by every kind of
    evidence, and every rule out of thousands is fired on it. A trigger is right when the animal is in the target at
    that very frame; what it did is the most probable syllable given the whole recording, or --labels, or --truth.

    \b
    precision   right triggers / all triggers; "with slop" also counts those
                whose previous syllable was the target, as was published
    recall      bouts with a right trigger / all bouts of the target
    delay       onset to trigger (exposure of the frame), over all bouts: one
                that was missed counts its own length
    published   the published rule as it is known: a threshold on the filtered
                posterior, no dwell, no hysteresis, tuned on the same data

    Of the rules with the precision asked for, the fastest is recommended; its recall is at most 2 points below that of
    the tuned published rule. Writes calibration.csv, frontier.csv, frontier.png, calibration.json and the protocol.
    """
    read = (options.model, *options.recordings, options.protocol, options.labels)
    check_outputs({f"--out ({name})": options.out / name for name in _names(options)}, read)
    model = load_model(options.model)
    tracks = _tracks(options, model)
    with progress_bar(silent=options.as_json) as bar:
        labelling = bar.add_task("labels", total=len(tracks))
        recorded = []
        for track, labels in zip(tracks, _labels(tracks, options, model), strict=True):
            recorded.append(Recorded(track, labels))
            bar.advance(labelling)
        goals = _goals(recorded, options, model)
        decoding = bar.add_task("decoding", total=sum(len(track.slots) for track in tracks))
        results = calibrate(
            recorded, model.bundle, KINDS, goals, options.precision, lambda frames: bar.advance(decoding, frames)
        )
    _write(results, options)


def _names(options: CalibrateOptions) -> list[str]:
    """Files written in --out."""
    copy = [] if options.protocol is None else [options.protocol.name]
    return ["calibration.csv", "frontier.csv", "frontier.png", "calibration.json", *copy]


def _tracks(options: CalibrateOptions, model: Model) -> list[ScoreTrack]:
    tracks: list[ScoreTrack] = []
    for path in options.recordings:
        unseen, trained = load_tracks(path, model)
        for name in trained:
            say(f"left out: {name} in {path} trained the model")
        tracks += unseen
    return tracks


def _labels(tracks: Sequence[ScoreTrack], options: CalibrateOptions, model: Model) -> list[Labels]:
    if options.truth and options.labels is not None:
        raise ConfigError("--truth and --labels exclude each other")
    if options.truth:
        return [from_truth(track) for track in tracks]
    if options.labels is not None:
        file = read_label_file(options.labels)
        return [file.of(track) for track in tracks]
    return [from_model(track, model.bundle) for track in tracks]


def _goals(recorded: Sequence[Recorded], options: CalibrateOptions, model: Model) -> list[Goal]:
    if options.protocol is not None:
        protocol = read_protocol(options.protocol)
        return _goals_of_protocol(protocol, recorded, options, model)
    if options.truth:
        return _true_goals(recorded, options, model)
    used = np.concatenate([one.labels.syllable for one in recorded])
    counts = np.bincount(used[used >= 0], minlength=model.bundle.arhmm.num_syllables)
    names = {k: name for name, members in model.names.items() for k in members}
    chosen = np.argsort(-counts, kind="stable")[: options.targets]
    return [Goal(names.get(int(k), str(k)), (int(k),), (int(k),), options.refractory_ms) for k in chosen if counts[k]]


def _goals_of_protocol(
    protocol: Protocol, recorded: Sequence[Recorded], options: CalibrateOptions, model: Model
) -> list[Goal]:
    num_syllables = model.bundle.arhmm.num_syllables
    problems = check_protocol(protocol, num_syllables, model.names, model.bundle.frame_rate_hz)
    if problems:
        raise ConfigError(f"{options.protocol} and {options.model} do not fit:\n  " + "\n  ".join(problems))
    goals = []
    for rule in protocol.rules:
        if not isinstance(rule, SyllableRule):
            continue
        target = resolve(rule.target, num_syllables, model.names)[0]
        turned = rule.contingency == "reversed"
        if turned:
            target = tuple(k for k in range(num_syllables) if k not in target)
        labels = _true_syllables(target, recorded, model) if options.truth else target
        goals.append(Goal(rule.name, target, labels, rule.refractory_ms, turned))
    if not goals:
        raise ConfigError(f"{options.protocol}: has no rule on syllables to calibrate")
    return goals


def _true_goals(recorded: Sequence[Recorded], options: CalibrateOptions, model: Model) -> list[Goal]:
    """The most used true syllables that the model has learned, each with the model's syllables that mean it."""
    learned = np.concatenate([from_model(one.track, model.bundle).syllable for one in recorded])
    true = np.concatenate([one.labels.syllable for one in recorded])
    track = recorded[0].track
    if track.truth is None:
        raise ConfigError(f"{track.path}: no truth.h5 beside it")
    usage = np.bincount(true[true >= 0])
    found = sorted(meanings(learned, true, read_truth(track.truth).syllable_names), key=lambda t: -usage[t.syllable])
    return [Goal(t.name, t.labels, (t.syllable,), options.refractory_ms) for t in found[: options.targets]]


def _true_syllables(target: tuple[int, ...], recorded: Sequence[Recorded], model: Model) -> tuple[int, ...]:
    """The true syllable that a target of the model mostly means."""
    learned = np.concatenate([from_model(one.track, model.bundle).syllable for one in recorded])
    counts = overlap(np.concatenate([one.labels.syllable for one in recorded]), learned)
    known = [k for k in target if k < counts.shape[1]]
    return (int(counts[:, known].sum(1).argmax()),)


def _write(results: Sequence[Calibrated], options: CalibrateOptions) -> None:
    rows = [row for found in results for row in report.rows_of(found)]
    report.write_table(rows, options.out / "calibration.csv")
    report.write_frontier(results, options.out / "frontier.csv")
    report.draw_frontier(results, options.precision, options.out / "frontier.png")
    missed = [(found, report.missed(found, options.precision)) for found in results]
    summary: dict[str, Any] = {"model": str(options.model), "precision": options.precision, "rows": rows}
    summary["not_reached"] = [line for _, lines in missed for line in lines]
    if options.protocol is not None:
        copy = options.out / options.protocol.name
        chosen = {found.goal.name: (found.chosen(BEST), found.kinds[found.chosen(BEST).kind]) for found in results}
        warnings = {found.goal.name: line for found, lines in missed for line in lines}
        write_copy(options.protocol, chosen, warnings, copy)
        summary["protocol"] = str(copy)
    with whole_file(options.out / "calibration.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=1))
    if options.as_json:
        click.echo(json.dumps(summary))
        return
    for line in report.as_text(results, options.precision):
        click.echo(line)
    click.echo(f"\ntables and picture in {options.out}")
    if options.protocol is not None:
        click.echo(f"protocol with these thresholds: {summary['protocol']}")
