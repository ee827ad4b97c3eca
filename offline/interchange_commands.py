"""`etholoop model export` and `etholoop model merge`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from offline.arhmm.labelling import Method
from offline.command_line import OVERWRITE, gather, repeatable, say
from offline.dataset import open_dataset, require_model
from offline.dataset_files import Selection
from offline.model_export import ExportOptions, export_model, write_model, write_scores
from offline.model_merge import alike, merge, ready
from offline.scores import ScoredSession
from online.errors import ConfigError
from online.files.bundle import SUFFIX, load_bundle, require_bundle_name, save_bundle
from online.files.outputs import check_outputs, refuse_existing
from online.model import ModelBundle

_MODEL = click.Path(exists=True, dir_okay=False, path_type=Path)
_SCORES = click.Path(exists=True, path_type=Path)
LIBRARY_SUFFIXES = (".p", ".pz")


@dataclass(frozen=True, slots=True)
class ExportArguments:
    """The command's options; see `etholoop model export --help`."""

    model: Path
    scores: tuple[Path, ...]
    pca: Path | None
    out: Path
    scores_out: Path | None
    method: Method
    overwrite: bool
    as_json: bool


@click.command(
    "export", epilog="Example: etholoop model export mice.model.h5 moseq2-index.yaml --out model.p --method viterbi"
)
@click.argument("model", type=_MODEL)
@click.argument("scores", nargs=-1, required=True, type=_SCORES)
@click.option("--pca", type=_SCORES, help="pca.h5, to score results with.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File of labels and parameters (*.p).")
@click.option("--scores-out", type=click.Path(path_type=Path), help="Also write the scores, pca_scores.h5.")
@click.option(
    "--method",
    type=click.Choice(["filtered", "smoothed", "viterbi", "gibbs"]),
    default="viterbi",
    show_default=True,
    help="viterbi: as moseq2's apply-model; the others: see 'etholoop apply'.",
)
@OVERWRITE
@click.option("--json", "as_json", is_flag=True, help="Print the summary for programs.")
@gather(ExportArguments)
@repeatable
def export_command(options: ExportArguments) -> None:
    """Label SCORES with MODEL and write what moseq2-viz and the app read."""
    if options.out.suffix not in LIBRARY_SUFFIXES:
        raise ConfigError(f"--out {options.out}: moseq2-viz reads models whose name ends in .p")
    outputs = {"--out": options.out, "--scores-out": options.scores_out}
    check_outputs(outputs, (options.model, *options.scores, options.pca))
    refuse_existing(outputs, options.overwrite)
    bundle, sessions = _open(options.model, options.scores, options.pca)
    check_outputs(outputs, (s.source for s in sessions))
    scores_path = options.scores_out or options.scores[0]
    if options.scores_out is not None:
        write_scores(options.scores_out, sessions, bundle.frame_rate_hz)
    write_model(options.out, export_model(bundle, sessions, ExportOptions(options.method, str(scores_path.resolve()))))
    if options.as_json:
        click.echo(json.dumps({"out": str(options.out), "sessions": [s.uuid for s in sessions]}))
    else:
        click.echo(f"{options.out}: labels of {len(sessions)} session(s), {bundle.arhmm.num_syllables} syllables")


@dataclass(frozen=True, slots=True)
class MergeArguments:
    """The command's options; see `etholoop model merge --help`."""

    model: Path
    scores: tuple[Path, ...]
    pca: Path | None
    out: Path | None
    pair: tuple[str, ...]
    show: int
    overwrite: bool
    as_json: bool


@click.command("merge", epilog="Example: etholoop model merge mice.model.h5 scores.h5 --pair 3,17 --out fewer.model.h5")
@click.argument("model", type=_MODEL)
@click.argument("scores", nargs=-1, required=True, type=_SCORES)
@click.option("--pca", type=_SCORES, help="pca.h5, to score results with.")
@click.option("--pair", multiple=True, help="Two syllables to merge, e.g. 3,17; may be repeated.")
@click.option("--out", type=click.Path(path_type=Path), help=f"Bundle to write, *{SUFFIX}.")
@click.option("--show", default=10, show_default=True, type=click.IntRange(1), help="Pairs shown, most alike first.")
@OVERWRITE
@click.option("--json", "as_json", is_flag=True, help="Print everything for programs.")
@gather(MergeArguments)
@repeatable
def merge_command(options: MergeArguments) -> None:
    """Show which syllables of MODEL are near-duplicates on SCORES, and merge those that you choose.

    Separation: what a frame of one loses when it is judged by the other, by cross-likelihood. Loss: what merging them
    would cost in log-likelihood over all frames. Sessions that did not train the model judge best. Nothing is merged
    unless it is named with --pair.
    """
    if options.out is not None:
        require_bundle_name("--out", options.out)
    check_outputs({"--out": options.out}, (options.model, *options.scores, options.pca))
    refuse_existing({"--out": options.out}, options.overwrite)
    bundle, sessions = _open(options.model, options.scores, options.pca)
    pairs = [_pair(text) for text in options.pair]
    if bool(pairs) != (options.out is not None):
        raise ConfigError("--pair says what to merge and --out where to write it: give both, or none to look only")
    if not pairs or options.out is None:
        found = alike(bundle, ready(bundle, sessions), options.show)
        rows = [asdict(pair) for pair in found]
        click.echo(json.dumps({"pairs": rows}) if options.as_json else "\n".join(_table(rows)))
        return
    merged, new = merge(bundle, sessions, pairs)
    save_bundle(options.out, merged)
    if options.as_json:
        click.echo(json.dumps({"out": str(options.out), "new_number": new.tolist()}))
        return
    click.echo(f"{options.out}: {merged.arhmm.num_syllables} syllables of {bundle.arhmm.num_syllables}, by usage")
    click.echo("  ".join(f"{old}->{number}" for old, number in enumerate(new)))
    say("names of syllables (*.names.toml) belong to the old numbers: rename with the list above")


def _open(model: Path, scores: tuple[Path, ...], pca: Path | None) -> tuple[ModelBundle, list[ScoredSession]]:
    bundle = load_bundle(model)
    found = open_dataset(scores, Selection(bundle.arhmm.num_dims, pca))
    require_model(found, bundle, model)
    for complaint in found.complaints:
        say(f"skipped: {complaint}")
    return bundle, found.sessions


def _pair(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise ConfigError(f"--pair {text}: two numbers of syllables are wanted, e.g. 3,17")
    return int(parts[0]), int(parts[1])


def _table(rows: list[dict[str, Any]]) -> list[str]:
    lines = [f"{'pair':>9}  {'separation':>10}  {'loss':>8}  {'bouts':>11}  {'follow each other':>17}"]
    for row in rows:
        pair = f"{row['first']},{row['second']}"
        bouts = f"{row['bouts'][0]}, {row['bouts'][1]}"
        lines.append(f"{pair:>9}  {row['separation']:10.3f}  {row['loss']:8.4f}  {bouts:>11}  {row['together']:17.0%}")
    return lines
