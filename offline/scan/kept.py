"""Finished chains of a scan on disk, so that a scan that was stopped runs none of them again.

One file of `kept_arrays` for each candidate. How a chain does on held-out sessions is not stored: it is judged again,
since that depends on what else is scanned.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from offline.arhmm.checkpoint import fingerprint, trace_array, trace_of
from offline.arhmm.fit import Fit
from offline.arhmm.kept_arrays import Arrays, read_arrays, write_arrays
from offline.scan.trials import Candidate, ScanData, Trial, judged, narrowed, settings_of
from online.errors import CannotWrite, FileFormatError
from online.model import ARHMM

ENDING = ".chain.h5"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Chains kept in `folder`, read only when `resume`; `warn` hears of one that cannot be kept."""

    folder: Path
    resume: bool
    warn: Callable[[str], None]

    def clear(self) -> None:
        """Remove what was kept, and the folder with it where nothing else is in it."""
        for file in self._files():
            file.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def __len__(self) -> int:
        """How many chains are kept."""
        return len(self._files())

    def take(self, data: ScanData, candidate: Candidate) -> Trial | None:
        """The trial of a chain that was kept; one whose file is damaged is run again.

        Raises
        ------
        ConfigError
            if it is of other data or options.
        """
        path = self._path(candidate)
        if not self.resume or not path.exists():
            return None
        try:
            arrays = read_arrays(path, _identity(data, candidate))
        except FileFormatError as error:
            self.warn(f"this chain is run again: {error}")
            return None
        return judged(data, candidate, _fit_of(arrays))

    def put(self, data: ScanData, trial: Trial) -> None:
        """Keep the chain of a trial; a full disk ends no scan."""
        try:
            write_arrays(self._path(trial.candidate), _arrays_of(trial.fit), _identity(data, trial.candidate))
        except CannotWrite as error:
            self.warn(f"the scan goes on, but could not continue from here: {error}")

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{ENDING}"))

    def _path(self, candidate: Candidate) -> Path:
        return self.folder / ("_".join(f"{name}-{value}" for name, value in asdict(candidate).items()) + ENDING)


def _identity(data: ScanData, candidate: Candidate) -> dict[str, Any]:
    train = narrowed(data.train, candidate.num_components, candidate.num_lags)
    schedule = data.schedule
    return fingerprint(train, settings_of(data, candidate), schedule.sweeps, schedule.average)


def _arrays_of(fit: Fit) -> Arrays:
    model = {field.name: getattr(fit.model, field.name) for field in fields(ARHMM)}
    arrays = {f"model_{name}": value for name, value in model.items() if value is not None}
    return arrays | {"usage": fit.usage, "gibbs_labels": fit.gibbs_labels, "trace": trace_array(fit.trace)}


def _fit_of(arrays: Arrays) -> Fit:
    model: dict[str, Any] = {field.name: arrays.get(f"model_{field.name}") for field in fields(ARHMM)}
    labels = arrays["gibbs_labels"].astype(np.int16)
    return Fit(ARHMM(**model), arrays["usage"], labels, tuple(trace_of(arrays["trace"])))
