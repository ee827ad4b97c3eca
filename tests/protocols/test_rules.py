"""The kinds of rules and of conditions: what each waits for."""

from dataclasses import replace

import pytest

from online.errors import ConfigError, SessionFailed
from protocols.engine import step
from protocols.materials import Materials
from tests.protocols.helpers import FRAME_NS, HEAD, RULE, START_NS, At, Feed, engine, evidence, frames_of, run

PLAIN = (HEAD + RULE).replace("refractory_ms = 200", "refractory_ms = 0")
A, B, C = [0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.01, 0.01, 0.98]


@pytest.mark.parametrize(
    ("condition", "pose", "fires"),
    [
        ('quantity = "speed_mm_s", min = 20', At(speed_mm_s=20.0), True),
        ('quantity = "speed_mm_s", min = 20', At(speed_mm_s=19.9), False),
        ('quantity = "speed_mm_s", min = 20', At(speed_mm_s=None), False),
        ('quantity = "speed_mm_s", min = 20', None, False),
        ('quantity = "height_mm", min = 10, max = 40', At(height_mm=41.0), False),
        ('quantity = "heading_probability", min = 0.9', At(heading_probability=0.95), True),
        ('place = "corner"', At(x_mm=90.0, y_mm=10.0), True),
        ('place = "corner"', At(x_mm=84.0, y_mm=0.0), False),
        ('place = "corner", inside = false', At(x_mm=0.0, y_mm=0.0), True),
        ('place = "corner", inside = false', At(x_mm=None, y_mm=0.0), False),
        ('place = "strip"', At(x_mm=-20.0, y_mm=5.0), True),
        ('place = "strip"', At(x_mm=-20.0, y_mm=-5.0), False),
        ('quantity = "wall_distance_mm", max = 30', At(x_mm=171.0, y_mm=0.0), True),
        ('quantity = "wall_distance_mm", max = 30', At(x_mm=0.0, y_mm=160.0), False),
        ('quantity = "novelty", max = 3', At(), True),
        ('quantity = "novelty", max = 2', At(), False),
        ('quantity = "session_time_ms", min = 1', At(), False),
    ],
)
def test_conditions_on_scalars_and_places(condition: str, pose: At | None, fires: bool) -> None:
    places = """
when = [{ CONDITION }]
[arena]
circle = { radius_mm = 200 }
[[places]]
name = "corner"
circle = { x_mm = 100, radius_mm = 15 }
[[places]]
name = "strip"
polygon = [[-100, 0], [100, 0], [100, 10], [-100, 10]]
"""
    state = engine(PLAIN + places.replace("CONDITION", condition))
    assert bool(frames_of(run(state, [Feed(0.9, pose, novelty=2.5)]))) is fires


def test_walls_of_a_polygon_have_a_distance() -> None:
    arena = "[arena]\npolygon = [[-100, -50], [100, -50], [100, 50], [-100, 50]]\n"
    rule = 'when = [{ quantity = "wall_distance_mm", min = 9, max = 11 }]\n'
    feeds = [Feed(p, At(x_mm=x, y_mm=y)) for x, y in ((0, 40), (90, 0), (0, 0), (111, 0)) for p in (0.9, 0.0)]
    assert frames_of(run(engine(PLAIN + rule + arena), feeds)) == [0, 2]


def test_a_condition_that_comes_true_within_the_bout_lets_it_have_its_trial() -> None:
    state = engine(PLAIN + 'when = [{ quantity = "speed_mm_s", min = 20 }]')
    feeds = [Feed(0.9, At(speed_mm_s=v)) for v in (0.0, 10.0, 30.0, 40.0)]
    ((frame, decision),) = run(state, feeds)
    assert frame == 2
    assert "speed_mm_s = 30 in 20 ... inf" in decision.detail


def test_time_in_the_block_is_a_condition() -> None:
    state = engine(PLAIN + 'when = [{ quantity = "block_time_ms", min = 100, max = 200 }]')
    assert frames_of(run(state, [0.9, 0.0] * 10)) == [4, 6]


def test_b_soon_after_a() -> None:
    sequence = PLAIN + "after = [{ target = 0, within_ms = 100 }]"
    assert frames_of(run(engine(sequence), [Feed(A), Feed(C), Feed(C), Feed(B)])) == [3]
    assert frames_of(run(engine(sequence), [Feed(A), Feed(C), Feed(C), Feed(C), Feed(B)])) == []
    assert frames_of(run(engine(sequence), [Feed(C), Feed(B), Feed(A)])) == []
    assert frames_of(run(engine(sequence), [Feed(A), Feed(B)])) == [1]


def test_a_bout_that_followed_the_sequence_may_dwell_longer_than_its_window() -> None:
    sequence = PLAIN + "after = [{ target = 0, within_ms = 100 }]\ndwell_ms = 300"
    assert frames_of(run(engine(sequence), [Feed(A), *[Feed(B)] * 12])) == [11]


def test_a_chain_needs_its_steps_in_order() -> None:
    chain = PLAIN + "after = [{ target = 0, within_ms = 100 }, { target = 2, within_ms = 100 }]"
    right = [Feed(A), *[Feed(C)] * 10, Feed(B)]
    assert frames_of(run(engine(chain), right)) == [11]
    assert frames_of(run(engine(chain), [Feed(C), Feed(A), Feed(B)])) == []
    assert frames_of(run(engine(chain), [Feed(C), Feed(C), Feed(B)])) == []
    late = [Feed(A), *[Feed([0.3, 0.4, 0.3])] * 5, Feed(C), Feed(B)]
    assert frames_of(run(engine(chain), late)) == []


def test_absence_is_proved_by_evidence_only() -> None:
    alone = PLAIN + "absent = [{ target = 0, for_ms = 350 }]"
    quiet = [Feed(C)] * 11
    assert frames_of(run(engine(alone), [Feed(A), *quiet, Feed(B)])) == [12]
    assert frames_of(run(engine(alone), [Feed(A), *quiet[1:], Feed(B), Feed(B)])) == [12]
    assert frames_of(run(engine(alone), [*quiet[1:], Feed(A), Feed(B), *quiet, Feed(B)])) == [23]
    blind = [*[Feed(C)] * 6, *[Feed(None)] * 6, Feed(C), Feed(B)]
    assert frames_of(run(engine(alone), [Feed(A), *blind])) == []


def test_a_long_gap_in_the_evidence_undoes_what_was_proved_of_absence() -> None:
    alone = PLAIN + "absent = [{ target = 0, for_ms = 350 }]"
    gap = [Feed(None)] * 9
    assert frames_of(run(engine(alone), [*[Feed(C)] * 12, Feed(B)])) == [12]
    assert frames_of(run(engine(alone), [*[Feed(C)] * 12, *gap, Feed(B)])) == []


def test_reversed_contingency_rewards_everything_else() -> None:
    other = PLAIN.replace("enter = 0.8", 'enter = 0.8\ncontingency = "reversed"')
    decisions = run(engine(other), [Feed(B), Feed(A), Feed(B), Feed([0.4, 0.15, 0.45])])
    assert frames_of(decisions) == [1, 3]
    assert decisions[0][1].target_probability == pytest.approx(0.99)


def test_other_kinds_of_evidence_come_in_their_own_rows() -> None:
    rules = PLAIN + 'evidence = "smoothed"\nevidence_ms = 66\n'
    rules += RULE.replace('"reward"', '"early"').replace("enter", 'evidence = "predicted"\nevidence_ms = 33\nenter', 1)
    rules += RULE.replace('"reward"', '"again"') + 'evidence = "smoothed"\nevidence_ms = 66\n'
    state = engine(rules.replace("refractory_ms = 200", "refractory_ms = 0"))
    assert state.requests == (("smoothed", 66.0), ("predicted", 33.0))
    nothing = [float("nan")] * 3
    rows = [(nothing, nothing), (A, B), (A, A), (A, A), (B, A)]
    decisions = run(state, [Feed(B, further=further) for further in rows])
    assert [(f, d.rule, d.outcome) for f, d in decisions] == [
        (1, "early", "pulse"),
        (4, "reward", "pulse"),
        (4, "again", "refused"),
    ]


SITUATION = RULE.replace("target = 1\n", "").replace("enter = 0.8\nexit = 0.5\n", 'kind = "situation"\nWHEN\n')


def test_a_place_alone_can_be_what_a_rule_waits_for() -> None:
    rule = SITUATION.replace("WHEN", 'when = [{ place = "corner" }]\ndwell_ms = 60\nonce_per_bout = false')
    state = engine(HEAD + rule + '[[places]]\nname = "corner"\ncircle = { radius_mm = 10 }')
    inside, outside = Feed(None, At()), Feed(None, At(x_mm=50.0))
    decisions = run(state, [outside, *[inside] * 12, outside, *[inside] * 3])
    assert frames_of(decisions, "pulse") == [3, 10]
    assert decisions[0][1].target_probability != decisions[0][1].target_probability


def test_a_mouse_out_of_sight_is_in_no_place() -> None:
    rule = SITUATION.replace("WHEN", 'when = [{ place = "corner", inside = false }]')
    state = engine(HEAD + rule + '[[places]]\nname = "corner"\ncircle = { radius_mm = 10 }')
    assert frames_of(run(state, [Feed(0.9, None), Feed(0.9, At(x_mm=20.0))])) == [1]


OWN = """
[[rules]]
name = "own"
kind = "own"
file = "rule.py"
class = "Still"
settings = { below_mm_s = 10 }
refractory_ms = 0
catch_probability = 0.0
dwell_ms = 60
output = "laser"
"""
STILL = """
class Still:
    def init(self, context):
        return context.settings["below_mm_s"]

    def step(self, state, moment):
        return None if moment.pose is None else moment.pose.speed_mm_s < state
"""


def test_a_labs_own_rule_decides_on_bouts_and_the_engine_on_the_rest() -> None:
    state = engine(HEAD + OWN, Materials(sources={"rule.py": STILL}))
    feeds = [Feed(0.1, At(speed_mm_s=v)) for v in (50.0, 5.0, 5.0, 5.0, 5.0, 50.0)]
    assert frames_of(run(state, feeds)) == [3]


def test_an_own_rules_bout_does_not_outlast_its_answers() -> None:
    still, silent = Feed(0.1, At(speed_mm_s=5.0)), Feed(0.1, None)
    for silence, first in ((6, 9), (7, 11)):  # the last answer is 233 ms old then, or 267
        state = engine(HEAD + OWN + "once_per_bout = true", Materials(sources={"rule.py": STILL}))
        feeds = [still, still, *[silent] * silence, still, still, still]
        decisions = run(state, feeds)
        assert frames_of(decisions)[:1] == [first], silence


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("class Still", "does not run"),
        ("import sys\nsys.exit()", "does not run: SystemExit"),
        (STILL.replace("return context", "exit(0)\n        return context"), "init failed: SystemExit"),
        ("class Other: pass", "needs a class Still"),
        (STILL.replace('["below_mm_s"]', '["x"]'), "init failed: KeyError"),
    ],
)
def test_a_broken_own_rule_is_refused_before_the_session(source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        engine(HEAD + OWN, Materials(sources={"rule.py": source}))
    with pytest.raises(ConfigError, match="was not read"):
        engine(HEAD + OWN)


@pytest.mark.parametrize("answer", ["1", "state[0]", "exit()"])
def test_an_own_rule_that_fails_ends_the_session_and_says_where(answer: str) -> None:
    source = STILL.replace("moment.pose.speed_mm_s < state", answer)
    with pytest.raises(SessionFailed, match=r"rule.py: Still.step"):
        run(engine(HEAD + OWN, Materials(sources={"rule.py": source})), [Feed(0.1, At())])


ARMS = """
[[arms]]
name = "paired"
rules = ["reward"]
[[arms]]
name = "sham"
rules = ["nothing"]
"""
SHAM = RULE.replace('"reward"', '"nothing"').replace("catch_probability = 0.0", "catch_probability = 1.0")


def alike(rules: str) -> str:
    """Rules that are shown under one name."""
    return rules.replace("target = 1", 'alias = "stimulation"\ntarget = 1')


def test_a_subject_meets_the_rules_of_its_own_arm_under_a_common_name() -> None:
    text = HEAD + alike(RULE + SHAM) + ARMS + '[assignment]\nsubjects = { mouse = "paired", rat = "sham" }'
    for subject, outcome in (("mouse", "pulse"), ("rat", "catch")):
        state = engine(text, subject=subject)
        ((_, decision),) = run(state, [0.9])
        assert (decision.rule, decision.outcome) == ("stimulation", outcome)
        assert len(state.rules) == 1
    with pytest.raises(ConfigError, match="subject 'cat' is in no arm"):
        engine(text, subject="cat")


def test_a_sealed_arm_comes_with_the_materials() -> None:
    text = HEAD + alike(RULE + SHAM) + ARMS + '[assignment]\nsealed = "a.sealed"'
    ((_, decision),) = run(engine(text, Materials(arm="sham")), [0.9])
    assert decision.outcome == "catch"
    with pytest.raises(ConfigError, match="is in no arm"):
        engine(text)


def test_a_frame_that_repeats_its_stamp_gives_no_second_trial_on_the_channel() -> None:
    state = engine(PLAIN + "once_per_bout = false")
    outcomes = [
        [d.outcome for d in step(state, evidence(Feed(0.9)), None, START_NS, START_NS + i, True, False)]
        for i in range(3)
    ]
    assert outcomes == [["pulse"], ["refused"], []]
    later_ns = START_NS + 2 * FRAME_NS
    assert step(state, evidence(replace(Feed(0.9))), None, later_ns, later_ns, True, False)[0].outcome == "pulse"
