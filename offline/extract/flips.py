"""`etholoop flips`: train a classifier that tells nose from tail by the shape of the body."""

import csv
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import click
import h5py
import numpy as np
from numpy.typing import NDArray

from offline.command_line import gather
from online.errors import ConfigError, FileFormatError
from online.files.outputs import check_outputs
from online.files.whole_file import whole_file
from online.head_tail import FEATURES, asymmetry

WALKED_MM, WALKED_FRAMES = 20.0, 8
LEAST_FRAMES = 50


@dataclass(frozen=True, slots=True)
class Marked:
    """Frames first ... last of a results file whose crops all have the nose right, or all have it left."""

    results: Path
    first: int
    last: int
    nose_right: bool


@dataclass(frozen=True, slots=True)
class FlipsOptions:
    """The command's options; see `etholoop flips --help`."""

    results: tuple[Path, ...]
    ranges: Path | None
    out: Path


@click.command(epilog="Example: etholoop flips --ranges marked.csv --out head_tail.json")
@click.argument("results", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--ranges", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Marked ranges; see above."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Weights to write (JSON).")
@gather(FlipsOptions)
def command(options: FlipsOptions) -> None:
    """Train a classifier that tells nose from tail, for `etholoop extract --head-tail`.

    It learns from ranges of frames that you marked while looking at results_00.mp4: a CSV file with the columns
    results, first, last, nose ("right" or "left" in the crop). Or, given RESULTS files instead, from the frames in
    which the mouse walks, since mice walk forwards. The accuracy printed is on ranges that were not learned from.
    """
    if (options.ranges is None) == (not options.results):
        raise ConfigError("give either --ranges or RESULTS files")
    check_outputs({"--out": options.out}, (*options.results, options.ranges))
    marked = read_ranges(options.ranges) if options.ranges else [m for p in options.results for m in walks_in(p)]
    check_outputs({"--out": options.out}, {m.results for m in marked})
    weights, accuracy, num_frames = train(marked)
    with whole_file(options.out) as temporary:
        content = {"head_tail_weights": weights, "accuracy": accuracy, "frames": num_frames}
        temporary.write_text(json.dumps(content, indent=1))
    held_out = "not measured: too few ranges" if accuracy is None else f"{accuracy:.1%} of held-out frames right"
    click.echo(f"{options.out}: learned from {num_frames} frames in {len(marked)} ranges; {held_out}")


def load_weights(path: Path) -> dict[str, float]:
    """Weights that `etholoop flips` wrote."""
    try:
        weights: dict[str, float] = json.loads(path.read_text())["head_tail_weights"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path}: not written by 'etholoop flips' ({error!r})") from error
    return weights


def read_ranges(path: Path) -> list[Marked]:
    """Marked ranges from a CSV file; files are named relative to it."""
    marked = []
    with path.open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                side = {"right": True, "left": False}[row["nose"].strip()]
                marked.append(Marked(path.parent / row["results"].strip(), int(row["first"]), int(row["last"]), side))
            except (KeyError, ValueError, AttributeError) as error:
                raise FileFormatError(
                    f"{path}, line {number}: columns results, first, last, nose (right or left) are needed ({error!r})"
                ) from error
    return marked


def walks_in(results: Path) -> list[Marked]:
    """Stretches in which the mouse walks along its body, with the side it walks to."""
    names = ("centroid_x_mm", "centroid_y_mm", "angle")
    try:
        with h5py.File(results) as file:
            x, y, angle = (file[f"scalars/{name}"][:].astype(float) for name in names)
    except (OSError, KeyError) as error:
        raise FileFormatError(f"{results}: no extracted session ({error})") from error
    ahead = np.full(len(x), np.nan)
    w = WALKED_FRAMES
    if len(x) > 2 * w:
        moved_x, moved_y = x[2 * w :] - x[: -2 * w], y[2 * w :] - y[: -2 * w]
        ahead[w:-w] = moved_x * np.cos(angle[w:-w]) - moved_y * np.sin(angle[w:-w])
    side = np.where(np.abs(ahead) > WALKED_MM, np.sign(ahead), 0)
    marked = []
    for value, group in itertools.groupby(range(len(side)), key=lambda index: side[index]):
        frames = list(group)
        if value != 0:
            marked.append(Marked(results, frames[0], frames[-1], bool(value > 0)))
    return marked


def features_of(marked: Marked) -> NDArray[np.float64]:
    """Features (n, 6) of the range's frames that show a mouse, turned so that the nose is right."""
    try:
        with h5py.File(marked.results) as file:
            crops = file["frames"][marked.first : marked.last + 1]
            masks = file["frames_mask"][marked.first : marked.last + 1] > 0
    except (OSError, KeyError) as error:
        raise FileFormatError(f"{marked.results}: no extracted session ({error})") from error
    rows = []
    for crop, mask in zip(crops, masks, strict=True):
        if mask.any():
            places = np.argwhere(mask).mean(0)
            features = np.zeros(len(FEATURES))
            pose = (float(places[1]), float(places[0]), 0.0)
            asymmetry(crop * mask, mask.astype(np.int32), 1, mask.shape, pose, features)
            rows.append(features if marked.nose_right else -features)
    return np.array(rows).reshape(-1, len(FEATURES))


def train(marked: list[Marked]) -> tuple[dict[str, float], float | None, int]:
    """Weights by feature, accuracy on held-out ranges (None with too few), and the number of frames."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold

    parts = [features_of(one) for one in marked]
    table = np.concatenate(parts) if parts else np.zeros((0, len(FEATURES)))
    if len(table) < LEAST_FRAMES:
        raise ConfigError(f"{len(table)} frames with a mouse were marked; at least {LEAST_FRAMES} are needed")
    groups = np.repeat(np.arange(len(parts)), [len(part) for part in parts])

    def fit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        both, sides = np.concatenate([rows, -rows]), np.repeat([1, 0], len(rows))
        weights: NDArray[np.float64] = LogisticRegression(fit_intercept=False).fit(both, sides).coef_[0]
        return weights

    accuracy = None
    num_groups = len(np.unique(groups))
    if num_groups >= 2:
        folds = GroupKFold(min(5, num_groups)).split(table, groups=groups)
        right = [table[test] @ fit(table[learn]) > 0 for learn, test in folds]
        accuracy = float(np.concatenate(right).mean())
    return dict(zip(FEATURES, fit(table).tolist(), strict=True)), accuracy, len(table)
