"""`*.cards.h5`, beside a model bundle: what its syllables look like. Nothing at the rig depends on it.

/syllables/K with attributes usage, bouts, duration_ms (quartiles), speed_mm_s, height_mm; /syllables/K/clips/N
(n, H, W) uint8 mm with attributes onset and end. Attributes of the root: version, model_sha256, frame_rate_hz,
made_from.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from online.cards import Card, Clip
from online.errors import FileFormatError
from online.files.bundle import SUFFIX
from online.files.whole_hdf5 import whole_hdf5

VERSION = 1


@dataclass(frozen=True, slots=True)
class CardBox:
    """The cards of one model; `made_from` says of which sessions."""

    model_sha256: str
    frame_rate_hz: float
    made_from: str
    cards: dict[int, Card]


def cards_path(bundle_path: Path) -> Path:
    """`mouse.cards.h5` for `mouse.model.h5`."""
    stem = bundle_path.name.removesuffix(SUFFIX) if bundle_path.name.endswith(SUFFIX) else bundle_path.stem
    return bundle_path.with_name(f"{stem}.cards.h5")


def save_cards(path: Path, box: CardBox) -> None:
    """Write the cards, all at once."""
    with whole_hdf5(path) as file:
        file.attrs.update(version=VERSION, model_sha256=box.model_sha256, made_from=box.made_from)
        file.attrs["frame_rate_hz"] = box.frame_rate_hz
        for card in box.cards.values():
            group = file.create_group(f"syllables/{card.syllable}")
            for name in ("usage", "bouts", "duration_ms", "speed_mm_s", "height_mm"):
                group.attrs[name] = getattr(card, name)
            for number, clip in enumerate(card.clips):
                data = group.create_dataset(f"clips/{number}", data=clip.crops, compression="gzip", shuffle=True)
                data.attrs.update(onset=clip.onset, end=clip.end)


def load_cards(path: Path) -> CardBox:
    """Read cards.

    Raises
    ------
    FileFormatError
        if it is no such file, or damaged.
    """
    try:
        with h5py.File(path) as file:
            if file.attrs["version"] != VERSION:
                raise FileFormatError(f"{path}: cards of another version: make them again (`etholoop model cards`)")
            cards = {int(k): _card(int(k), group) for k, group in file["syllables"].items()}
            return CardBox(
                model_sha256=str(file.attrs["model_sha256"]),
                frame_rate_hz=float(file.attrs["frame_rate_hz"]),
                made_from=str(file.attrs["made_from"]),
                cards=dict(sorted(cards.items())),
            )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise FileFormatError(f"{path}: no file of cards ({error}): make it again (`etholoop model cards`)") from error


def _card(syllable: int, group: h5py.Group) -> Card:
    low, middle, high = (float(value) for value in group.attrs["duration_ms"])
    clips = group.get("clips", {})
    return Card(
        syllable=syllable,
        usage=float(group.attrs["usage"]),
        bouts=int(group.attrs["bouts"]),
        duration_ms=(low, middle, high),
        speed_mm_s=float(group.attrs["speed_mm_s"]),
        height_mm=float(group.attrs["height_mm"]),
        clips=tuple(
            Clip(np.asarray(clips[n][:], np.uint8), int(clips[n].attrs["onset"]), int(clips[n].attrs["end"]))
            for n in sorted(clips, key=int)
        ),
    )
