"""`etholoop model import` and `etholoop model info`."""

import json
from pathlib import Path
from typing import Any, TypedDict, Unpack

import click
import numpy as np
from rich.console import Console

from offline.command_line import FRAME_RATE, OVERWRITE, Number
from offline.jax_moseq import import_jax_model
from offline.model_import import ImportOptions, MoseqFiles, import_model
from online.errors import ConfigError
from online.files.bundle import SUFFIX, bundle_sha256, load_bundle, require_bundle_name, save_bundle
from online.files.names import load_names
from online.files.outputs import check_outputs, refuse_existing
from online.model import ModelBundle

_INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)
_POSITIVE = Number(0, min_open=True)


class _Import(TypedDict):
    checkpoint: Path | None
    iteration: int | None
    pca: Path | None
    pca_yaml: Path | None
    scores: Path | None
    model: Path | None
    results: Path | None
    out: Path
    mm_per_px: float | None
    blur_sigma_px: tuple[float, float] | None
    frame_rate_hz: float
    pseudo_count: float
    group: str | None
    covariance_floor: float | None
    overwrite: bool


@click.command(
    "import",
    epilog="Example: etholoop model import --pca pca.h5 --scores pca_scores.h5 --model model.p "
    "--results results_00.h5 --out mouse.model.h5",
)
@click.option("--checkpoint", type=_INPUT, help="Parameters of jax-moseq or a checkpoint of keypoint-moseq, instead.")
@click.option("--iteration", type=int, help="Of the checkpoint; the last by default.")
@click.option("--pca", type=_INPUT, help="Components, pca.h5.")
@click.option("--pca-yaml", type=_INPUT, help="Settings of the PCA; by default the .yaml beside pca.h5.")
@click.option("--scores", type=_INPUT, help="The scores that the model was trained on, pca_scores.h5.")
@click.option("--model", type=_INPUT, help="Output of learn-model (.p, .z, .h5); nothing in it is run.")
@click.option(
    "--results",
    type=_INPUT,
    help="results_00.h5 of a training session: gives the size of a pixel, and proves which filter preceded the PCA.",
)
@click.option("--mm-per-pixel", "mm_per_px", type=Number(0.2, 20), help="True mm per crop pixel.")
@click.option(
    "--blur-sigma",
    "blur_sigma_px",
    type=(Number(0), Number(0)),
    help="Blur before the PCA, along x and y, in pixels, where pca.yaml cannot be believed.",
)
@click.option("--frame-rate", "frame_rate_hz", type=FRAME_RATE, default=30.0, show_default=True, help="In Hz.")
@click.option(
    "--pseudo-count",
    type=_POSITIVE,
    default=1.0,
    show_default=True,
    help="Imaginary transitions added to each row where the matrix has to be estimated from labels.",
)
@click.option("--group", help="Whose transitions to take, in a model with separate transitions.")
@click.option("--covariance-floor", type=_POSITIVE, help="Raise smaller innovation variances (whitened units) to this.")
@OVERWRITE
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help=f"Bundle, *{SUFFIX}.")
def import_command(**options: Unpack[_Import]) -> None:
    """Make a model bundle from moseq2's PCA, scores and model file.

    With --checkpoint, from jax-moseq's or keypoint-moseq's parameters: such a model labels latent trajectories.
    """
    out = options["out"]
    require_bundle_name("--out", out)
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: the folder {out.parent} does not exist")
    read = (options[name] for name in ("checkpoint", "pca", "pca_yaml", "scores", "model", "results"))
    check_outputs({"--out": out}, read)
    refuse_existing({"--out": out}, options["overwrite"])
    with Console(stderr=True).status("reading the files, checking the filter and the labels"):
        if options["checkpoint"] is None:
            bundle = _import_moseq2(options)
        else:
            bundle = import_jax_model(options["checkpoint"], options["frame_rate_hz"], options["iteration"])
    save_bundle(out, bundle)
    click.echo(f"{out}: {bundle.arhmm.num_syllables} syllables, {bundle.arhmm.num_dims} dimensions")
    for line in bundle.provenance.notes.splitlines():
        click.echo(f"  {line}")


def _import_moseq2(options: _Import) -> ModelBundle:
    pca, scores, model = options["pca"], options["scores"], options["model"]
    if pca is None or scores is None or model is None:
        raise ConfigError("a moseq2 model needs --pca, --scores and --model; one of jax-moseq --checkpoint alone")
    pca_yaml = options["pca_yaml"] or pca.with_suffix(".yaml")
    if not pca_yaml.exists():
        raise ConfigError(f"{pca_yaml} does not exist: give the settings of the PCA with --pca-yaml")
    return import_model(
        MoseqFiles(pca, pca_yaml, scores, model, options["results"]),
        ImportOptions(
            frame_rate_hz=options["frame_rate_hz"],
            pseudo_count=options["pseudo_count"],
            mm_per_px=options["mm_per_px"],
            blur_sigma_px=options["blur_sigma_px"],
            group=options["group"],
            covariance_floor=options["covariance_floor"],
        ),
    )


@click.command("info", epilog="Example: etholoop model info mouse.model.h5 --json")
@click.argument("path", metavar="BUNDLE", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def info_command(path: Path, as_json: bool) -> None:
    """Print what a model bundle holds and how it was made."""
    facts = describe(path)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        if name not in ("syllables", "notes", "data_sha256", "versions", "held_out_sha256"):
            click.echo(f"{name.replace('_', ' '):24} {'none' if value is None else value}")
    held = facts["held_out_sha256"]
    click.echo(f"{'held-out sessions':24} {'not recorded' if held is None else ', '.join(sorted(held)) or 'none'}")
    for line in facts["notes"]:
        click.echo(f"  {line}")
    click.echo("most used syllables: share of frames, mean bout by the transition matrix (bouts of labels differ)")
    for row in facts["syllables"][:10]:
        name = f"  {row['name']}" if row["name"] else ""
        click.echo(f"{row['syllable']:6}  {100 * row['usage']:5.1f} %  {row['mean_duration_ms']:6.0f} ms{name}")


def describe(path: Path) -> dict[str, Any]:
    """Facts about a bundle, ready for JSON; syllables most used first, durations those of the transition matrix."""
    bundle = load_bundle(path)
    arhmm, provenance = bundle.arhmm, bundle.provenance
    extraction = bundle.extraction
    return {
        "path": str(path),
        "sha256": bundle_sha256(path),
        "runs_at_rig": bundle.runs_at_rig,
        "frame_rate_hz": bundle.frame_rate_hz,
        "num_syllables": arhmm.num_syllables,
        "num_dims": arhmm.num_dims,
        "num_lags": arhmm.num_lags,
        "innovations": "Gaussian" if arhmm.degrees_of_freedom is None else "Student-t",
        "mm_per_crop_pixel": extraction.mm_per_crop_pixel if extraction else None,
        "crop_size_px": extraction.crop_size_px if extraction else None,
        "novelty_calibrated": bundle.novelty is not None,
        "made_by": provenance.made_by,
        "made_at": provenance.made_at,
        "transition_source": provenance.transition_source,
        "pseudo_count": provenance.pseudo_count,
        "seed": provenance.seed,
        "data_sha256": provenance.data_sha256,
        "held_out_sha256": provenance.held_out_sha256,
        "versions": provenance.versions,
        "notes": provenance.notes.splitlines(),
        "syllables": _syllable_rows(bundle, load_names(path, arhmm.num_syllables)),
    }


def _syllable_rows(bundle: ModelBundle, names: dict[int, str]) -> list[dict[str, Any]]:
    stay = np.diag(bundle.arhmm.transition_matrix)
    durations_ms = 1000 / bundle.frame_rate_hz / np.maximum(1 - stay, 1e-12)
    return [
        {
            "syllable": int(k),
            "name": names.get(int(k), ""),
            "usage": float(bundle.usage[k]),
            "mean_duration_ms": float(durations_ms[k]),
        }
        for k in np.argsort(-bundle.usage, kind="stable")
    ]
