"""Open-loop controls: on time, in the number and with the intervals that were asked for."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from online.errors import ConfigError
from protocols.draws import exponential, session_key
from protocols.engine import EngineState, step
from protocols.materials import Materials
from protocols.trial import Decision
from tests.protocols.helpers import HEAD, START_NS, engine

MINUTES = HEAD.replace("100_000\n", "1_800_000\n", 1)
RULE = """
[[rules]]
name = "open loop"
output = "laser"
"""


def drive(state: EngineState, seconds: float, lost: Sequence[int] = ()) -> list[tuple[float, Decision]]:
    """Frames at 30 Hz with jitter in capture and latency, some lost; decisions with the session time, in ms, at which
    their train would rise."""
    rng = np.random.default_rng(3)
    out = []
    for i in range(int(seconds * 30)):
        capture_ns = START_NS + round(i * 1e9 / 30 + (rng.uniform(0, 2e6) if i else 0))
        decision_ns = capture_ns + round(rng.uniform(8e6, 45e6))
        if i not in lost:
            decisions = step(state, None, None, capture_ns, decision_ns, True, False)
            out += [((decision_ns - START_NS) / 1e6 + d.train.delay_us / 1000, d) for d in decisions]
    return out


def rises(decisions: list[tuple[float, Decision]]) -> list[float]:
    return [time_ms for time_ms, decision in decisions if decision.outcome != "refused"]


def test_periodic_trials_come_on_their_time_and_not_on_a_frames() -> None:
    times = rises(drive(engine(MINUTES + RULE + 'kind = "periodic"\nperiod_ms = 333.3'), 20))
    assert np.abs(np.array(times) - 333.3 * np.arange(1, 61)).max() < 0.06


def test_yoked_trials_are_within_a_millisecond_of_their_source_even_when_frames_are_lost() -> None:
    source = tuple(np.cumsum(np.random.default_rng(0).uniform(200, 900, 60)).tolist())
    materials = Materials(pulse_times_ms={"../other": source})
    state = engine(MINUTES + RULE + 'kind = "yoked"\nsource = "../other"', materials)
    times = rises(drive(state, 50, lost=range(40, 1500, 3)))
    assert np.abs(np.array(times) - source).max() < 1.0


def test_a_scheduled_trial_whose_frames_are_all_lost_is_missed_and_recorded() -> None:
    state = engine(MINUTES + RULE + 'kind = "times"\ntimes_ms = [500, 1000, 2000]')
    decisions = drive(state, 3, lost=range(25, 31))
    assert [(d.outcome, d.reason, d.trial_number) for _, d in decisions] == [
        ("pulse", "", 1),
        ("refused", "missed", 2),
        ("pulse", "", 2),
    ]


def test_scheduled_trials_obey_arming_and_are_recorded_once() -> None:
    state = engine(MINUTES + RULE + 'kind = "times"\ntimes_ms = [500, 1000]')
    out = []
    for i in range(60):
        time_ns = START_NS + round(i * 1e9 / 30)
        out += step(state, None, None, time_ns, time_ns + 10_000_000, i > 20, False)
    assert [(d.outcome, d.reason) for d in out] == [("refused", "disarmed"), ("pulse", "")]


def test_a_command_latency_is_sent_ahead() -> None:
    text = MINUTES + RULE + 'kind = "times"\ntimes_ms = [500]\n[timing]\ncommand_ms = 0.8\n'
    assert rises(drive(engine(text), 2))[0] == pytest.approx(499.2, abs=0.03)


def test_poisson_trials_have_exponential_intervals_and_the_rate_asked_for() -> None:
    rule = 'kind = "poisson"\nrate_per_minute = 60\nrefractory_ms = 300'
    times = rises(drive(engine(MINUTES + RULE + rule), 1800))
    intervals = np.diff(times) - 300
    assert intervals.min() > -0.1
    assert stats.kstest(intervals, stats.expon(scale=700).cdf).pvalue > 0.01
    assert len(times) == pytest.approx(1800, abs=4 * 42 * 0.7)


def test_random_trials_have_exactly_the_number_asked_for_and_exponential_intervals() -> None:
    matched = Materials(pulse_times_ms={"s": tuple(float(i) for i in range(700))})
    for rule in ("count = 700", 'match = "s"'):
        state = engine(MINUTES + RULE + 'kind = "random"\nrefractory_ms = 200\n' + rule, matched)
        times = rises(drive(state, 1800))
        assert len(times) == 700
        intervals = np.diff(times) - 200
        assert intervals.min() > -0.1
        assert stats.kstest(intervals, stats.expon(scale=intervals.mean()).cdf).pvalue > 0.01


def test_random_trials_fall_into_their_blocks_only() -> None:
    blocks = "".join(
        f'[[blocks]]\nname = "{n}"\nduration_ms = 20_000\nrules = {r}\n'
        for n, r in (("a", "[]"), ("b", '["open loop"]'), ("c", "[]"), ("d", '["open loop"]'))
    )
    text = HEAD.replace("duration_ms = 100_000", "") + RULE + 'kind = "random"\ncount = 60\n' + blocks
    decisions = drive(engine(text), 81)
    times = np.array(rises(decisions))
    assert len(times) == 60
    assert (((times > 20_000) & (times < 40_000)) | (times > 60_000)).all()
    assert {d.block for _, d in decisions} == {"b", "d"}


def test_a_later_block_may_begin_with_its_first_trial() -> None:
    blocks = '[[blocks]]\nname = "a"\nduration_ms = 1000\n'
    blocks += '[[blocks]]\nname = "b"\nduration_ms = 1400\nrules = "open loop"\n'
    text = (
        HEAD.replace("duration_ms = 100_000", "") + RULE + 'kind = "periodic"\nperiod_ms = 500\nstart_ms = 0\n' + blocks
    )
    assert rises(drive(engine(text), 3)) == pytest.approx([1000, 1500, 2000], abs=0.1)


@pytest.mark.parametrize(("last_s", "at_the_end"), [(1.5, 2), (1.9, 1), (1.95, 0)])
def test_what_the_end_of_the_session_overtook_is_recorded_as_missed(last_s: float, at_the_end: int) -> None:
    text = HEAD.replace("100_000", "2000") + RULE + 'kind = "times"\ntimes_ms = [500, 1700, 1990]\n'
    state = engine(text)
    out = []
    for time_s in [i / 30 for i in range(100) if i / 30 <= last_s] + [2.5, 2.6]:
        time_ns, late_ns = START_NS + round(time_s * 1e9), 70_000_000 if time_s > 1.4 else 10_000_000
        decisions = step(state, None, None, time_ns, time_ns + late_ns, True, False)
        out.append([(d.outcome, d.reason, d.detail) for d in decisions])
    told = [decision for decisions in out for decision in decisions]
    assert [decision[:2] for decision in told] == [("pulse", ""), ("refused", "missed"), ("refused", "missed")]
    assert [decision[2] for decision in told[1:]] == [f"due at {ms}.000 ms of the session" for ms in (1700, 1990)]
    assert [len(decisions) for decisions in out[-2:]] == [at_the_end, 0]


def test_drawn_times_are_the_same_for_the_same_session_and_differ_otherwise() -> None:
    def times(subject: str) -> list[float]:
        return rises(drive(engine(MINUTES + RULE + 'kind = "random"\ncount = 30', subject=subject), 100))

    assert times("one") == times("one")
    assert times("one") != times("two")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('kind = "periodic"\nperiod_ms = 100', "key 'period_ms' = 100: trials of this rule need 126.7"),
        (
            'kind = "periodic"\nperiod_ms = 500\nstart_ms = 0',
            "key 'start_ms' = 0: in the session's first block, the first",
        ),
        ('kind = "poisson"\nrate_per_minute = 600', "key 'rate_per_minute' = 600: must be below 473"),
        ('kind = "random"\ncount = 20_000', "20000 trials do not fit into its blocks, at most 14"),
        ('kind = "times"\ntimes_ms = [10, 500]', "10 ms: the first that can be sent on time is 116.667"),
        ('kind = "times"\ntimes_ms = [500, 600]', "500 and 600 ms are too close"),
        ('kind = "times"\ntimes_ms = [500, 1_900_000]', "1900000 ms: outside the blocks in which it is live; 1 of 2"),
        ('kind = "yoked"\nsource = "s"', "key 'source' = 's': 1 and 50 ms are too close"),
        ('kind = "yoked"\nsource = "empty"', "key 'source' = 'empty': holds no pulse"),
        ('kind = "yoked"\nsource = "none"', "the pulse times of 'none' were not read"),
    ],
)
def test_schedules_that_cannot_be_kept_are_refused(rule: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        engine(MINUTES + RULE + rule, Materials(pulse_times_ms={"s": (1.0, 50.0), "empty": ()}))
    assert message in str(caught.value)


def test_exponential_draws_are_exponential() -> None:
    key = session_key(1, "", "")
    draws = [exponential(key, "test", i) for i in range(4000)]
    assert stats.kstest(draws, stats.expon().cdf).pvalue > 0.01
    assert all(a != b for a, b in pairwise(draws))
