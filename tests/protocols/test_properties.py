"""What the engine never does, whatever posterior stream and whatever time stamps it is fed."""

from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from protocols.engine import init, step
from protocols.parse import parse_protocol
from protocols.schema import Protocol
from protocols.trial import Decision, Evidence
from rig.session_checks import board_limits
from rig.ttl.limits import new_keeper
from rig.ttl.protocol import PulseTrain
from rig.ttl.wire import Reason

K = 4
MS = 1_000_000
DEADLINE_MS = 50


@dataclass(frozen=True)
class Fed:
    """A frame as the engine is fed it; `posterior` None without evidence."""

    posterior: tuple[float, ...] | None
    capture_ns: int
    decision_ns: int
    armed: bool = True


@dataclass(frozen=True)
class Given:
    """A trial, and when its train would rise on the line."""

    rule: str
    capture_ns: int
    decision_ns: int
    line_ns: int
    decision: Decision


@st.composite
def protocols(draw: st.DrawFn, clocks: int = 0) -> Protocol:
    """Rules on syllables, and up to `clocks` rules whose times are fixed."""
    rules = "".join(
        f"""
[[rules]]
name = "rule {i}"
target = {draw(st.lists(st.integers(0, K - 1), min_size=1, max_size=K - 1, unique=True))}
enter = {draw(st.sampled_from([0.3, 0.6, 0.9]))}
exit = 0.3
dwell_ms = {draw(st.sampled_from([0, 40]))}
refractory_ms = {draw(st.sampled_from([0, 30, 70, 500]))}
once_per_bout = {draw(st.sampled_from(["true", "false", "false"]))}
catch_probability = {draw(st.sampled_from([0.0, 0.25, 0.4, 1.0]))}
catch_block = {draw(st.integers(1, 9))}
priority = {draw(st.integers(0, 2))}
delay_ms = {draw(st.sampled_from([0, 5, 120]))}
output = "{draw(st.sampled_from("ab"))}"
"""
        for i in range(draw(st.integers(1, 3)))
    )
    rules += "".join(
        f"""
[[rules]]
name = "clock {i}"
kind = "{kind}"
{draw(st.sampled_from(["start_ms = 200", "refractory_ms = 150"])) if kind == "periodic" else "refractory_ms = 40"}
{"period_ms = 800" if kind == "periodic" else "count = 2"}
catch_probability = {draw(st.sampled_from([0.0, 0.3]))}
priority = {draw(st.integers(0, 2))}
output = "{draw(st.sampled_from("ab"))}"
"""
        for i, kind in enumerate(draw(st.lists(st.sampled_from(["periodic", "random"]), max_size=clocks)))
    )
    width, rest = draw(st.sampled_from([1, 10, 60])), draw(st.sampled_from([10, 30, 200]))
    text = f"""
[session]
name = "property"
seed = {draw(st.integers(0, 99))}
duration_ms = 60_000
{rules}
[[outputs]]
name = "a"
channel = 0
width_ms = {width}
period_ms = {width + rest}
count = {draw(st.integers(1, 3))}
[[outputs]]
name = "b"
channel = {draw(st.integers(0, 1))}
width_ms = {width}
[limits]
max_width_ms = 60
max_duty = {draw(st.sampled_from([0.2, 0.3, 0.5]))}
window_ms = {draw(st.sampled_from([1000, 5000]))}
min_interval_ms = {draw(st.sampled_from([1, 10, rest]))}
max_pulses = {draw(st.sampled_from([6, 1000, 1000]))}
[timing]
deadline_ms = {DEADLINE_MS}
"""
    return parse_protocol(text, "property")


STEPS_MS = (33, 33, 33, 33, 33, 33, 33, 33, 5, 0, -70, 900, 200, 3000)
AGES_MS = (5, 10, 15, 20, 30, 40, 49, 50, 55, 0, -10)


@st.composite
def streams(draw: st.DrawFn) -> list[Fed]:
    """Host time runs forward; capture stamps repeat, run backward, jump or lie ahead as often as `hazard` says."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    hazard, stay = draw(st.sampled_from([0.0, 0.1, 0.5])), draw(st.sampled_from([0.3, 0.8, 0.97]))
    frames, host_ns, capture_ns, target = [], 10**12, 10**12, 0
    for _ in range(draw(st.integers(1, 250))):
        odd = rng.random() < hazard
        capture_ns += int(rng.choice(STEPS_MS) if odd else 33) * MS
        host_ns = max(host_ns + 1, capture_ns + int(rng.choice(AGES_MS)) * MS)
        target = target if rng.random() < stay else int(rng.integers(K))
        posterior = np.full(K, np.nan) if odd and rng.random() < 0.1 else rng.dirichlet(np.eye(K)[target] * 20 + 0.1)
        blind = odd and rng.random() < 0.2
        armed = not odd or rng.random() < 0.9
        frames.append(Fed(None if blind else tuple(posterior.tolist()), capture_ns, host_ns, armed))
    return frames


def run(protocol: Protocol, frames: list[Fed]) -> list[tuple[Fed, Decision]]:
    state = init(protocol, K, {}, 30.0, "mouse", "session")
    out = []
    for fed in frames:
        evidence = None if fed.posterior is None else Evidence(np.array(fed.posterior))
        decisions = step(state, evidence, None, fed.capture_ns, fed.decision_ns, fed.armed, False)
        out += [(fed, decision) for decision in decisions]
    return out


def given_trials(out: list[tuple[Fed, Decision]]) -> list[Given]:
    return [
        Given(
            decision.rule,
            fed.capture_ns,
            fed.decision_ns,
            fed.decision_ns + decision.train.delay_us * 1000,
            decision,
        )
        for fed, decision in out
        if decision.outcome != "refused"
    ]


@given(protocols(clocks=2), streams())
def test_refractory_time_holds_between_trials_of_a_rule(protocol: Protocol, frames: list[Fed]) -> None:
    trials = given_trials(run(protocol, frames))
    for rule in protocol.rules:
        times = [trial.capture_ns for trial in trials if trial.rule == rule.name]
        assert all(after - before >= rule.refractory_ms * MS for before, after in pairwise(times))


@given(protocols(), streams())
def test_no_trial_comes_of_a_frame_disarmed_stale_blind_or_out_of_order(protocol: Protocol, frames: list[Fed]) -> None:
    newest_ns = 0
    given_at = {id(fed) for fed, decision in run(protocol, frames) if decision.outcome != "refused"}
    for fed in frames:
        fit = fed.armed and fed.posterior is not None and 0 <= fed.decision_ns - fed.capture_ns <= DEADLINE_MS * MS
        if id(fed) in given_at:
            assert fit
            assert fed.capture_ns >= newest_ns
        newest_ns = max(newest_ns, fed.capture_ns if fed.capture_ns <= fed.decision_ns else 0)


def high_times(trials: list[Given], channel: int) -> list[tuple[int, int]]:
    """Rise and fall of every pulse on a channel, catches taken for pulses."""
    edges = []
    for trial in trials:
        train = trial.decision.train
        if train.channel == channel:
            for i in range(train.count):
                rise_ns = trial.line_ns + i * train.period_us * 1000
                edges.append((rise_ns, rise_ns + train.width_us * 1000))
    return sorted(edges)


def high_ns(edges: list[tuple[int, int]], begin_ns: int, end_ns: int) -> int:
    return sum(max(min(fall, end_ns) - max(rise, begin_ns), 0) for rise, fall in edges)


@given(protocols(clocks=2), streams())
def test_limits_hold_on_the_line_itself_and_one_train_at_a_time(protocol: Protocol, frames: list[Fed]) -> None:
    trials, limits = given_trials(run(protocol, frames)), protocol.limits
    assert sum(trial.decision.train.count for trial in trials) <= limits.max_pulses
    window_ns = round(limits.window_ms * MS)
    for channel in (0, 1):
        edges = high_times(trials, channel)
        assert all(fall - rise <= limits.max_width_ms * MS for rise, fall in edges)
        assert all(rise - fall >= limits.min_interval_ms * MS for (_, fall), (rise, _) in pairwise(edges))
        own = [trial for trial in trials if trial.decision.train.channel == channel]
        for before, after in pairwise(own):
            assert after.decision_ns >= before.line_ns + before.decision.train.duration_us * 1000
        for _, fall in edges:
            assert high_ns(edges, fall - window_ns, fall) <= limits.max_duty * window_ns


@given(protocols(clocks=2), streams())
def test_a_board_that_keeps_the_same_limits_need_not_refuse(protocol: Protocol, frames: list[Fed]) -> None:
    start_us = frames[0].decision_ns // 1000
    keeper = new_keeper(board_limits(protocol), start_us - 10**8, 0)
    ends: list[tuple[int, int, int]] = []
    for trial in given_trials(run(protocol, frames)):
        now_us = trial.decision_ns // 1000
        for channel, rise_us, end_us in sorted((e for e in ends if e[2] <= now_us), key=lambda e: e[2]):
            keeper.pulse_ended(channel, rise_us, end_us)
        ends = [e for e in ends if e[2] > now_us]
        train = PulseTrain(**asdict(trial.decision.train))
        assert keeper.refusal(train, now_us) is Reason.NONE
        assert all(channel != train.channel for channel, _, _ in ends)
        keeper.pulses += train.count
        for i in range(train.count):
            rise_us = trial.line_ns // 1000 + i * train.period_us
            ends.append((train.channel, rise_us, rise_us + train.width_us))


@given(protocols(clocks=2), streams())
def test_catches_are_balanced_at_every_prefix_and_trials_numbered_without_a_gap(
    protocol: Protocol, frames: list[Fed]
) -> None:
    trials = given_trials(run(protocol, frames))
    for rule in protocol.rules:
        own = [trial.decision for trial in trials if trial.rule == rule.name]
        assert [decision.trial_number for decision in own] == list(range(1, len(own) + 1))
        catches = np.cumsum([decision.outcome == "catch" for decision in own])
        expected = rule.catch_probability * np.arange(1, len(own) + 1)
        assert (np.abs(catches - expected) <= rule.catch_block).all()


@given(protocols(), streams())
def test_the_same_inputs_give_the_same_decisions(protocol: Protocol, frames: list[Fed]) -> None:
    assert run(protocol, frames) == run(protocol, frames)


@given(protocols(), streams(), st.permutations(range(K)))
def test_relabelling_the_syllables_changes_nothing(protocol: Protocol, frames: list[Fed], new: list[int]) -> None:
    rules = tuple(rule.model_copy(update={"target": tuple(new[k] for k in rule.target)}) for rule in protocol.rules)
    relabelled = protocol.model_copy(update={"rules": rules})
    old = [new.index(k) for k in range(K)]
    moved = [
        Fed(fed.posterior and tuple(fed.posterior[k] for k in old), fed.capture_ns, fed.decision_ns, fed.armed)
        for fed in frames
    ]
    assert [d for _, d in run(protocol, frames)] == [d for _, d in run(relabelled, moved)]


@given(protocols(), streams(), st.data())
def test_a_decision_time_within_the_deadline_changes_no_decision(
    protocol: Protocol, frames: list[Fed], data: st.DataObject
) -> None:
    fit = [fed for fed in frames if 0 <= fed.decision_ns - fed.capture_ns <= DEADLINE_MS * MS]
    moved = [
        Fed(fed.posterior, fed.capture_ns, fed.capture_ns + data.draw(st.integers(0, DEADLINE_MS * MS)), fed.armed)
        for fed in fit
    ]
    assert [d for _, d in run(protocol, fit)] == [d for _, d in run(protocol, moved)]
