"""What a run that failed leaves: everything that it had learned, so that it can go on."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from offline import pca_command, train_command
from offline.arhmm.data import Sessions, assemble, fit_whitening
from offline.arhmm.fit import Schedule, fit
from offline.arhmm.gibbs import Settings
from offline.arhmm.transitions import StickyHDP
from offline.scan.kept import Shelf
from offline.scan.run import Request, Scale, ScanResult, run_scan
from offline.scan.trials import Candidate, Trial
from offline.workers import Here, Workers
from online.emission import whiten
from online.errors import CannotWrite, ConfigError, EtholoopError, FileFormatError
from online.files.bundle import load_bundle
from online.simulation.arhmm import random_arhmm, sample
from tests.full_disk import room_for
from tests.training.results_files import crops, write_results

MODEL = random_arhmm(2, num_syllables=4, num_dims=3, num_lags=2, separation=3)
SETTINGS = Settings(StickyHDP(100.0), max_syllables=6)
REQUEST = Request(Candidate(100.0, 2, 3, False, 0), 2, (10.0, 100.0), (False,), (2,), (3,))


class StoppedError(Exception):
    """Stands for a crash."""


@pytest.fixture(scope="module")
def sessions() -> tuple[Sessions, Sessions]:
    drawn = [sample(MODEL, 250, seed)[1] for seed in range(3)]
    whitening = fit_whitening(drawn[:2])
    whitened = [whiten(whitening, x) for x in drawn]
    return assemble(["a", "b"], whitened[:2], 2), assemble(["c"], whitened[2:], 2)


@dataclass
class Counting:
    """Runs jobs here and counts them."""

    ran: list[Any] = field(default_factory=list)
    count: int = 1

    def map(self, job: Callable[[Any, Any], Any], shared: Any, items: Sequence[Any]) -> Iterator[Any]:
        """See `Workers`."""
        for item in items:
            self.ran.append(item)
            yield from Here().map(job, shared, [item])


def scan(
    sessions: tuple[Sessions, Sessions],
    workers: Workers,
    shelf: Shelf | None = None,
    stop_after: int = 99,
    sweeps: int = 8,
) -> ScanResult:
    done: list[Trial] = []

    def report(trial: Trial) -> None:
        done.append(trial)
        if len(done) == stop_after:
            raise StoppedError

    base = (SETTINGS, Schedule(sweeps, 4, 1))
    return run_scan(sessions, base, REQUEST, Scale(33.0, None), workers, report, shelf)


def test_a_scan_that_was_stopped_runs_no_finished_chain_again(
    tmp_path: Path, sessions: tuple[Sessions, Sessions]
) -> None:
    whole = scan(sessions, Here())
    warnings: list[str] = []
    shelf = Shelf(tmp_path / "chains", resume=True, warn=warnings.append)
    with pytest.raises(StoppedError):
        scan(sessions, Counting(), shelf, stop_after=3)
    assert len(shelf) == 3
    workers = Counting()
    continued = scan(sessions, workers, shelf)
    assert len(workers.ran) == 1
    for ours, theirs in zip(whole.trials, continued.trials, strict=True):
        assert ours.candidate == theirs.candidate
        np.testing.assert_array_equal(ours.fit.model.ar_coefficients, theirs.fit.model.ar_coefficients)
        np.testing.assert_array_equal(ours.fit.gibbs_labels, theirs.fit.gibbs_labels)
        np.testing.assert_array_equal(ours.held_out, theirs.held_out)
        np.testing.assert_array_equal(ours.durations_frames, theirs.durations_frames)
        assert ours.fit.trace == theirs.fit.trace
    assert whole.kept.candidate == continued.kept.candidate
    with pytest.raises(ConfigError, match="sweeps differ"):
        scan(sessions, Counting(), shelf, sweeps=9)
    damaged = sorted(shelf.folder.iterdir())[0]
    damaged.write_bytes(damaged.read_bytes()[:2000])
    again = Counting()
    scan(sessions, again, shelf)
    assert (len(again.ran), len(warnings)) == (1, 1)
    fresh = Counting()
    scan(sessions, fresh, replace(shelf, resume=False))
    assert len(fresh.ran) == 4
    shelf.clear()
    assert not shelf.folder.exists()


def test_a_full_disk_ends_neither_chain_nor_scan(tmp_path: Path, sessions: tuple[Sessions, Sessions]) -> None:
    schedule = Schedule(12, 4, 1, checkpoint=tmp_path / "c.checkpoint", checkpoint_every=5)
    whole = fit(sessions[0], None, SETTINGS, replace(schedule, checkpoint=None))
    said: list[str] = []
    with room_for(1000):
        found = fit(sessions[0], None, SETTINGS, schedule, warn=said.append)
    np.testing.assert_array_equal(whole.model.ar_coefficients, found.model.ar_coefficients)
    assert [text.split(":")[0] for text in said] == ["sweep 5", "sweep 10", "sweep 12"]
    assert "make room" in said[0]
    said.clear()
    scan(sessions, Here())
    with room_for(1000):
        scan(sessions, Here(), Shelf(tmp_path / "chains", False, said.append))
    assert len(said) == 4
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Components and scores of three sessions."""
    folder = tmp_path_factory.mktemp("files")
    results = [str(write_results(folder / f"{i}.h5", f"uuid-{i}", crops(100, i))) for i in range(3)]
    arguments = ["--out", str(folder / "pca.h5"), "--scores", str(folder / "scores.h5"), "--components", "4"]
    assert CliRunner().invoke(pca_command.command, [*results, *arguments], catch_exceptions=False).exit_code == 0
    return folder


def train(files: Path, out: Path, *more: str) -> Result:
    quick = ["--max-syllables", "4", "--sweeps", "8", "--pcs", "3", "--lags", "2", "--threads", "1", "--json"]
    arguments = [str(files / "scores.h5"), "--pca", str(files / "pca.h5"), "--out", str(out), *quick, *more]
    return CliRunner().invoke(train_command.command, arguments)


@pytest.mark.parametrize("more", [(), ("--scan", "--scan-kappa", "10,100", "--restarts", "2")])
def test_what_was_learned_stays_until_the_bundle_stands(files: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    whole = train(files, tmp_path / "whole.model.h5", *more)
    assert whole.exit_code == 0, whole.output
    out = tmp_path / "m.model.h5"
    with room_for(60_000):
        failed = train(files, out, *more)
    assert isinstance(failed.exception, CannotWrite)
    assert "m.model.h5 could not be written" in str(failed.exception)
    assert not out.exists()
    assert (tmp_path / f"m.model.h5.{'chains' if more else 'checkpoint'}").exists()
    resumed = train(files, out, *more, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert json.loads(resumed.stdout)["train_sessions"]
    ours, theirs = load_bundle(out), load_bundle(tmp_path / "whole.model.h5")
    np.testing.assert_array_equal(ours.arhmm.ar_coefficients, theirs.arhmm.ar_coefficients)
    said = resumed.stderr
    assert ("4 finished chain(s)" in said) if more else ("from the beginning" not in said)
    left = {path.name for path in tmp_path.iterdir()}
    assert not [name for name in left if "checkpoint" in name or "chains" in name]


def test_components_are_read_before_anything_is_learned(files: Path, tmp_path: Path) -> None:
    bad = tmp_path / "pca.h5"
    bad.write_text("garbage")
    refused = train(files, tmp_path / "m.model.h5", "--pca", str(bad))
    assert isinstance(refused.exception, FileFormatError)
    few = train(files, tmp_path / "m.model.h5", "--pcs", "5")
    assert isinstance(few.exception, EtholoopError)
    assert "has 4 components, 5 are asked for" in str(few.exception)
    for result in (refused, few):
        assert "held out" not in result.stderr


def test_a_frame_rate_that_cannot_be_is_refused_before_anything_is_learned(files: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.h5"
    scores.write_bytes((files / "scores.h5").read_bytes())
    with h5py.File(scores, "a") as file:
        file.attrs["frame_rate_hz"] = np.nan
    (tmp_path / "pca.h5").write_bytes((files / "pca.h5").read_bytes())
    (tmp_path / "pca.yaml").write_bytes((files / "pca.yaml").read_bytes())
    result = train(tmp_path, tmp_path / "m.model.h5", "--sweeps", "1")
    assert isinstance(result.exception, ConfigError)
    assert "recorded at nan Hz" in str(result.exception)
