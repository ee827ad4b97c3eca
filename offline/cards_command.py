"""`etholoop model cards`: what the syllables of a model look like, gathered from labelled sessions."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import click
import h5py
import numpy as np
from numpy.typing import NDArray

from offline.command_line import gather, progress_bar, say
from offline.results import open_results
from online.cards import NUM_CLIPS, Card, Clip, Crops, Cut, LabelledFrames, measure, typical
from online.errors import ConfigError, FileFormatError
from online.files.bundle import bundle_sha256, load_bundle
from online.files.cards_file import CardBox, cards_path, save_cards
from online.files.outputs import check_outputs
from online.files.session_file import SessionReader

SPEED, HEIGHT = "scalars/velocity_2d_mm", "scalars/height_ave_mm"


@dataclass(frozen=True, slots=True)
class CardsOptions:
    """The command's options; see `etholoop model cards --help`."""

    model: Path
    sessions: tuple[Path, ...]
    labels: Path | None
    clips: int


@dataclass(frozen=True, slots=True)
class Source:
    """A labelled session and where its crops are: `rows` (T,) of dataset `crops` of `file`."""

    frames: LabelledFrames
    file: Path
    crops: str
    rows: NDArray[np.int64]


@click.command(epilog="Example: etholoop model cards mice.model.h5 data/2025-03-01_* ")
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("sessions", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--labels", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Made by `etholoop apply`."
)
@click.option("--clips", type=click.IntRange(1, 50), default=NUM_CLIPS, show_default=True, help="Instances a syllable.")
@gather(CardsOptions)
def command(options: CardsOptions) -> None:
    """Make the cards of MODEL's syllables: typical instances, duration, speed, height, usage.

    SESSIONS are session folders that ran with this model, or extracted results_00.h5, whose labels `etholoop apply`
    wrote to --labels. The cards are kept beside the model; `etholoop names MODEL` shows them, and so does the terminal.
    """
    out = cards_path(options.model)
    check_outputs({"cards": out}, (options.model, *options.sessions, options.labels))
    bundle = load_bundle(options.model)
    sha256 = bundle_sha256(options.model)
    sources = [read_source(path, options.labels, sha256) for path in options.sessions]
    frames = [source.frames for source in sources]
    cards = measure(frames, bundle.arhmm.num_syllables, bundle.frame_rate_hz)
    with progress_bar() as bar:
        filled = {
            card.syllable: with_clips(card, sources, typical(frames, card, bundle.frame_rate_hz, options.clips))
            for card in bar.track(cards, description="syllables")
        }
    made_from = ", ".join(path.name for path in options.sessions[:20])
    save_cards(out, CardBox(sha256, bundle.frame_rate_hz, made_from, filled))
    seen = sum(bool(card.clips) for card in filled.values())
    say(f"{out}: {seen} of {len(filled)} syllables have instances; see them with `etholoop names {options.model}`")


def with_clips(card: Card, sources: list[Source], cuts: list[Cut]) -> Card:
    """The card with its instances read from the files."""
    clips = []
    for cut in cuts:
        source = sources[cut.session]
        with h5py.File(source.file, "r", libver="latest", swmr=source.crops.startswith("poses")) as file:
            crops: Crops = np.asarray(file[source.crops][source.rows[cut.first : cut.last]], np.uint8)
        clips.append(Clip(crops, cut.onset, cut.end))
    return replace(card, clips=tuple(clips))


def read_source(path: Path, labels: Path | None, model_sha256: str) -> Source:
    """A session folder of ours, or extracted results with labels; raises EtholoopError for anything else."""
    if path.is_dir() or path.name == "session.h5":
        return _of_session(path, model_sha256)
    if labels is None:
        raise ConfigError(f"{path}: extracted results carry no labels: give --labels, made by `etholoop apply`")
    results = open_results(path)
    with h5py.File(labels) as file:
        if file.attrs.get("model_sha256", model_sha256) != model_sha256:
            raise ConfigError(f"{labels}: labels of another model: make them with this one, by 'etholoop apply'")
        found = file.get(f"labels/{results.uuid}")
        known = np.zeros(0, np.int64) if found is None else np.asarray(found[:], np.int64)
    slots = open_results(path, "floor").slots
    if len(known) != results.num_frames and len(known) == slots[-1] + 1:  # scores of moseq2: a row a slot
        known = known[slots]
    if len(known) != results.num_frames:
        raise FileFormatError(f"{labels}: no labels of session {results.uuid} ({path}), or of another length")
    with h5py.File(path) as file:
        speed, height = (_scalar(file, name, results.num_frames) for name in (SPEED, HEIGHT))
    return Source(LabelledFrames(known, speed * results.frame_rate_hz, height), path, "frames", np.arange(len(known)))


def _scalar(file: h5py.File, name: str, length: int) -> NDArray[np.float64]:
    with suppress(KeyError):
        return np.asarray(file[name][:], np.float64)
    return np.full(length, np.nan)


def _of_session(path: Path, model_sha256: str) -> Source:
    """Of a camera faster than the model, the frames of one of the interleaved filters: the model's own rate."""
    with SessionReader(path) as session:
        if session.attributes.get("model_sha256") != model_sha256:
            raise ConfigError(f"{path}: another model ran in it: its syllables are not this model's")
        posterior = session.array("syllables/posterior")
        rows, poses = session.table("syllables/rows"), session.table("poses/rows")
        if posterior is None or not min(len(rows), len(poses), len(posterior)):
            raise FileFormatError(f"{path}: holds no decoded frame")
        length = min(len(rows), len(poses), len(posterior))
        ours = np.flatnonzero(rows["phase"][:length] == 0)
        labels = np.where(rows["has_evidence"][:length] == 1, posterior[:length].argmax(1), -1)[ours]
    speed, height = (np.asarray(poses[name][:length], np.float64)[ours] for name in ("speed_mm_s", "height_mm"))
    file = path / "session.h5" if path.is_dir() else path
    return Source(LabelledFrames(labels.astype(np.int64), speed, height), file, "poses/crop", ours)
