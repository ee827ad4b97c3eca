"""`etholoop apply`: label sessions with a finished model."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from offline.arhmm.labelling import Method, decode, label
from offline.command_line import SEED, finite, gather, progress_bar, repeatable, say
from offline.dataset import open_dataset, require_model
from offline.dataset_files import Selection
from offline.scores import ScoredSession
from online.decoder import MissingLags
from online.emission import whiten
from online.errors import ConfigError
from online.files.bundle import bundle_sha256, load_bundle
from online.files.outputs import check_outputs
from online.files.whole_hdf5 import whole_hdf5
from online.model import ModelBundle


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """The command's options; see `etholoop apply --help`."""

    model: Path
    scores: tuple[Path, ...]
    pca: Path | None
    out: Path
    method: Method
    missing_lags: MissingLags
    seed: int
    as_json: bool


@click.command(epilog="Example: etholoop apply mouse.model.h5 scores.h5 --out labels.h5 --method smoothed")
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("scores", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--pca", type=click.Path(exists=True, path_type=Path), help="pca.h5, to score results with.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="HDF5 file of labels to write.")
@click.option(
    "--method",
    type=click.Choice(["filtered", "smoothed", "viterbi", "gibbs"]),
    default="filtered",
    show_default=True,
    help="filtered: from the frames until then, as the rig decodes sessions without gaps (those with gaps: "
    "--missing-lags fill); smoothed: most probable at each frame given all; "
    "viterbi: most probable path; gibbs: one draw of the path from its posterior.",
)
@click.option(
    "--missing-lags",
    type=click.Choice(["skip", "fill"]),
    default="skip",
    show_default=True,
    help="Frames whose predecessors were dropped. skip: without evidence, as in training; fill (filtered only): the "
    "missing lags are integrated out, so that sessions with gaps, too, are labelled exactly as at the rig.",
)
@click.option("--seed", default=0, show_default=True, type=SEED, help="Of --method gibbs.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary for programs.")
@gather(ApplyOptions)
@repeatable
def command(options: ApplyOptions) -> None:
    """Label the sessions in SCORES with MODEL.

    Writes /labels/<uuid> (int16, one for each row of scores, -5 where there is none) and /log_likelihood/<uuid>
    (float64, log p(frame | frames before) of the given scores, NaN where there is no evidence).
    """
    if options.missing_lags == "fill" and options.method != "filtered":
        raise ConfigError(f"--missing-lags fill goes with --method filtered; {options.method} leaves such frames out")
    check_outputs({"--out": options.out}, (options.model, *options.scores, options.pca))
    bundle = load_bundle(options.model)
    found = open_dataset(options.scores, Selection(bundle.arhmm.num_dims, options.pca))
    sessions = found.sessions
    require_model(found, bundle, options.model)
    check_outputs({"--out": options.out}, (s.source for s in sessions))
    for complaint in found.complaints:
        say(f"skipped: {complaint}")
    rows = []
    with whole_hdf5(options.out) as file, progress_bar(silent=options.as_json) as bar:
        made_by = bundle_sha256(options.model)
        file.attrs.update(method=options.method, missing_lags=options.missing_lags, model_sha256=made_by)
        for session in bar.track(sessions, description="sessions"):
            labels, log_likelihood = label_scores(bundle, session, options.method, options.seed, options.missing_lags)
            file.create_dataset(f"labels/{session.uuid}", data=labels)
            file.create_dataset(f"log_likelihood/{session.uuid}", data=log_likelihood)
            rows.append(_row(session.uuid, labels, log_likelihood))
    if options.as_json:
        click.echo(json.dumps({"out": str(options.out), "method": options.method, "sessions": finite(rows)}))
        return
    for row in rows:
        per_frame = row["log_likelihood_per_frame"]
        shown = "no evidence" if per_frame is None else f"{per_frame:.3f} nats a frame"
        click.echo(f"{row['uuid']}: {row['labelled_frames']} of {row['frames']} frames labelled, {shown}")


def label_scores(
    bundle: ModelBundle, session: ScoredSession, method: Method, seed: int = 0, missing_lags: MissingLags = "skip"
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Labels and log-likelihood (the whitening's Jacobian included) of each row of a session's scores; with
    `missing_lags` "fill" as the rig decodes them, whatever the method. A Gibbs draw is seeded by `seed`
    and the session's uuid."""
    if missing_lags == "fill":
        labels, evidence = decode(bundle.arhmm, bundle.whitening, session.scores)
    else:
        of_session = int.from_bytes(sha256(session.uuid.encode()).digest()[:8])
        labels, evidence = label(bundle.arhmm, whiten(bundle.whitening, session.scores), method, (seed, of_session))
    return labels, evidence - np.log(np.diag(bundle.whitening.cholesky)).sum()


def _row(uuid: str, labels: NDArray[np.int16], log_likelihood: NDArray[np.float64]) -> dict[str, Any]:
    seen = np.isfinite(log_likelihood)
    return {
        "uuid": uuid,
        "frames": len(labels),
        "labelled_frames": int((labels >= 0).sum()),
        "frames_with_evidence": int(seen.sum()),
        "log_likelihood_per_frame": float(log_likelihood[seen].mean()) if seen.any() else None,
    }
