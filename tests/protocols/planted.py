"""Session files whose every posterior and pose is planted, laid out as the recorder does and filled in one go."""

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from online.files.session_file import TABLES, SessionShape, SessionWriter
from protocols.materials import NO_MATERIALS, to_json

RATE_HZ = 30.0
START_NS = 7 * 10**12
AGE_NS = 15_000_000


@dataclass
class Planted:
    """What an animal does: posterior (T, K); pose columns (T,) by name, NaN where not known; further (T, E, K)."""

    posterior: np.ndarray
    pose: dict[str, np.ndarray] = field(default_factory=dict)
    further: np.ndarray | None = None
    names: dict[int, str] = field(default_factory=dict)
    rate_hz: float = RATE_HZ

    @property
    def times_ns(self) -> np.ndarray:
        return START_NS + np.rint(np.arange(len(self.posterior)) * 1e9 / self.rate_hz).astype(np.int64)


def write_session(folder: Path, planted: Planted, protocol: str, subject: str = "m1") -> Path:
    """A session folder in which the board was armed throughout and nothing was given."""
    folder.mkdir(parents=True)
    frames, syllables = planted.posterior.shape
    further = np.zeros((frames, 0, syllables)) if planted.further is None else planted.further
    shape = SessionShape(4, 4, syllables, further.shape[1], 2, 4, record_depth=False, compression_level=1)
    attributes = {
        "subject": subject,
        "session": folder.name,
        "names": planted.names,
        "camera": {"rate_hz": planted.rate_hz, "depth_unit_mm": 1.0},
    }
    files = {"protocol": protocol.encode(), "materials": to_json(NO_MATERIALS).encode()}
    SessionWriter(folder / "session.h5", shape, files, attributes).close()
    with h5py.File(folder / "session.h5", "r+", libver="latest") as file:
        for name in ("engine/rows", "syllables/rows", "poses/rows"):
            assert name in TABLES
            file[name].resize(frames, 0)
            file[name][...] = _rows(file[name].dtype, planted)
        for name, array in (("posterior", planted.posterior), ("scores", np.zeros((frames, 2)))):
            file[f"syllables/{name}"].resize(frames, 0)
            file[f"syllables/{name}"][...] = array
        if further.shape[1]:
            file["syllables/further"].resize(frames, 0)
            file["syllables/further"][...] = further
    return folder


def _rows(dtype: np.dtype, planted: Planted) -> np.ndarray:
    rows = np.zeros(len(planted.posterior), dtype)
    columns = {
        "order": np.arange(len(rows)),
        "frame_index": np.arange(len(rows)),
        "capture_time_ns": planted.times_ns,
        "decision_time_ns": planted.times_ns + AGE_NS,
        "armed": 1,
        "has_evidence": np.isfinite(planted.posterior[:, 0]),
        "novelty": np.nan,
        **dict.fromkeys(("x_mm", "y_mm", "heading_rad", "heading_probability", "length_mm"), np.nan),
        **dict.fromkeys(("height_mm", "speed_mm_s", "turning_rad_s"), np.nan),
        **planted.pose,
    }
    for name, values in columns.items():
        if name in (dtype.names or ()):
            rows[name] = values
    return rows


@dataclass
class Bouts:
    """A random sequence of bouts: syllable (T,) and, of each bout, its first frame and syllable."""

    syllable: np.ndarray
    first: np.ndarray
    of_bout: np.ndarray


def random_bouts(seed: int, frames: int, syllables: int, mean_frames: float = 12) -> Bouts:
    """Bouts of random length, no syllable twice in a row."""
    rng = np.random.default_rng(seed)
    lengths = 3 + rng.geometric(1 / (mean_frames - 3), 2 * frames // 3)
    of_bout = np.cumsum(rng.integers(1, syllables, len(lengths))) % syllables
    first = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    number = int(np.searchsorted(first, frames))
    syllable = np.repeat(of_bout[:number], lengths[:number])[:frames]
    return Bouts(syllable, first[:number], of_bout[:number])


def posterior_of(syllable: np.ndarray, syllables: int, certainty: float = 0.97) -> np.ndarray:
    """Certain of what the animal does, at every frame."""
    posterior = np.full((len(syllable), syllables), (1 - certainty) / (syllables - 1))
    posterior[np.arange(len(syllable)), syllable] = certainty
    return posterior
