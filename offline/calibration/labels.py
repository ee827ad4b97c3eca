"""What the animal did, as known afterwards: the labels against which triggers are judged."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from offline.arhmm.labelling import label
from offline.calibration.tracks import Ints, ScoreTrack
from offline.moseq_model import read_moseq_model
from online.emission import whiten
from online.errors import ConfigError, FileFormatError
from online.files.truth_file import read_truth
from online.model import ModelBundle
from online.pipeline import phases_of

NO_LABEL = -1


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of a recording, frame by frame. syllable (n,), `NO_LABEL` where there is none; onset_ns (n,): when the
    current syllable began, on the recording's own clock."""

    syllable: Ints
    onset_ns: Ints


def from_model(track: ScoreTrack, bundle: ModelBundle) -> Labels:
    """The most probable syllable at each frame given the whole recording; each phase of a fast camera by itself."""
    phases = phases_of(bundle.frame_rate_hz, track.rate_hz)
    syllable = np.full(len(track.slots), NO_LABEL, np.int64)
    for phase in range(phases):
        grid, rows = track.on_grid(phase, phases)
        labels, _ = label(bundle.arhmm, whiten(bundle.whitening, grid), "smoothed")
        seen = (rows >= 0) & (labels >= 0)
        syllable[rows[seen]] = labels[seen]
    return Labels(syllable, onsets(syllable, track.times_ns))


def onsets(syllable: Ints, times_ns: Ints) -> Ints:
    """Time of the first frame of each frame's bout."""
    first = np.flatnonzero(np.diff(syllable, prepend=syllable[0] - 1) != 0)
    return np.repeat(times_ns[first], np.diff(first, append=len(syllable)))


def from_truth(track: ScoreTrack) -> Labels:
    """What a simulated animal really did; onsets to the slot of the camera that recorded it."""
    if track.truth is None:
        raise FileFormatError(f"{track.path}: no truth.h5 beside it; only simulated recordings know what was done")
    truth = read_truth(track.truth)
    slots = truth.frame_slots
    if len(slots) != len(track.slots):
        raise FileFormatError(f"{track.truth}: knows {len(slots)} frames, {track.path} has {len(track.slots)}")
    onset_ns = np.interp(truth.onset_frame_index[slots], slots, track.times_ns)
    return Labels(truth.syllable[slots], np.rint(onset_ns).astype(np.int64))


@dataclass(frozen=True, slots=True)
class LabelFile:
    """Labels by session, one for each slot."""

    path: Path
    by_session: Mapping[str, NDArray[np.int64]]

    def of(self, track: ScoreTrack) -> Labels:
        """Labels of a recording.

        Raises
        ------
        ConfigError
            if the file knows no such session, or another number of frames.
        """
        if track.name not in self.by_session:
            known = ", ".join(sorted(self.by_session)[:4])
            raise ConfigError(f"{self.path}: has no labels of {track.path} ({track.name}); it knows {known}")
        rows, slots = self.by_session[track.name], track.slots
        if track.published_slots is not None and len(rows) == track.published_slots[-1] + 1:
            slots = track.published_slots
        if len(rows) <= slots[-1]:
            raise ConfigError(f"{self.path}: {len(rows)} labels of {track.name}, of {slots[-1] + 1} frames")
        syllable = np.where(rows[slots] >= 0, rows[slots], NO_LABEL).astype(np.int64)
        return Labels(syllable, onsets(syllable, track.times_ns))


def read_label_file(path: Path) -> LabelFile:
    """Labels that `etholoop apply` wrote, or those of a moseq2 model file."""
    if h5py.is_hdf5(path):
        with h5py.File(path) as file:
            group = file.get("labels")
            if "method" in file.attrs and isinstance(group, h5py.Group):
                return LabelFile(path, {uuid: data[()].astype(np.int64) for uuid, data in group.items()})
    return LabelFile(path, read_moseq_model(path).labels)


@dataclass(frozen=True, slots=True)
class Bouts:
    """Bouts of a set of syllables in a recording of n frames, and what the published scoring calls right.

    of_frame (n,): number of the bout, -1 outside; onset_ns, length_ns (B,); right (n,), right_with_slop (n,): the
    current syllable, or the one before it, is in the set; known (n,): there is a label.
    """

    of_frame: Ints
    onset_ns: Ints
    length_ns: Ints
    right_with_slop: NDArray[np.bool_]
    known: NDArray[np.bool_]


def bouts_of(labels: Labels, target: Collection[int], times_ns: Ints) -> Bouts:
    """Bouts of the target, those cut by the recording's beginning or end left out (their frames are not known)."""
    inside = np.isin(labels.syllable, np.fromiter(target, np.int64))
    known = labels.syllable != NO_LABEL
    starts = np.flatnonzero(inside & ~np.concatenate(([False], inside[:-1])))
    ends = np.flatnonzero(inside & ~np.concatenate((inside[1:], [False]))) + 1
    previous = np.where(starts > 0, known[starts - 1], False)
    whole = previous & (ends < len(inside)) & known[np.minimum(ends, len(inside) - 1)]
    of_frame = np.full(len(inside), -1, np.int64)
    known = known.copy()
    for number, (start, end) in enumerate(zip(starts[whole], ends[whole], strict=True)):
        of_frame[start:end] = number
    for start, end in zip(starts[~whole], ends[~whole], strict=True):
        known[start:end] = False
    onset_ns = labels.onset_ns[starts[whole]]
    before = _syllable_before(labels.syllable)
    slop = inside | np.isin(before, np.fromiter(target, np.int64))
    return Bouts(of_frame, onset_ns, times_ns[np.minimum(ends[whole], len(inside) - 1)] - onset_ns, slop, known)


def _syllable_before(syllable: Ints) -> Ints:
    """The syllable of the bout before each frame's own."""
    first = np.flatnonzero(np.diff(syllable, prepend=syllable[0] - 1) != 0)
    before = np.concatenate(([NO_LABEL], syllable[first[:-1]]))
    return np.repeat(before, np.diff(first, append=len(syllable)))
