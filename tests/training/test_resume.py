"""A run that was stopped and continued is the run that was never stopped."""

import dataclasses
import multiprocessing
import resource
import signal
from pathlib import Path

import h5py
import numpy as np
import pytest

from offline.arhmm.checkpoint import TracePoint
from offline.arhmm.data import Sessions, assemble, fit_whitening
from offline.arhmm.fit import Fit, Schedule, fit
from offline.arhmm.gibbs import Settings
from offline.arhmm.transitions import StickyHDP
from online.emission import whiten
from online.errors import ConfigError, FileFormatError
from online.simulation.arhmm import random_arhmm, sample


class StoppedError(Exception):
    """Stands for a crash."""


@pytest.fixture(scope="module")
def sessions() -> Sessions:
    model = random_arhmm(4, num_syllables=8, num_dims=3, num_lags=2, separation=3)
    drawn = [sample(model, 250, seed)[1] for seed in range(3)]
    drawn[1][60:64] = np.nan
    whitening = fit_whitening(drawn)
    return assemble(["a", "b", "c"], [whiten(whitening, x) for x in drawn], 2)


def settings(student_t: bool = False, kappa: float = 100.0) -> Settings:
    return Settings(StickyHDP(kappa), max_syllables=12, student_t=student_t, seed=3)


def run(sessions: Sessions, chosen: Settings, schedule: Schedule, stop_after: int | None = None) -> Fit:
    def report(point: TracePoint) -> None:
        if point.sweep == stop_after:
            raise StoppedError

    return fit(sessions, sessions, chosen, schedule, report)


@pytest.mark.parametrize("student_t", [False, True])
@pytest.mark.parametrize("stop_after", [6, 19])
def test_resume_is_bit_for_bit(tmp_path: Path, sessions: Sessions, student_t: bool, stop_after: int) -> None:
    chosen = settings(student_t)
    whole = run(sessions, chosen, Schedule(24, 10, 1))
    path = tmp_path / "c.checkpoint"
    schedule = Schedule(24, 10, threads=2, checkpoint=path, checkpoint_every=5)
    with pytest.raises(StoppedError):
        run(sessions, chosen, schedule, stop_after)
    with h5py.File(path) as file:
        assert file["sweep"][()] == stop_after // 5 * 5
    continued = run(sessions, chosen, dataclasses.replace(schedule, resume=True))
    for field in dataclasses.fields(whole.model):
        np.testing.assert_array_equal(getattr(whole.model, field.name), getattr(continued.model, field.name))
    np.testing.assert_array_equal(whole.gibbs_labels, continued.gibbs_labels)
    assert whole.trace == continued.trace
    again = run(sessions, chosen, dataclasses.replace(schedule, resume=True))
    np.testing.assert_array_equal(whole.model.ar_covariance, again.model.ar_covariance)


def test_resume_with_groups_is_bit_for_bit(tmp_path: Path, sessions: Sessions) -> None:
    grouped = dataclasses.replace(sessions, groups=(0, 1, 0))
    schedule = Schedule(24, 10, threads=2, checkpoint=tmp_path / "c.checkpoint", checkpoint_every=5)
    with pytest.raises(StoppedError):
        run(grouped, settings(), schedule, 19)
    with pytest.raises(ConfigError, match="groups differ"):
        run(sessions, settings(), dataclasses.replace(schedule, resume=True))
    continued = run(grouped, settings(), dataclasses.replace(schedule, resume=True))
    whole = run(grouped, settings(), Schedule(24, 10, 1))
    for ours, theirs in zip(whole.by_group, continued.by_group, strict=True):
        np.testing.assert_array_equal(ours.transition_matrix, theirs.transition_matrix)


def die_while_writing(sessions: Sessions, schedule: Schedule) -> None:
    """Run until the kernel ends this process in the middle of the second checkpoint, as kill -9 would."""
    assert schedule.checkpoint is not None
    path = schedule.checkpoint
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def report(point: TracePoint) -> None:
        if point.sweep == schedule.checkpoint_every + 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size // 2, resource.RLIM_INFINITY))

    fit(sessions, sessions, settings(), schedule, report)


def test_a_run_killed_while_it_writes_a_checkpoint_continues_from_the_one_before(
    tmp_path: Path, sessions: Sessions
) -> None:
    path = tmp_path / "c.checkpoint"
    schedule = Schedule(24, 10, 1, checkpoint=path, checkpoint_every=5)
    process = multiprocessing.get_context("spawn").Process(target=die_while_writing, args=(sessions, schedule))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGXFSZ
    assert len(list(tmp_path.iterdir())) == 2  # the first checkpoint, and half of the second
    with h5py.File(path) as file:
        assert file["sweep"][()] == 5
    continued = run(sessions, settings(), dataclasses.replace(schedule, resume=True))
    whole = run(sessions, settings(), Schedule(24, 10, 1))
    assert continued.trace == whole.trace
    np.testing.assert_array_equal(continued.gibbs_labels, whole.gibbs_labels)
    np.testing.assert_array_equal(continued.model.ar_coefficients, whole.model.ar_coefficients)
    assert list(tmp_path.iterdir()) == [path]


def stopped(tmp_path: Path, sessions: Sessions) -> Schedule:
    schedule = Schedule(24, 10, 1, checkpoint=tmp_path / "c.checkpoint", checkpoint_every=5)
    with pytest.raises(StoppedError):
        run(sessions, settings(), schedule, stop_after=7)
    return dataclasses.replace(schedule, resume=True)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, sessions: Sessions) -> None:
    schedule = stopped(tmp_path, sessions)
    with pytest.raises(ConfigError, match="hdp differ"):
        run(sessions, settings(kappa=50.0), schedule)
    with pytest.raises(ConfigError, match="sweeps differ"):
        run(sessions, settings(), dataclasses.replace(schedule, sweeps=30))
    changed = dataclasses.replace(sessions, x=sessions.x * 1.0000001)
    with pytest.raises(ConfigError, match="data_sha256 differ"):
        run(changed, settings(), schedule)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path, sessions: Sessions) -> None:
    schedule = stopped(tmp_path, sessions)
    assert schedule.checkpoint is not None
    with h5py.File(schedule.checkpoint, "a") as file:
        file["labels"][100] += 1
    with pytest.raises(FileFormatError, match="damaged"):
        run(sessions, settings(), schedule)
    raw = schedule.checkpoint.read_bytes()
    schedule.checkpoint.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(FileFormatError, match="not a readable checkpoint"):
        run(sessions, settings(), schedule)


def test_without_a_checkpoint_resume_starts_anew(tmp_path: Path, sessions: Sessions) -> None:
    schedule = Schedule(6, 3, 1, checkpoint=tmp_path / "none.checkpoint", resume=True)
    assert run(sessions, settings(), schedule).trace == run(sessions, settings(), Schedule(6, 3, 1)).trace
