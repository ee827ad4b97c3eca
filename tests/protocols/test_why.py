"""`etholoop why`: each trial and each frame near a threshold answers for itself, from the record alone."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from offline.replay.recorded import read_session
from offline.why import Inquiry
from protocols.rule_schema import SyllableRule
from rig.main import main
from tests.protocols.live_loop import Fault, run_live
from tests.protocols.test_replay import TAIL
from tests.rigs import body_frames, tiny_model

pytestmark = pytest.mark.xdist_group("why")
NUM_FRAMES = 80
PROTOCOL = (
    """
[session]
name = "why"
seed = 3
[[blocks]]
name = "quiet"
duration_ms = 300
[[blocks]]
name = "loud"
duration_ms = 60_000
rules = ["either", "fast", "there", "clock"]
[[rules]]
name = "either"
target = 0
output = "a"
enter = 0.5
refractory_ms = 100
once_per_bout = false
[[rules]]
name = "fast"
target = 1
output = "b"
enter = 0.2
exit = 0.01
refractory_ms = 0
when = [{ quantity = "speed_mm_s", min = 1e6 }]
[[rules]]
name = "there"
kind = "situation"
when = [{ place = "right" }, { quantity = "height_mm", min = 250 }]
output = "b"
refractory_ms = 0
[[rules]]
name = "clock"
kind = "times"
times_ms = [700]
output = "b"
"""
    + TAIL
)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why") / "session"
    return run_live(folder, PROTOCOL, tiny_model(), body_frames(NUM_FRAMES), {40: Fault(dropped=2)})


def ask(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = 0
    try:
        main(["why", *map(str, arguments)])
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def test_every_frame_near_a_threshold_and_every_trial_has_its_answer(session: Path) -> None:
    record = read_session(session)
    inquiry = Inquiry(record)
    rules = {rule.name: rule for rule in record.protocol.rules if isinstance(rule, SyllableRule)}
    near = 0
    for place in range(len(record.engine)):
        answers = {answer.rule: answer for answer in inquiry.at(place)}
        block = inquiry.block(place)
        assert list(answers) == ["either", "fast", "there", "clock"]
        for name, rule in rules.items():
            probability = record.posterior[place, rule.target[0]]
            seen, answer = record.syllables["has_evidence"][place], answers[name]
            if block is not None and block.name == "quiet":
                assert answer.why == "not live in the block 'quiet'"
            elif seen and probability >= 0.8 * rule.enter:
                near += 1
                assert not answer.why.startswith("not near")
                assert f"P = {probability:.3f} (enter {rule.enter:g})" in answer.why
            else:
                assert answer.outcome == "nothing"
    assert near > 30


def test_a_trial_tells_what_decided_it(capsys: pytest.CaptureFixture[str], session: Path) -> None:
    code, out, _ = ask(capsys, session, "--trial", 1, "--rule", "either")
    assert code == 0
    assert "(enter 0.5); trial 1, pulse; bout 1 for 0.0 ms; block 'loud'; decided" in out
    assert "1 x 10 ms on channel 0, sent as command 1" in out
    (fields,) = json.loads(ask(capsys, session, "--trial", 1, "--rule", "clock", "--json")[1])
    assert fields["target_probability"] is None
    assert fields["outcome"] == "pulse"
    assert "due at 700.000 ms" in fields["detail"]
    frame = fields["frame_index"]
    answers = json.loads(ask(capsys, session, "--frame", frame, "--json")[1])["rules"]
    assert next(answer["outcome"] for answer in answers if answer["rule"] == "clock") == "pulse"


def test_a_moment_tells_what_was_missing(capsys: pytest.CaptureFixture[str], session: Path) -> None:
    code, out, _ = ask(capsys, session, "--at", 1.2)
    assert code == 0
    assert "fast: did not fire: P = " in out
    assert "when: speed_mm_s was " in out
    assert ", the nearest allowed value is 1e+06" in out
    assert "there: did not fire: when: " in out
    assert "clock: did not fire: nothing was due" in out


def test_causes_are_counted_and_written(capsys: pytest.CaptureFixture[str], session: Path, tmp_path: Path) -> None:
    code, text, _ = ask(capsys, session, "--json", "--out", tmp_path / "near.csv")
    counts = json.loads(text)
    assert code == 0
    assert counts["either"]["trials"]["pulse"] > 3
    with (tmp_path / "near.csv").open() as file:
        rows = list(csv.DictReader(file))
    for rule in ("either", "fast"):
        assert sum(counts[rule]["near"].values()) == sum(row["rule"] == rule for row in rows) > 3
    assert counts["fast"]["near"]["when"] > 3
    refractory = [row for row in rows if row["cause"] == "refractory"]
    assert refractory
    assert all(float(row["value"]) < 100 == float(row["needed"]) for row in refractory)
    assert np.diff([int(row["frame_index"]) for row in rows]).min() >= 0
    assert "either: " in ask(capsys, session)[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--frame", 41), "--frame 41: was dropped"),
        (("--trial", 999), "no rule had so many"),
        (("--rule", "eitther"), "did you mean 'either'"),
        (("--at", 1, "--frame", 1), "exclude each other"),
        (("--at", 99999), "99999 s is beyond the session, whose frames go from 0 to"),
    ],
)
def test_what_cannot_be_answered_is_said(
    capsys: pytest.CaptureFixture[str], session: Path, options: tuple[object, ...], message: str
) -> None:
    code, _, err = ask(capsys, session, *options)
    assert code == 2
    assert message in err
