"""`etholoop train --scan`: what is compared, what is chosen, and how restarts are judged."""

import json
from dataclasses import replace
from pathlib import Path

import distributed
import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from offline import train_command
from offline.arhmm.data import assemble, fit_whitening
from offline.arhmm.fit import Fit, Schedule
from offline.arhmm.gibbs import Settings
from offline.arhmm.transitions import StickyHDP
from offline.changepoints import SessionChanges, write_changepoints
from offline.durations import resolved_durations_frames
from offline.pca.learning import Learning, session_moments
from offline.results import open_all
from offline.scan.agreement import compare_restarts, shared_frames
from offline.scan.choose import choose_kappa, choose_simplest, standings
from offline.scan.run import Request, Scale, run_scan
from offline.scan.trials import Candidate, ScanData, Trial, run_trial, scan_data
from offline.workers import Here, open_workers
from online.emission import whiten
from online.errors import ConfigError, EtholoopError
from online.files.bundle import load_bundle
from online.model import Array, PixelFilter
from online.simulation.arhmm import random_arhmm, sample
from tests.training.results_files import crops, write_results

MODEL = random_arhmm(2, num_syllables=4, num_dims=4, num_lags=2, separation=3)
FIRST = Candidate(100.0, 2, 4, False, 0)


def trial(kappa: float, held_out: list[float], frames: int = 1000, length: int = 10, seed: int = 0) -> Trial:
    """A trial that says so many nats a frame on each held-out session, all bouts of one length."""
    blank = Fit(MODEL, np.full(4, 0.25), np.zeros(0, np.int16), ())
    candidate = replace(FIRST, kappa=kappa, seed=seed)
    count = np.full(len(held_out), frames)
    lengths = np.full(50, length)
    return Trial(candidate, blank, np.array(held_out) * frames, count, lengths, lengths)


def blocks(frames: int) -> Array:
    return np.full(40, frames / 30)


def test_bouts_that_last_as_the_blocks_decide_kappa_and_the_price_is_told() -> None:
    trials = [
        trial(10, [-5.0, -5.1], length=3),
        trial(1e5, [-5.4, -5.5], length=29),
        trial(1e7, [-5.9, -5.9], length=60),
    ]
    taken, reason = choose_kappa(standings(trials, 1000 / 30, blocks(30)))
    assert taken.candidate.kappa == 1e5
    assert taken.ratio == pytest.approx(29 / 30)
    assert taken.behind == pytest.approx(0.4)
    assert "kappa 10 explains 0.400 nats a frame more" in reason
    assert "last 0.10 times as long" in reason
    assert "--scan-kappa" not in reason
    assert "match alike" not in reason


def test_a_kappa_whose_bouts_cannot_be_measured_is_not_taken_for_its_likelihood() -> None:
    trials = [trial(10, [-5.0, -5.1], length=28), trial(1e8, [-4.9, -4.9])]
    trials[1] = replace(trials[1], resolved_frames=np.empty(0, np.int64), durations_frames=np.empty(0, np.int64))
    taken, reason = choose_kappa(standings(trials, 1000 / 30, blocks(30)))
    assert taken.candidate.kappa == 10
    assert "kappa 1e+08 explains 0.150 nats a frame more, but has no two changes" in reason
    alone, reason = choose_kappa(standings(trials[1:], 1000 / 30, blocks(30)))
    assert alone.candidate.kappa == 1e8
    assert "decides alone" in reason


def test_of_kappas_that_match_the_blocks_alike_the_likelier_is_taken() -> None:
    trials = [
        trial(1e3, [-5.0, -5.1], length=10),
        trial(1e4, [-5.2, -5.3], length=15),
        trial(1e5, [-5.4, -5.5], length=16),
    ]
    taken, reason = choose_kappa(standings(trials, 1000 / 30, blocks(16)))
    assert taken.candidate.kappa == 1e4
    assert "of 2 that match alike it explains" in reason
    taken, reason = choose_kappa(standings(trials, 1000 / 30, None))
    assert taken.candidate.kappa == 1e3
    assert "decides alone" in reason


def test_a_scan_in_which_nothing_matches_says_so() -> None:
    trials = [trial(10, [-5.0, -5.1], length=3), trial(100, [-5.1, -5.2], length=4)]
    taken, reason = choose_kappa(standings(trials, 1000 / 30, blocks(16)))
    assert taken.candidate.kappa == 100
    assert "no kappa tried comes close" in reason


def test_changes_nearer_than_the_resolution_are_one() -> None:
    """Counted within stretches of rows that have labels."""
    labels = np.array([-5, 0, 0, 1, 1, 2, 2, 2, 2, 3, -5, 1, 2, 2, 2, 2, 0], np.int16)
    assert resolved_durations_frames([labels], 1).tolist() == [2, 4, 4]
    assert resolved_durations_frames([labels], 3).tolist() == [6, 4]
    assert resolved_durations_frames([labels[:1], labels[:3]], 3).tolist() == []


def test_the_resolution_is_that_of_the_shortest_blocks() -> None:
    assert Scale(1000 / 30, np.array([4.0] * 5 + [20.0] * 95) / 30).resolution_frames == 4
    assert Scale(1000 / 30, None).resolution_frames == 1
    assert Scale(1000 / 30, np.full(50, 0.001)).resolution_frames == 1


def test_short_bouts_do_not_pass_for_blocks_that_are_all_alike() -> None:
    resolution = Scale(1000 / 30, blocks(10)).resolution_frames
    labels = np.repeat(np.arange(200) % 2, 2).astype(np.int16)
    assert np.median(resolved_durations_frames([labels], resolution)) < 0.7 * 10


def test_differences_are_judged_within_sessions() -> None:
    """A constant difference counts although sessions differ widely; a difference that comes and goes does not."""
    constant = standings([trial(1, [-3.0, -9.0, -6.0]), trial(2, [-3.05, -9.05, -6.05])], 33.0, None)
    assert not constant[1].as_good
    wavering = standings([trial(1, [-3.0, -9.0, -6.0]), trial(2, [-2.8, -9.2, -6.15])], 33.0, None)
    assert wavering[1].behind == pytest.approx(0.05)
    assert wavering[1].as_good


def test_the_simplest_of_the_good_is_taken() -> None:
    trials = [trial(1, [-5.0, -5.1]), trial(2, [-5.004, -5.104]), trial(3, [-5.5, -5.6])]
    rows = standings(trials, 33.0, None)
    assert choose_simplest(rows, "x", lambda c: -c.kappa)[0].candidate.kappa == 2


def test_shared_frames_are_one_to_one() -> None:
    ours = np.array([0, 0, 0, 0, 1, 1, 2, -5], np.int16)
    theirs = np.array([5, 5, 5, 3, 3, 3, 3, 3], np.int16)
    np.testing.assert_allclose(shared_frames(ours, theirs, 4), [0.75, 0.5, 0.0, 0.0])


@pytest.fixture(scope="module")
def data() -> ScanData:
    drawn = [sample(MODEL, 400, seed)[1] for seed in range(4)]
    drawn[3][100] = np.nan
    whitening = fit_whitening(drawn[:3])
    whitened = [whiten(whitening, x) for x in drawn]
    train, held = assemble(list("abc"), whitened[:3], 2), assemble(["d"], whitened[3:], 2)
    settings = Settings(StickyHDP(1.0), max_syllables=8)
    kinds = [FIRST, replace(FIRST, num_lags=3), replace(FIRST, num_components=3)]
    return scan_data(train, held, settings, Schedule(20, 10, 1), kinds)


def test_every_candidate_is_judged_on_the_same_frames_and_numbers(data: ScanData) -> None:
    """One syllable is one linear process; with fewer components the rest is one, too: the joint densities are alike.

    Not equal: the first components do not see the past of the rest.
    """
    alone = replace(data, settings=replace(data.settings, max_syllables=1, learn_prior=False))
    full, narrow = (run_trial(alone, replace(FIRST, num_lags=3, num_components=n)) for n in (4, 3))
    assert full.frames.tolist() == narrow.frames.tolist() == [400 - 3 - 4]
    assert narrow.held_out_per_frame == pytest.approx(full.held_out_per_frame, abs=0.1)
    unfair = narrow.held_out - data.rest[3]
    assert abs(float(unfair.sum()) / 393 - full.held_out_per_frame) > 0.5


def test_restarts_are_compared(data: ScanData) -> None:
    restarts = [run_trial(data, replace(FIRST, seed=seed)) for seed in range(3)]
    agreement = compare_restarts(data, restarts)
    assert agreement.expected.argmax() == agreement.best
    np.testing.assert_array_equal(agreement.ami, agreement.ami.T)
    assert (agreement.ami > 0.7).all()
    assert len(agreement.stable) >= 3
    assert compare_restarts(data, restarts[:1]).stable.size == 0


def failing(shared: int, item: int) -> int:
    """A job that fails on one item."""
    if item == 2:
        raise ConfigError("two")
    return shared + item


def test_a_setting_with_one_value_is_taken(data: ScanData) -> None:
    sessions, base = (data.train, data.held_out), (data.settings, data.schedule)
    request = Request(FIRST, 2, kappas=(1e6,), student_t=(False,), num_lags=(3,), num_components=(2,))
    with open_workers() as workers:
        found = run_scan(sessions, base, request, Scale(33.0, None), workers)
    assert found.stages == []
    assert found.kept.candidate.kind == replace(FIRST, kappa=1e6, num_lags=3, num_components=2).kind
    assert len(found.restarts) == 2


def test_jobs_come_back_in_order_and_failures_in_place() -> None:
    results = list(Here().map(failing, 10, [1, 2, 3]))
    assert results[0] == 11
    assert results[2] == 13
    assert isinstance(results[1], EtholoopError)


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    path = tmp_path / "scores.h5"
    with h5py.File(path, "w") as file:
        for index in range(5):
            file[f"scores/s{index}"] = sample(MODEL, 300, seed=index)[1].astype(np.float32)
    write_changepoints(
        tmp_path / "cp.h5",
        [SessionChanges(f"s{i}", np.arange(0, 10, 0.33), np.zeros(300)) for i in range(5)],
        30.0,
    )
    return path


def train(scores: Path, *more: str) -> dict[str, object]:
    out = scores.with_name("m.model.h5")
    quick = ["--max-syllables", "8", "--sweeps", "12", "--pcs", "4", "--lags", "2", "--threads", "1", "--restarts", "2"]
    arguments = [str(scores), "--out", str(out), *quick, "--scan", "--json", *more]
    result = CliRunner().invoke(train_command.command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    summary: dict[str, object] = json.loads(result.stdout)
    return summary


def test_scan_from_the_command_line(tmp_path: Path, scores: Path) -> None:
    more = (
        "--scan-kappa",
        "10,1e8",
        "--scan-pcs",
        "2,4",
        "--scan-student-t",
        "--changepoints",
        str(tmp_path / "cp.h5"),
    )
    summary = train(scores, *more)
    scan: dict[str, object] = summary["scan"]  # type: ignore[assignment]
    assert [stage["setting"] for stage in scan["stages"]] == ["kappa", "innovations", "components"]  # type: ignore[attr-defined]
    assert scan["chosen"]["student_t"] is False  # type: ignore[index]
    assert scan["stages"][0]["rows"][0]["duration_over_block"] > 0  # type: ignore[index]
    bundle = load_bundle(tmp_path / "m.model.h5")
    assert bundle.arhmm.num_dims == scan["chosen"]["pcs"]  # type: ignore[index]
    assert "kappa" in bundle.provenance.notes
    assert (tmp_path / "m.scan.png").stat().st_size > 10_000


def test_without_changepoints_the_scan_says_what_decided(scores: Path) -> None:
    scan: dict[str, object] = train(scores, "--scan-kappa", "10,100")["scan"]  # type: ignore[assignment]
    assert "decides alone" in scan["stages"][0]["reason"]  # type: ignore[index]


@pytest.mark.parametrize(("uuids", "complaint"), [("x", "no changepoints of the"), ("sssss", "no two changepoints")])
def test_changepoints_that_say_nothing_of_these_sessions_are_refused(scores: Path, uuids: str, complaint: str) -> None:
    alone = [SessionChanges(f"{name}{i}", np.array([2.0]), np.zeros(300)) for i, name in enumerate(uuids)]
    write_changepoints(scores.with_name("cp.h5"), alone, 30.0)
    with pytest.raises(ConfigError, match=complaint):
        train(scores, "--changepoints", str(scores.with_name("cp.h5")))


def test_changepoints_without_a_scan_are_not_passed_over(scores: Path) -> None:
    arguments = [str(scores), "--out", str(scores.with_name("m.model.h5")), "--changepoints", str(scores), "--pcs", "4"]
    with pytest.raises(ConfigError, match="--scan as well"):
        CliRunner().invoke(train_command.command, arguments, catch_exceptions=False)


def test_a_scan_needs_held_out_sessions(scores: Path) -> None:
    arguments = [str(scores), "--out", str(scores.with_name("m.model.h5")), "--scan", "--hold-out", "0", "--pcs", "4"]
    with pytest.raises(ConfigError, match="none is held out"):
        CliRunner().invoke(train_command.command, arguments, catch_exceptions=False)


@pytest.mark.filterwarnings("default")
def test_results_do_not_depend_on_who_computes_them(data: ScanData, tmp_path: Path) -> None:
    """Trials and components from a scheduler's workers are those of this process, bit for bit; failures come back."""
    results = open_all(tuple(write_results(tmp_path / f"{i}.h5", f"u{i}", crops(40, i)) for i in range(2)))[0]
    learning = Learning(PixelFilter(), 80, (10.0, 100.0))
    candidates = [FIRST, replace(FIRST, seed=1)]
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp://"
        ) as cluster,
        open_workers(scheduler=cluster.scheduler_address) as workers,
    ):
        assert workers.count == 2
        there = list(workers.map(run_trial, data, candidates))
        moments = list(workers.map(session_moments, learning, results))
        failed = list(workers.map(failing, 10, [1, 2]))
    for ours, theirs in zip(Here().map(run_trial, data, candidates), there, strict=True):
        assert isinstance(ours, Trial)
        assert isinstance(theirs, Trial)
        np.testing.assert_array_equal(ours.fit.model.ar_coefficients, theirs.fit.model.ar_coefficients)
        np.testing.assert_array_equal(ours.held_out, theirs.held_out)
    for session, theirs_of in zip(results, moments, strict=True):
        assert not isinstance(theirs_of, EtholoopError)
        np.testing.assert_array_equal(session_moments(learning, session).products, theirs_of.products)
    assert failed[0] == 11
    assert isinstance(failed[1], ConfigError)


def test_a_scheduler_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="no dask scheduler answers"), open_workers(1, "nonsense://x"):
        pass
