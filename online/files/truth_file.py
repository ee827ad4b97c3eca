"""truth.h5: what a simulated animal really did in a session, slot by slot.

Datasets of S slots, dropped frames included: the fields of `online.messages.Truth` by name, `recorded` (is there a
frame of this slot), `posture` (S, D; attribute `names`). `syllable_names` (K,). `behaviour/`: the true AR-HMM of
`posture` in the canonical form of `online.model`, at `rate_hz` (attribute) steps a second. The attribute `settings`
of the file holds the simulation's settings as JSON.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from online.errors import FileFormatError
from online.messages import Truth
from online.simulation.behaviour import Behaviour
from online.simulation.families import POSTURE
from online.simulation.settings import STEPS_HZ, SimulationSettings

Array = NDArray[np.float64]
FIELDS = tuple(Truth.model_fields)
VERSION = 1


@dataclass(frozen=True, slots=True)
class TruthRecord:
    """Contents of truth.h5; every array has one entry a slot."""

    syllable: NDArray[np.int64]
    onset_frame_index: NDArray[np.int64]
    x_mm: Array
    y_mm: Array
    heading_rad: Array
    length_mm: Array
    height_mm: Array
    recorded: NDArray[np.bool_]
    posture: Array
    syllable_names: tuple[str, ...]

    @property
    def frame_slots(self) -> NDArray[np.int64]:
        """Slot of each recorded frame, in order."""
        return np.flatnonzero(self.recorded)


class TruthTable:
    """Rows gathered while a session is simulated."""

    def __init__(self, num_slots: int) -> None:
        self._columns = {
            name: np.zeros(num_slots, np.int64 if Truth.model_fields[name].annotation is int else np.float64)
            for name in FIELDS
        }
        self._recorded = np.zeros(num_slots, np.bool_)
        self._posture = np.zeros((num_slots, len(POSTURE)))

    def put(self, slot: int, truth: Truth, posture: Array, recorded: bool) -> None:
        """Note the truth of one slot."""
        for name, column in self._columns.items():
            column[slot] = getattr(truth, name)
        self._recorded[slot] = recorded
        self._posture[slot] = posture

    def write(self, path: Path, settings: SimulationSettings, behaviour: Behaviour) -> None:
        """Write truth.h5."""
        model = behaviour.arhmm()
        with h5py.File(path, "w") as file:
            file.attrs["format"] = "etholoop truth"
            file.attrs["version"] = VERSION
            file.attrs["settings"] = json.dumps(asdict(settings))
            for name, column in self._columns.items():
                file.create_dataset(name, data=column, compression="gzip")
            file.create_dataset("recorded", data=self._recorded)
            file.create_dataset("posture", data=self._posture, compression="gzip")
            file["posture"].attrs["names"] = list(POSTURE)
            file["syllable_names"] = np.array(behaviour.names, h5py.string_dtype())
            group = file.create_group("behaviour")
            group.attrs["rate_hz"] = STEPS_HZ
            for name in ("ar_coefficients", "ar_bias", "ar_covariance", "transition_matrix"):
                group[name] = getattr(model, name)
            group["usage"] = behaviour.usage
            group["mean_duration_ms"] = behaviour.mean_duration_ms


def read_truth(path: Path) -> TruthRecord:
    """Read truth.h5.

    Raises
    ------
    FileFormatError
        if it is not such a file.
    """
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != "etholoop truth" or file.attrs.get("version") != VERSION:
                raise FileFormatError(f"{path} is no truth file of this version: simulate the session again")
            columns = {name: file[name][:] for name in FIELDS}
            names = tuple(name.decode() for name in file["syllable_names"][:])
            return TruthRecord(
                **columns, recorded=file["recorded"][:], posture=file["posture"][:], syllable_names=names
            )
    except (OSError, KeyError) as error:
        raise FileFormatError(f"{path} cannot be read as a truth file: {error}") from error
