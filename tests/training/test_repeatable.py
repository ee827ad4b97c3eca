"""What is learned does not depend on the cores of the machine, nor on one damaged number."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from threadpoolctl import threadpool_limits

from offline import train_command
from offline.scores import ScoredSession, refuse_outliers
from online.errors import FileFormatError
from online.files.bundle import load_bundle

SMALL = ("--max-syllables", "3", "--sweeps", "2", "--pcs", "10", "--lags", "1", "--hold-out", "0", "--json")


def test_threads_of_blas_change_nothing(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30_000, 10))
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["scores/a"] = x.astype(np.float32)
    found = []
    for threads in (1, 2):
        out = tmp_path / f"{threads}.model.h5"
        with threadpool_limits(threads, user_api="blas"):
            arguments = [str(tmp_path / "s.h5"), "--out", str(out), *SMALL]
            result = CliRunner().invoke(train_command.command, arguments, catch_exceptions=False)
        assert json.loads(result.stdout)["out"] == str(out)
        found.append(load_bundle(out))
    np.testing.assert_array_equal(found[0].whitening.cholesky, found[1].whitening.cholesky)
    np.testing.assert_array_equal(found[0].arhmm.ar_coefficients, found[1].arhmm.ar_coefficients)


@pytest.mark.parametrize("value", [1e30, -1e9, np.inf, np.nan, 30.0])
def test_a_score_that_no_animal_has_is_named(value: float) -> None:
    whole = np.random.default_rng(0).normal(size=(400, 3))
    damaged = whole.copy()
    damaged[5, 1] = value
    sessions = [ScoredSession("whole", whole, Path("s.h5")), ScoredSession("damaged", damaged, Path("s.h5"))]
    if abs(value) < 100 or not np.isfinite(value):
        refuse_outliers(sessions)  # missing, or a rare posture
        return
    with pytest.raises(FileFormatError, match="session damaged, row 5: score 2 is"):
        refuse_outliers(sessions)
