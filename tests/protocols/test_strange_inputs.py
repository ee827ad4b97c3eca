"""Inputs and files that are odd in one respect: what they must not bring about."""

from itertools import pairwise

import numpy as np
import pytest

from offline.calibration.counting import fire
from online.errors import ConfigError
from protocols.draws import session_key
from protocols.materials import Materials
from protocols.parse import parse_protocol
from protocols.rule_schema import PoissonRule
from protocols.schedule import Spacing, Span, due_times_us
from tests.protocols.helpers import HEAD, RULE, At, Feed, engine, frames_of, run

PLAIN = (HEAD + RULE).replace("refractory_ms = 200", "refractory_ms = 0")
UNKNOWN = [float("nan")] * 3
IN = [0.05, 0.9, 0.05]
C_ONLY = [0.05, 0.05, 0.9]


def test_a_long_gap_ends_a_bout_though_its_kind_of_evidence_comes_back_later_than_the_filtered_posterior() -> None:
    smoothed = PLAIN + 'evidence = "smoothed"\nevidence_ms = 66\n'
    known, not_yet = Feed(IN, further=(IN,)), Feed(IN, further=(UNKNOWN,))
    assert frames_of(run(engine(smoothed), [known, known, *[None] * 9, not_yet, not_yet, known])) == [0, 13]


def test_the_calibration_kernel_ends_it_too() -> None:
    times_ns = np.array([0, 1, 100, 101, 102], np.int64)
    p = np.array([0.9, 0.9, np.nan, 0.9, 0.9])
    trace = (times_ns, np.zeros(5, np.int64), np.array([False, False, True, False, False]))
    fired = np.empty(5, np.int64)
    count = fire(p, trace, (0.8, 0.8, np.int64(0), np.int64(0)), fired)
    assert fired[:count].tolist() == [0, 3]


def test_a_long_gap_ends_a_bout_of_an_own_rule() -> None:
    source = "class Always:\n def init(self, c): return None\n def step(self, s, m): return True if m.rows else None\n"
    text = HEAD + RULE.replace(
        "target = 1\nenter = 0.8\nexit = 0.5\n", 'kind = "own"\nfile = "a.py"\nclass = "Always"\n'
    )
    state = engine(text, Materials(sources={"a.py": source}))
    assert frames_of(run(state, [0.5, 0.5, *[None] * 9, 0.5])) == [0, 11]


def test_a_posterior_that_is_no_number_proves_no_absence() -> None:
    alone = PLAIN + "absent = [{ target = 0, for_ms = 300 }]"
    assert frames_of(run(engine(alone), [*[C_ONLY] * 12, IN])) == [12]
    assert not frames_of(run(engine(alone), [*[Feed(UNKNOWN)] * 12, IN]))


def test_a_position_that_is_no_number_is_not_outside_a_place() -> None:
    text = PLAIN + 'when = [{ place = "p", inside = false }]\n[[places]]\nname = "p"\ncircle = { radius_mm = 10 }\n'
    assert frames_of(run(engine(text), [Feed(IN, At(x_mm=20.0))])) == [0]
    assert not frames_of(run(engine(text), [Feed(IN, At(x_mm=float("nan")))]))


def test_drawn_times_stay_within_their_block_though_rounded_to_the_grid() -> None:
    rule = PoissonRule(kind="poisson", name="p", output="laser", rate_per_minute=6000)
    span = Span(0, 30, 30_010)
    for seed in (244, 329, 788, 1215):
        times = due_times_us(rule, [span], Spacing(0, 100), session_key(seed, "mouse", "session"), {})
        assert all(span.begin_us <= time < span.end_us for time in times)
        assert all(before < after for before, after in pairwise(times))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 7", f"seed = {'9' * 5000}", "not a TOML file"),
        ("seed = 7", f"seed = {'[' * 3000}{']' * 3000}", "not a TOML file"),
        ("target = 1\n", "target = 1.5\n", "must be a syllable's name in quotes, its number, or a list of these"),
        ("[limits]", '[[places]]\nname = "p"\npolygon = [[0, 0, 0], [1, 1], [2, 0]]\n[limits]', "at most 2 allowed"),
    ],
)
def test_files_that_the_reader_chokes_on_are_refused_in_words(old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_protocol((HEAD + RULE).replace(old, new), "file.toml")


def test_one_mistake_gives_one_message() -> None:
    arms = '[[arms]]\nname = "a"\nrules = ["reward"]\n[assignment]\nsubjects = { m1 = 3 }\n'
    for text in (HEAD + RULE.replace("target = 1\n", "target = [-1]\n"), HEAD + RULE + arms):
        with pytest.raises(ConfigError, match="a problem") as caught:
            parse_protocol(text, "file.toml")
        assert len(str(caught.value).splitlines()) == 2


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse_protocol("\ufeff" + HEAD + RULE, "file.toml").session.seed == 7


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('kind = "periodic"\nperiod_ms = 100_000', "key 'period_ms' = 100000: no trial ever"),
        ('kind = "periodic"\nperiod_ms = 500\nstart_ms = 200_000', "key 'start_ms' = 200000: no trial ever"),
        ('kind = "random"\ncount = 50', "50 trials are 50 pulses, more than \\[limits\\], key 'max_pulses' = 40"),
        ('kind = "yoked"\nsource = "s"', "50 trials are 50 pulses, more than"),
    ],
)
def test_schedules_that_the_session_cannot_hold_are_refused(rule: str, message: str) -> None:
    text = HEAD.replace("max_pulses = 100_000", "max_pulses = 40")
    materials = Materials(pulse_times_ms={"s": tuple(1000.0 + 500 * i for i in range(50))})
    with pytest.raises(ConfigError, match=message):
        engine(text + f'[[rules]]\nname = "r"\noutput = "laser"\n{rule}\n', materials)
