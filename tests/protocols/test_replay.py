"""What ran live comes out of a replay identically, from the recorded inputs and from the raw frames."""

import csv
import json
from collections import Counter
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest

from offline.replay.compare import compare, compare_near
from offline.replay.from_frames import recompute
from offline.replay.recorded import RecordedSession, read_session, recording_of
from offline.replay.run import replay
from online.files.assignment import seal
from online.files.tables import text_of
from protocols.materials import Materials
from rig.main import main
from tests.protocols.live_loop import Board, Fault, run_live
from tests.rigs import body_frames, tiny_model

pytestmark = pytest.mark.xdist_group("replay")  # the sessions are run once
NUM_FRAMES = 90
NUM_SESSIONS = 28
TAIL = """
[[outputs]]
name = "a"
channel = 0
width_ms = 10
[[outputs]]
name = "b"
channel = 1
width_ms = 5
period_ms = 20
count = 3
delay_ms = 10
[[places]]
name = "right"
circle = { x_mm = 150, radius_mm = 140 }
[limits]
max_width_ms = 100
max_duty = 0.5
window_ms = 1000
min_interval_ms = 10
max_pulses = 40
[timing]
deadline_ms = 40
"""


def random_rule(rng: np.random.Generator, name: str) -> str:
    """A rule of a random kind; all times are a few frames long, so that much happens in a short session."""
    common = f"""
[[rules]]
name = "{name}"
output = "{rng.choice(["a", "b"])}"
priority = {rng.integers(3)}
catch_probability = {rng.choice([0.0, 0.25, 0.5])}
refractory_ms = {rng.choice([0, 50, 150])}
"""
    kind = rng.choice(["filtered", "smoothed", "predicted", "onset", "situation", "periodic", "random"])
    if kind == "periodic":
        return common + 'kind = "periodic"\nperiod_ms = 170\n'
    if kind == "random":
        return common + 'kind = "random"\ncount = 4\n'
    common += f"dwell_ms = {rng.choice([0, 30])}\nonce_per_bout = {rng.choice(['true', 'false'])}\n"
    if rng.random() < 0.3:
        common += 'when = [{ quantity = "speed_mm_s", min = 1 }]\n'
    elif rng.random() < 0.3 or kind == "situation":
        common += 'when = [{ place = "right" }]\n'
    if kind == "situation":
        return common + 'kind = "situation"\n'
    common += f"target = {rng.integers(2)}\nenter = {rng.choice([0.2, 0.5, 0.8])}\nexit = 0.2\n"
    if rng.random() < 0.2:
        common += "after = [{ target = 0, threshold = 0.3, within_ms = 200 }]\n"
    if rng.random() < 0.2:
        common += "absent = [{ target = 2, for_ms = 100 }]\n"
    evidence_ms = rng.choice([17, 50])
    if kind == "onset":
        evidence_ms = 50  # longer than any dwell
    return common + ("" if kind == "filtered" else f'evidence = "{kind}"\nevidence_ms = {evidence_ms}\n')


def random_session(rng: np.random.Generator) -> tuple[str, dict[int, Fault], frozenset[int]]:
    """A protocol, and what goes wrong while it runs."""
    rules = "".join(random_rule(rng, f"rule {i}") for i in range(rng.integers(1, 4)))
    head = f'[session]\nname = "random"\nseed = {rng.integers(100)}\nduration_ms = {rng.choice([1200, 60_000])}\n'
    faults: dict[int, Fault] = {}
    for frame in rng.choice(np.arange(1, NUM_FRAMES), rng.integers(0, 12), replace=False).tolist():
        faults[frame] = Fault(
            dropped=int(rng.choice([0, 1, 3, 20])),
            stall_ns=int(rng.choice([0, 20, 60, 200])) * 1_000_000,
            armed=(None, True, False)[rng.integers(3)],
            paused=(None, False, True, True)[rng.integers(4)],
            by_hand=frame % 5 == 3,
        )
    return head + rules + TAIL, faults, frozenset(rng.choice(30, rng.integers(0, 4)).tolist())


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return body_frames(NUM_FRAMES)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory, frames: np.ndarray) -> list[RecordedSession]:
    """Sessions that ran live, each with a protocol and faults of its own."""
    folder, ran = tmp_path_factory.mktemp("random"), []
    for seed in range(NUM_SESSIONS):
        text, faults, refuse = random_session(np.random.default_rng(seed))
        if seed % 4 == 3 and "count = 4" not in text and "periodic" not in text:
            text = text.replace("max_pulses = 40", "max_pulses = 3")
        ran.append(
            read_session(
                run_live(folder / str(seed), text, tiny_model(), frames, faults, partial(Board, refuse=refuse))
            )
        )
    return ran


@pytest.mark.parametrize("number", range(NUM_SESSIONS))
def test_live_equals_replay(sessions: list[RecordedSession], number: int) -> None:
    session = sessions[number]
    materials = session.own_materials(None)
    again = replay(recording_of(session, as_recorded=True), session.protocol, materials, keep_near=True)
    found = compare(again.decided, session.trials)
    assert found.identical, found.difference
    assert not compare_near(again.near, session.near)
    computed = recompute(session)
    anew = replay(computed.recording, session.protocol, materials, keep_near=True)
    found = compare(anew.decided, session.trials)
    assert found.identical, (found.difference, computed.differences)
    assert not compare_near(anew.near, session.near)
    assert computed.differences == {}


def test_the_random_sessions_hold_what_they_should(sessions: list[RecordedSession]) -> None:
    rows = [row for session in sessions for row in session.trials]
    causes = Counter((row["outcome"] + b" " + row["reason"]).decode().split(":")[0] for row in rows)
    assert causes["pulse "] > 40, causes
    assert causes["catch "] > 5
    expected = {"refractory", "busy", "stale", "disarmed", "paused", "missed", "channel 0", "limit max_pulses"}
    assert expected <= {cause.removeprefix("refused ") for cause in causes}, causes


def test_what_almost_fired_is_recorded_with_its_cause(sessions: list[RecordedSession]) -> None:
    causes = Counter(text_of(row["cause"]) for session in sessions for row in session.near)
    expected = {"below enter", "dwell", "once per bout", "when", "after", "absent", "no evidence", "refractory", "busy"}
    assert expected | {"stale", "disarmed", "paused"} <= set(causes), causes


SIMPLE = (
    """
[session]
name = "simple"
seed = 3
duration_ms = 60_000
[[rules]]
name = "either"
target = 0
output = "a"
enter = 0.5
refractory_ms = 100
once_per_bout = false
"""
    + TAIL
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, frames: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("live") / "session"
    return run_live(folder, SIMPLE, tiny_model(), frames, {40: Fault(dropped=2)})


def test_what_the_driver_refused_in_the_engines_words_is_known_as_the_drivers(
    tmp_path: Path, frames: np.ndarray
) -> None:
    refusing = partial(Board, refuse=frozenset({2}), refusal="busy: the host's limits refuse a train")
    session = read_session(run_live(tmp_path / "session", SIMPLE, tiny_model(), frames, {}, refusing))
    assert "busy: the host's limits refuse a train" in [text_of(row["reason"]) for row in session.trials]
    again = replay(recording_of(session, as_recorded=True), session.protocol, session.own_materials(None))
    found = compare(again.decided, session.trials)
    assert (found.identical, found.refused_by_board) == (True, 1), found.difference


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = 0
    try:
        main(["replay", *map(str, arguments)])
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_a_session_is_reproduced_by_the_command(capsys: pytest.CaptureFixture[str], live: Path) -> None:
    code, out, _ = run(capsys, live, "--frames", "--json")
    (result,) = json.loads(out)["sessions"]
    assert (code, result["identical"], result["recomputed"]) == (0, True, [])
    assert result["rules"]["either"]["pulses"] > 3
    code, out, _ = run(capsys, live)
    assert (code, "reproduced identically" in out) == (0, True)


def test_pulses_by_hand_count_towards_the_limits_live_and_in_the_replay(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, frames: np.ndarray
) -> None:
    text = SIMPLE.replace("max_pulses = 40", "max_pulses = 5")
    given = {0: Fault(by_hand=True), 20: Fault(by_hand=True), 21: Fault(by_hand=True), 50: Fault(dropped=1)}
    refusing = partial(Board, refuse=frozenset({1}))  # that before the first frame
    session = read_session(run_live(tmp_path / "s", text, tiny_model(), frames, given, refusing))
    assert [text_of(row["outcome"]) for row in session.by_hand] == ["refused", "pulse", "pulse"]
    assert session.by_hand["frame_index"].tolist() == [-1, 19, 20]
    of_frames = dict(
        zip(session.engine["frame_index"].tolist(), session.engine["capture_time_ns"].tolist(), strict=True)
    )
    for row in session.by_hand[1:]:
        assert row["capture_time_ns"] == of_frames[int(row["frame_index"])]
        assert row["capture_time_ns"] < row["arrival_time_ns"] < row["decoded_time_ns"] < row["decided_time_ns"]
    outcomes = Counter(text_of(row["outcome"]) for row in session.trials)
    assert outcomes["pulse"] + outcomes["catch"] == 3
    assert "limit max_pulses" in {text_of(row["reason"]) for row in session.trials}
    assert "busy" in {text_of(row["cause"]) for row in session.near}
    code, out, _ = run(capsys, tmp_path / "s", "--frames", "--json")
    assert (code, json.loads(out)["sessions"][0]["identical"]) == (0, True)


def test_a_session_under_seal_holds_no_value_that_tells_the_arm_and_a_replay_brings_them_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, frames: np.ndarray
) -> None:
    either = SIMPLE[SIMPLE.index("[[rules]]") : SIMPLE.index("[[outputs]]")]
    arms = "".join(
        either.replace("either", arm).replace("target = 0", f'alias = "stimulation"\ntarget = {target}')
        + f'[[arms]]\nname = "of {arm}"\nrules = ["{arm}"]\n'
        for target, arm in enumerate(("first", "second"))
    )
    text = SIMPLE.replace(either, arms) + '[assignment]\nsealed = "study.sealed"\n'
    sealed, trials = tmp_path / "study.sealed", tmp_path / "trials.csv"
    sealed.write_text(seal({"m1": "of first"}, b"s" * 32))
    live = run_live(tmp_path / "s", text, tiny_model(), frames, {}, materials=Materials(arm="of first"))
    session = read_session(live)
    assert set(session.trials["rule"]) == {b"stimulation"}
    assert np.isnan(session.trials["target_probability"]).all()
    assert set(session.trials["detail"]) == {b""}
    assert len(session.near)
    assert np.isnan([session.near[name] for name in ("target_probability", "threshold", "value", "needed")]).all()
    assert run(capsys, live)[0] == 2
    code, out, _ = run(capsys, live, "--assignment", sealed, "--trials", trials, "--json")
    assert (code, json.loads(out)["sessions"][0]["identical"]) == (0, True)
    with trials.open() as file:
        assert all(float(row["target_probability"]) >= 0.5 for row in csv.DictReader(file))


def test_a_record_that_was_changed_is_found_out(capsys: pytest.CaptureFixture[str], live: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    (changed / "session.h5").write_bytes((live / "session.h5").read_bytes())
    with h5py.File(changed / "session.h5", "r+") as file:
        trials = file["pulses/trials"][()]
        trials["target_probability"][2] = np.nextafter(trials["target_probability"][2], 0)
        file["pulses/trials"][...] = trials
    code, out, _ = run(capsys, changed)
    assert code == 5
    assert "NOT reproduced: decision 3, frame" in out
    assert "target_probability is" in out


def test_frames_that_were_changed_are_found_out_where_and_in_what(
    capsys: pytest.CaptureFixture[str], live: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    for path in (live / "session.h5", *live.glob("arena*")):
        (changed / path.name).write_bytes(path.read_bytes())
    with h5py.File(changed / "session.h5", "r+") as file:
        frame = int(file["frames/header"]["frame_index"][30])
        file["frames/depth"][30:50] = 0
    code, out, _ = run(capsys, changed, "--frames")
    assert code == 5
    assert f"computed again from the frames: pose first differs at frame {frame}" in out
    assert "NOT reproduced: decision" in out
    assert run(capsys, changed)[0] == 0  # the inputs that were recorded are as they were


def test_a_dry_run_with_another_protocol_writes_its_tables(
    capsys: pytest.CaptureFixture[str], live: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(SIMPLE.replace("refractory_ms = 100", "refractory_ms = 300"))
    trials, why = tmp_path / "trials.csv", tmp_path / "why.csv"
    code, out, _ = run(capsys, live, "--protocol", other, "--trials", trials, "--why", why, "--json")
    (result,) = json.loads(out)["sessions"]
    assert (code, result["identical"]) == (0, None)
    with trials.open() as file:
        rows = list(csv.DictReader(file))
    given = [row for row in rows if row["outcome"] != "refused"]
    assert len(given) == result["rules"]["either"]["pulses"] + result["rules"]["either"]["catches"]
    assert np.diff([float(row["capture_time_ms"]) for row in given]).min() >= 300
    with why.open() as file:
        assert {"refractory", "below enter"} & {row["cause"] for row in csv.DictReader(file)}


def test_evidence_that_was_not_recorded_needs_the_model(
    capsys: pytest.CaptureFixture[str], live: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text(SIMPLE.replace("enter = 0.5", 'enter = 0.5\nevidence = "smoothed"\nevidence_ms = 50'))
    code, _, err = run(capsys, live, "--protocol", other)
    assert (code, "decode the session again with --model" in err) == (3, True)
    code, out, _ = run(capsys, live, "--protocol", other, "--model", live / "m.model.h5", "--json")
    assert code == 0
    assert json.loads(out)["sessions"][0]["rules"]["either"]["pulses"] > 2


def test_decoding_recorded_scores_gives_what_ran(capsys: pytest.CaptureFixture[str], live: Path) -> None:
    _, recorded, _ = run(capsys, live, "--json")
    _, decoded, _ = run(capsys, live, "--model", live / "m.model.h5", "--json")
    first, second = (json.loads(out)["sessions"][0] for out in (recorded, decoded))
    assert first["rules"] == second["rules"]


def test_both_nulls_are_computed(capsys: pytest.CaptureFixture[str], live: Path) -> None:
    code, out, _ = run(capsys, live, "--null", 50, "--baseline", live, "--window", 0.2, "--json")
    nulls = json.loads(out)["nulls"]["either"]
    assert code == 0
    assert 0 < nulls["observed"] < 1
    for kind in ("shift", "baseline"):
        assert nulls[kind]["low"] <= nulls[kind]["mean"] <= nulls[kind]["high"]
        assert 1 / 51 <= nulls[kind]["p"] <= 1
    assert "baseline:" in run(capsys, live, "--null", 5, "--baseline", live)[1]


def test_what_is_no_recording_is_refused(capsys: pytest.CaptureFixture[str], live: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    code, _, err = run(capsys, tmp_path / "other.h5")
    assert (code, "neither an Etholoop session" in err) == (2, True)
