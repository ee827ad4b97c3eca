"""Every example of the library, dry-run on recordings in which what must come out was planted."""

import csv
import json
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import protocols
from online.files.session_file import SessionShape, SessionWriter
from online.messages import EngineInput, PulseReceipt
from protocols.parse import parse_protocol
from rig.main import main
from tests.protocols.planted import START_NS, Bouts, Planted, posterior_of, random_bouts, write_session
from tests.protocols.test_materials import a_trial

LIBRARY = Path(protocols.__file__).parent / "library"
MINUTES_30 = 54_000
K = 6
FRAME_MS = 1000 / 30
MASTER_MS = 3000 + 1_600_000 * np.sort(np.random.default_rng(4).random(180)) + 1000 * np.arange(180)


@dataclass(frozen=True)
class DryRun:
    """What `etholoop replay` made of an example: its summary, and each decision's row."""

    summary: dict[str, Any]
    rows: list[dict[str, str]]

    def given(self, rule: str, *outcomes: str) -> list[dict[str, str]]:
        return [row for row in self.rows if row["rule"] == rule and row["outcome"] in (outcomes or ("pulse", "catch"))]

    def starts_ms(self, rule: str, *outcomes: str) -> np.ndarray:
        return np.array([float(row["start_ms"]) for row in self.given(rule, *outcomes)])

    def frames(self, rule: str, *outcomes: str) -> list[int]:
        return [int(row["frame_index"]) for row in self.given(rule, *outcomes)]


class Bench:
    """Copies an example to where it would be edited, plants a recording, replays one over the other."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def dry_run(self, name: str, planted: Planted, subject: str = "m1") -> DryRun:
        text = (LIBRARY / f"{name}.toml").read_text()
        file = self.folder / "protocols" / f"{name}.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        session = write_session(self.folder / f"{name} {subject}", planted, text + "\n# recorded otherwise\n", subject)
        trials = self.folder / f"{name} {subject}.csv"
        main(["replay", str(session), "--protocol", str(file), "--trials", str(trials), "--json"])
        (summary,) = json.loads(self.capsys.readouterr().out)["sessions"]
        with trials.open() as rows:
            run = DryRun(summary, list(csv.DictReader(rows)))
        self.always(run, name)
        return run

    def always(self, run: DryRun, name: str) -> None:
        """What holds for every rule of every example: refractory time, and catches at every prefix."""
        protocol = parse_protocol((LIBRARY / f"{name}.toml").read_text(), name)
        for rule in protocol.rules:
            starts_ms = run.starts_ms(rule.shown_name)
            assert (np.diff(starts_ms) >= rule.refractory_ms - 1e-3).all()
            catches = np.cumsum([row["outcome"] == "catch" for row in run.given(rule.shown_name)])
            expected = rule.catch_probability * np.arange(1, len(catches) + 1)
            assert (np.abs(catches - expected) <= rule.catch_block).all()


@pytest.fixture
def bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path, capsys)


@pytest.fixture(scope="module")
def bouts() -> Bouts:
    return random_bouts(1, MINUTES_30, K)


@pytest.fixture(scope="module")
def planted(bouts: Bouts) -> Planted:
    return Planted(posterior_of(bouts.syllable, K))


def ends_of(bouts: Bouts) -> np.ndarray:
    return np.append(bouts.first[1:], len(bouts.syllable))


def expected_trials(bouts: Bouts, target: int, span: tuple[int, int], fit: np.ndarray, most: int = 10**6) -> list[int]:
    """First frame of each bout of the target, within a span of frames, that is fit, a second after the trial before it
    and not the `most` + first within a minute."""
    frames: list[int] = []
    for first, end, syllable in zip(bouts.first, ends_of(bouts), bouts.of_bout, strict=True):
        if syllable == target:
            for frame in range(max(first, span[0]), min(end, span[1])):
                rested = not frames or frame - frames[-1] >= 30
                if fit[frame] and rested and (len(frames) < most or frame - frames[-most] >= 1800):
                    frames.append(frame)
                    break
    return frames


MIDDLE = (18_000, 36_000)
ANY = np.ones(MINUTES_30, bool)


def test_reinforce_gives_each_bout_of_the_target_its_trial(bench: Bench, bouts: Bouts, planted: Planted) -> None:
    run = bench.dry_run("reinforce", planted)
    assert run.frames("reinforce") == expected_trials(bouts, 0, MIDDLE, ANY, most=30)
    assert len(run.frames("reinforce")) > 150
    assert {row["block"] for row in run.rows} == {"stimulation"}
    assert {row["reason"] for row in run.given("reinforce", "refused")} == {"refractory", "max_per_minute"}
    rule = run.summary["rules"]["reinforce"]
    assert rule["catches"] == pytest.approx(0.25 * (rule["pulses"] + rule["catches"]), abs=8)
    assert run.summary["duty"]["0"] == pytest.approx(0.25 * rule["pulses"] / 1800, rel=1e-3)


def test_reinforce_fast_asks_for_speed_at_every_frame_of_the_bout(bench: Bench, bouts: Bouts, planted: Planted) -> None:
    speed = np.abs(np.random.default_rng(2).normal(0, 90, MINUTES_30))
    speed[::7] = np.nan
    pose = {"speed_mm_s": speed}
    run = bench.dry_run("reinforce_fast", replace(planted, pose=pose))
    assert run.frames("fast target") == expected_trials(bouts, 0, MIDDLE, speed >= 150)
    assert len(run.frames("fast target")) > 50


@pytest.mark.parametrize("number", range(6))
def test_each_group_of_the_published_design_has_its_own_target(bench: Bench, bouts: Bouts, number: int) -> None:
    targets = ["run", "pause", "rear", "rear and turn", "scrunch", "pause and turn"]
    short = bouts.syllable[:9000]
    planted = Planted(posterior_of(short, K), names=dict(enumerate(targets)))
    run = bench.dry_run("reinforce_six_targets", planted, f"m{number + 1}")
    assert {row["rule"] for row in run.rows} == {"reinforce"}
    fit = np.ones(9000, bool)
    some = Bouts(short, bouts.first[bouts.first < 9000], bouts.of_bout[bouts.first < 9000])
    assert run.frames("reinforce") == expected_trials(some, number, (0, 9000), fit)


def test_place_preference_stimulates_inside_the_place_only(bench: Bench, planted: Planted) -> None:
    seconds = np.arange(MINUTES_30) / 30
    x = 150 * np.sin(seconds / 9)
    x[(seconds % 97) < 2] = np.nan
    run = bench.dry_run("place_preference", replace(planted, pose={"x_mm": x, "y_mm": np.cos(seconds)}))
    for rule, side, span in (("left", -1, (600, 1200)), ("right", 1, (1200, 1800))):
        frames = np.array(run.frames(rule))
        assert (side * x[frames] >= 0).all()
        assert ((frames / 30 >= span[0]) & (frames / 30 < span[1])).all()
        inside = (side * x >= 0) & (seconds >= span[0]) & (seconds < span[1])
        visits = int((np.diff(inside.astype(int)) > 0).sum()) + 1
        assert inside.sum() / 60 - visits < len(frames) < inside.sum() / 60 + visits
        first = frames[0]
        assert (side * x[first - 3 : first + 1] >= 0).all()
    assert {row["outcome"] for row in run.rows} <= {"pulse", "refused"}


def test_a_sequence_fires_only_after_its_first_and_without_its_third(bench: Bench) -> None:
    bouts = random_bouts(3, MINUTES_30, 12, mean_frames=8)
    often = np.random.default_rng(5).random(len(bouts.of_bout)) < 0.6
    bouts.of_bout[often] %= 2
    syllable = np.repeat(bouts.of_bout, ends_of(bouts) - bouts.first)
    planted = Planted(posterior_of(syllable, 12))
    frames, times_ns = set(bench.dry_run("sequence", planted).frames("A then B")), planted.times_ns
    assert len(frames) > 60
    onset, followed, had, previous_ns = 0, False, 0, 0
    seen = {0: -(10**6), 2: 0}
    for frame, (before, now) in enumerate(pairwise(syllable.tolist()), 1):
        seen[before] = frame - 1
        if now == 1 != before:
            onset, followed = frame, seen[0] >= 0 and times_ns[frame] - times_ns[seen[0]] <= 0.5e9
        alone, rested = times_ns[frame] - times_ns[seen[2] + 1] >= 10e9, times_ns[frame] - previous_ns >= 2e9
        due = now == 1 and followed and alone and rested and had < onset and frame >= 18_000
        assert (frame in frames) == due, frame
        if due:
            had, previous_ns = frame, times_ns[frame]


def write_master(folder: Path) -> None:
    """Another animal's session, whose board raised its line at `MASTER_MS`; every third trial was a catch."""
    folder.mkdir()
    shape = SessionShape(4, 4, 2, 0, 2, 4, record_depth=False, compression_level=1)
    writer = SessionWriter(folder / "session.h5", shape, {}, {})
    times = {"capture_time_ns": START_NS, "decision_time_ns": START_NS}
    writer.append(EngineInput(order=0, frame_index=0, armed=True, paused=False, **times), None)
    for number, rise_ms in enumerate(MASTER_MS.tolist(), 1):
        writer.append(a_trial(number, "pulse", number), None)
        if number % 3 == 0:
            writer.append(a_trial(number, "catch", None), None)
        rise_ns = START_NS + round(rise_ms * 1e6)
        receipt = PulseReceipt(
            command_sequence=number,
            outcome="executed",
            reason="",
            device_time_us=rise_ns // 1000,
            executed_time_ns=rise_ns,
            received_time_ns=rise_ns,
        )
        writer.append(receipt, None)
    writer.close()


def test_yoked_pulses_come_at_the_times_of_the_other_session(bench: Bench, planted: Planted) -> None:
    write_master(bench.folder / "master_session")
    starts_ms = bench.dry_run("yoked", planted).starts_ms("yoked", "pulse")
    assert np.abs(starts_ms + 0.8 - MASTER_MS).max() < 0.1  # sent 0.8 ms early, the time that a command takes


def test_a_matched_random_control_has_the_number_and_no_memory(bench: Bench, planted: Planted) -> None:
    write_master(bench.folder / "master_session")
    starts_ms = bench.dry_run("random_matched", planted).starts_ms("random", "pulse")
    assert len(starts_ms) == len(MASTER_MS)
    assert ((starts_ms >= 600_000) & (starts_ms < 1_200_000)).all()
    rest_ms = np.diff(starts_ms) - 1000
    assert rest_ms.min() > -0.2
    assert stats.kstest(rest_ms, stats.expon(scale=rest_ms.mean()).cdf).pvalue > 0.01


def test_open_loop_keeps_its_clock_its_rate_and_its_times(bench: Bench, planted: Planted) -> None:
    run = bench.dry_run("open_loop", planted)
    np.testing.assert_allclose(run.starts_ms("periodic"), 10_000 * np.arange(1, 60), atol=0.1)
    np.testing.assert_allclose(run.starts_ms("times"), [1_260_000, 1_320_000, 1_500_000, 1_740_000], atol=0.1)
    poisson_ms = run.starts_ms("poisson")
    assert ((poisson_ms >= 600_000) & (poisson_ms < 1_200_000)).all()
    assert stats.poisson(60).cdf(len(poisson_ms)) == pytest.approx(0.5, abs=0.495)
    assert stats.kstest(np.diff(poisson_ms) - 1000, stats.expon(scale=9000).cdf).pvalue > 0.01


def test_photometry_sends_nothing_but_the_sync_line(bench: Bench, planted: Planted) -> None:
    run = bench.dry_run("photometry", planted)
    assert run.rows == []
    assert (run.summary["rules"], run.summary["duty"], run.summary["sync"]) == ({}, {}, "barcode")


def test_reversed_rewards_the_target_first_and_its_absence_later(bench: Bench, bouts: Bouts, planted: Planted) -> None:
    run = bench.dry_run("reversed", planted)
    assert run.frames("in target") == expected_trials(bouts, 0, (0, 27_000), ANY)
    frames = run.frames("not in target")
    assert len(frames) > 50
    assert min(frames) >= 27_000
    for frame in frames:
        assert not (bouts.syllable[frame - 30 : frame + 1] == 0).any()


def test_early_triggers_within_the_onset_or_not_at_all(bench: Bench, bouts: Bouts) -> None:
    onset = np.zeros((MINUTES_30, 1, K))
    fresh = []
    for number, first in enumerate(bouts.first):
        if number % 2 and bouts.of_bout[number] == 0:  # of the others the decoder is sure too late
            fresh.append(int(first) + 2)
            onset[first + 2 : first + 4, 0, 0] = 0.9
    run = bench.dry_run("early", Planted(posterior_of(bouts.syllable, K), further=onset))
    frames = run.frames("onset")
    assert len(frames) > 150
    assert set(frames) <= set(fresh) | {frame + 1 for frame in fresh}


def test_no_example_is_without_a_test() -> None:
    tested = Path(__file__).read_text()
    assert all(f'dry_run("{path.stem}"' in tested for path in LIBRARY.glob("*.toml"))


def test_an_examples_first_line_alone_says_what_it_is() -> None:
    first = {path.stem: path.read_text().splitlines()[0] for path in LIBRARY.glob("*.toml")}
    assert {name for name, line in first.items() if not line.endswith(".")} == set()
