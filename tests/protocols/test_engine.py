"""The engine: bouts, dwell, refusals, blocks, priorities, and what a screen is told."""

import numpy as np
import pytest

from online.errors import ConfigError
from protocols.engine import status, step
from protocols.trial import Evidence
from protocols.why import Why, in_words
from tests.protocols.helpers import FRAME_NS, HEAD, RULE, START_NS, Feed, engine, evidence, frames_of, run


def test_a_bout_gives_one_pulse_at_its_first_frame_above_the_threshold() -> None:
    ((frame, decision),) = run(engine(HEAD + RULE), [0.1, 0.79, 0.81, 0.9, 0.6, 0.9, 0.1])
    assert (frame, decision.outcome, decision.trial_number, decision.threshold) == (2, "pulse", 1, 0.8)
    assert decision.target_probability == pytest.approx(0.81)
    assert (decision.train.channel, decision.train.width_us, decision.block) == (2, 10_000, "test")


def test_a_bout_that_lasts_gives_more_where_the_file_says_so() -> None:
    repeated = run(engine(HEAD + RULE + "once_per_bout = false"), [0.9] * 20)
    assert frames_of(repeated, "pulse") == [0, 7, 14]


def test_a_bout_ends_only_below_the_exit_threshold() -> None:
    short = (HEAD + RULE).replace("refractory_ms = 200", "refractory_ms = 0")
    assert frames_of(run(engine(short), [0.9, 0.0, 0.9, 0.5, 0.9, 0.49, 0.9])) == [0, 2, 6]


def test_dwell_counts_neighbouring_frames_with_evidence_only() -> None:
    slow = HEAD + RULE + "dwell_ms = 99"
    assert frames_of(run(engine(slow), [0.9] * 6)) == [3]
    assert frames_of(run(engine(slow), [0.9, 0.9, None, 0.9, 0.9, 0.9])) == [5]


def test_dwell_does_not_count_the_time_of_a_dropped_frame() -> None:
    state = engine(HEAD + RULE + "dwell_ms = 99")
    times_ns = [START_NS + slot * FRAME_NS for slot in (0, 1, 4, 5, 6)]
    given = [bool(step(state, evidence(Feed(0.9)), None, t, t + 1, True, False)) for t in times_ns]
    assert given == [False, False, False, False, True]


def test_a_long_gap_in_the_evidence_ends_the_bout() -> None:
    assert frames_of(run(engine(HEAD + RULE), [0.9, *[None] * 8, 0.9])) == [0, 9]
    assert frames_of(run(engine(HEAD + RULE), [0.9, *[None] * 6, 0.9])) == [0]


@pytest.mark.parametrize(
    ("feed", "reason"),
    [
        (Feed(0.9, armed=False), "disarmed"),
        (Feed(0.9, paused=True), "paused"),
        (Feed(0.9, latency_ns=50_000_001), "stale"),
    ],
)
def test_a_refusal_is_recorded_once_a_bout_and_the_bout_may_still_have_its_trial(feed: Feed, reason: str) -> None:
    decisions = run(engine(HEAD + RULE), [feed, feed, 0.1, feed, Feed(0.9, latency_ns=50_000_000)])
    assert [(f, d.outcome, d.reason, d.trial_number) for f, d in decisions] == [
        (0, "refused", reason, 1),
        (3, "refused", reason, 1),
        (4, "pulse", "", 1),
    ]


def test_refractory_time_and_rate_are_causes_of_refusal() -> None:
    flicker = [0.9, 0.0] * 20
    refractory = run(engine(HEAD + RULE), flicker)
    assert frames_of(refractory) == [0, 8, 16, 24, 32]
    assert {d.reason for _, d in refractory if d.outcome == "refused"} == {"refractory"}
    capped = run(engine((HEAD + RULE).replace("= 200", "= 0") + "max_per_minute = 3"), flicker)
    assert frames_of(capped) == [0, 2, 4]
    assert {d.reason for _, d in capped if d.outcome == "refused"} == {"max_per_minute"}


def test_the_session_ends_with_its_blocks() -> None:
    state = engine((HEAD + RULE).replace("100_000\n", "100\n", 1))
    run(state, [0.1] * 3)
    assert not state.finished
    assert not run(state, [0.1, 0.1, 0.1, 0.1, 0.9])
    assert state.finished
    assert status(state).block == ""


def test_rules_live_only_in_their_blocks() -> None:
    blocks = "".join(
        f'[[blocks]]\nname = "{name}"\nduration_ms = 1000\nrules = {rules}\n'
        for name, rules in (("before", "[]"), ("during", '["reward"]'), ("after", "[]"))
    )
    state = engine(HEAD.replace("duration_ms = 100_000", "") + RULE + blocks)
    decisions = run(state, [0.9, 0.0] * 50)
    assert {d.block for _, d in decisions} == {"during"}
    assert frames_of(decisions)[0] == 32
    assert max(f for f, _ in decisions) < 61


def test_of_two_rules_for_one_channel_the_higher_priority_wins() -> None:
    second = RULE.replace('"reward"', '"second"')
    ((_, first), (_, other)) = run(engine(HEAD + RULE + second), [0.9])
    assert (first.rule, first.outcome, other.rule, other.reason) == ("reward", "pulse", "second", "busy")
    ((_, first), (_, other)) = run(engine(HEAD + RULE + second + "priority = 1"), [0.9])
    assert (first.rule, first.outcome, other.rule, other.reason) == ("second", "pulse", "reward", "busy")


def test_a_catch_keeps_the_line_low_and_consumes_what_a_pulse_does() -> None:
    sham = (HEAD + RULE).replace("catch_probability = 0.0", "catch_probability = 1.0")
    capped = sham.replace("max_pulses = 100_000", "max_pulses = 2")
    decisions = run(engine(capped), [0.9, 0.0] * 20)
    assert [d.outcome for _, d in decisions if d.outcome != "refused"] == ["catch", "catch"]
    assert decisions[-1][1].reason == "limit max_pulses"


def test_the_duty_window_is_wider_by_the_deadline_and_a_boards_bin() -> None:
    text = (HEAD + RULE + "once_per_bout = false").replace("width_ms = 10", "width_ms = 200").replace("= 1.0", "= 0.2")
    assert frames_of(run(engine(text), [0.9] * 80)) == [0, 39, 78]  # 200 + 50 + 33 bins of 31.3 ms: 1282.9 ms


def test_draws_differ_between_subjects_and_repeat_for_the_same_session() -> None:
    half = (HEAD + RULE).replace("catch_probability = 0.0", "catch_probability = 0.5").replace("= 200", "= 0")

    def outcomes(subject: str) -> list[str]:
        return [d.outcome for _, d in run(engine(half, subject=subject), [0.9, 0.0] * 100)]

    assert outcomes("one") == outcomes("one")
    assert outcomes("one") != outcomes("two")


def test_a_broken_stamp_does_not_end_the_session() -> None:
    state = engine(HEAD + RULE)
    run(state, [0.1])
    assert not step(state, evidence(Feed(0.9)), None, START_NS + 10**12, START_NS + FRAME_NS, True, False)
    assert not state.finished
    later_ns = START_NS + 2 * FRAME_NS
    assert step(state, evidence(Feed(0.9)), None, later_ns, later_ns, True, False)


def test_every_frame_near_the_threshold_has_its_cause() -> None:
    state = engine((HEAD + RULE).replace("target = 1", 'target = "run"') + "dwell_ms = 60")
    causes = []
    for p in (0.1, 0.7, 0.9, 0.9, 0.9, 0.9):
        run(state, [p])
        causes.append([miss.cause for miss in state.near])
    assert causes == [[], ["below enter"], ["dwell"], ["dwell"], ["dwell"], ["dwell"]]  # time stands still between runs
    state = engine(HEAD + RULE)
    run(state, [0.9])
    assert not state.near
    run(state, [0.9])
    ((*miss, value, needed),) = state.near
    assert miss == ["reward", 0.9, 0.8, "once per bout", 0]
    assert value != value
    assert needed != needed


PLAIN = (HEAD + RULE).replace("= 200", "= 0")
WHY = {
    "below enter": (PLAIN, [0.7], (0, 0.7, 0.8)),
    "dwell": (PLAIN + "dwell_ms = 60", [0.9, 0.9], (0, 33.333333, 60.0)),
    "after": (
        PLAIN + "after = [{ target = 0, threshold = 0.4, within_ms = 40 }]",
        [0.1, 0.3, 0.9],
        (0, 66.666666, 40.0),
    ),
    "when": (PLAIN + 'when = [{ quantity = "block_time_ms", min = 50 }]', [0.9, 0.9], (0, 33.333333, 50.0)),
    "absent": (
        PLAIN + "absent = [{ target = 0, threshold = 0.4, for_ms = 70 }]",
        [0.1, 0.3, 0.9],
        (0, 33.333333, 70.0),
    ),
    "no evidence": (PLAIN + "dwell_ms = 60", [0.9, None], (0, None, None)),
    "refractory": (HEAD + RULE, [0.9, 0.1, 0.9], (0, 66.666666, 200.0)),
    "max_per_minute": (PLAIN + "max_per_minute = 1", [0.9, 0.1, 0.9], (0, 1.0, 1.0)),
    "busy": (PLAIN + "once_per_bout = false", [0.9, 0.9], (0, 26.666667, 0.0)),
    "limit min_interval_ms": (
        PLAIN.replace("min_interval_ms = 0", "min_interval_ms = 50"),
        [0.9, 0.1, 0.9],
        (0, 6.666666, 50.0),
    ),
    "limit max_pulses": (PLAIN.replace("max_pulses = 100_000", "max_pulses = 1"), [0.9, 0.1, 0.1, 0.9], (0, 1.0, 1.0)),
    "limit max_duty": (PLAIN.replace("max_duty = 1.0", "max_duty = 0.015"), [0.9, 0.1, 0.9], (0, 0.02, 0.015)),
    "stale": (PLAIN, [Feed(0.9, latency_ns=61_500_000)], (0, 61.5, 50.0)),
    "disarmed": (PLAIN, [Feed(0.9, armed=False)], (0, None, None)),
    "paused": (PLAIN, [Feed(0.9, paused=True)], (0, None, None)),
}


@pytest.mark.parametrize("cause", WHY)
def test_each_cause_comes_with_the_values_that_decided(cause: str) -> None:
    text, feeds, (part, value, needed) = WHY[cause]
    state = engine(text)
    run(state, feeds)
    (miss,) = state.near
    assert (miss.cause, miss.part) == (cause, part)
    assert miss.value == pytest.approx(float("nan") if value is None else value, nan_ok=True)
    assert miss.needed == pytest.approx(float("nan") if needed is None else needed, nan_ok=True)
    words = in_words(Why(*miss[3:]), state.rules[0].rule)
    assert "nan" not in words
    assert "{" not in words


def test_an_array_that_is_filled_anew_and_one_that_is_new_are_read_alike() -> None:
    kinds = {"one": np.float64, "foreign": np.dtype(">f8")}
    told = {name: engine(HEAD + RULE.replace("= 200", "= 0")) for name in (*kinds, "many")}
    arrays = {name: np.zeros(3, kind) for name, kind in kinds.items()}
    for i, p in enumerate((0.1, 0.9, 0.1, 0.7, 0.95, 0.1)):
        time_ns, decisions = START_NS + i * FRAME_NS, []
        for name, state in told.items():
            array = arrays.get(name, np.zeros(3))
            array[:] = (1 - p) / 2, p, (1 - p) / 2
            decisions.append([*step(state, Evidence(array), None, time_ns, time_ns, True, False), *state.near])
        assert decisions[0] == decisions[1] == decisions[2]
        assert len(decisions[0]) == (p > 0.5)


def test_the_screen_is_told_each_rules_state() -> None:
    state = engine(HEAD + RULE + "dwell_ms = 30")
    seen = []
    for i, p in enumerate((0.1, 0.9, 0.9, 0.1, *[0.1] * 6)):
        time_ns = START_NS + i * FRAME_NS
        step(state, evidence(Feed(p)), None, time_ns, time_ns, True, False)
        seen.append(status(state).rules[0].state)
    assert seen == ["waiting", "dwell", *["refractory"] * 7, "waiting"]
    (rule,) = status(state).rules
    assert (rule.name, rule.target, rule.threshold, rule.pulses, rule.catches) == ("reward", (1,), 0.8, 1, 0)


def test_a_model_that_does_not_fit_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match="the model has syllables 0"):
        engine((HEAD + RULE).replace("target = 1", "target = 5"))
