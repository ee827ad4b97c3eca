"""A protocol file is understood whole or refused with every problem named."""

import re
from pathlib import Path

import pytest

import protocols
from online.errors import ConfigError
from protocols.check import check_protocol
from protocols.conditions import POSE_QUANTITIES
from protocols.parse import parse_protocol
from protocols.rule_schema import RULE_KINDS
from protocols.schema import Limits, Timing

LIBRARY = sorted((Path(protocols.__file__).parent / "library").glob("*.toml"))

GOOD = """
[session]
name = "short"
seed = 1
duration_ms = 60_000

[[rules]]
name = "reward"
target = ["rear", 3]
enter = 0.8
exit = 0.6
refractory_ms = 500
output = "laser"

[[outputs]]
name = "laser"
channel = 0
width_ms = 20
period_ms = 50
count = 5

[limits]
max_width_ms = 250
max_duty = 0.5
window_ms = 5000
min_interval_ms = 10
max_pulses = 500
"""


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_protocol(text, "file.toml")
    return str(caught.value)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_every_example_is_valid(path: Path) -> None:
    assert parse_protocol(path.read_text(), path.name).outputs


def test_times_and_targets_are_read() -> None:
    protocol = parse_protocol(GOOD, "file.toml")
    assert protocol.rules[0].target == ("rear", 3)
    assert protocol.rules[0].catch_probability == 0.25
    assert protocol.timing.deadline_ms == 50
    assert [block.rules for block in protocol.all_blocks()] == [("reward",)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "refractory_ms = 500",
            "refractory = 500",
            "key 'refractory' = 500: unknown key; did you mean 'refractory_ms'",
        ),
        ("enter = 0.8", "enter = 80", "key 'enter' = 80: must be at most 1"),
        ("exit = 0.6", "exit = 0.9", "key 'exit' = 0.9: must be at most 'enter' = 0.8"),
        ('["rear", 3]', "[-3]", "key 'target[0]' = -3: a syllable's name in quotes, or its number from 0 on"),
        ('["rear", 3]', "[]", "key 'target' = []: at least 1 needed"),
        ('output = "laser"', 'output = "lazer"', "no such train; did you mean 'laser'"),
        ("channel = 0", "channel = true", "key 'channel' = true: must be a whole number"),
        ("seed = 1", "seed = nan", "key 'seed' = nan: must be a"),
        ("width_ms = 20", "width_ms = 300\ncount = 1", "not a TOML file"),
        ("[limits]", "[limit]", "[limit]: unknown table; did you mean 'limits'"),
        ("[limits]", "[timing]\ndeadline_ms = 0\n[limits]", "key 'deadline_ms' = 0: must be above 0"),
        ("duration_ms = 60_000", "", "key 'duration_ms' is missing"),
        ("period_ms = 50", "", "key 'period_ms' is missing: 'count' = 5 needs it"),
        ("period_ms = 50", "period_ms = 25", "its train alone breaks [limits], key 'min_interval_ms' = 10"),
        ("max_duty = 0.5", "max_duty = 0.01", "its train alone breaks [limits], key 'max_duty' = 0.01"),
        ("max_pulses = 500", "max_pulses = 4", "its train alone breaks [limits], key 'max_pulses' = 4"),
        ("enter = 0.8", "enter = 0,8", "enter = 0,8; a decimal point is a dot"),
        ("enter = 0.8", "enter = 80", "it is a share of one, not a percentage"),
        ("enter = 0.8", "enter = 1.0", "key 'enter' = 1: a posterior never gets there"),
        ("duration_ms = 60_000", 'duration_ms = "1 min"', "key 'duration_ms' = '1 min': must be a number"),
        (
            'output = "laser"',
            'output = "laser"\nwhen = { quantity = "speed_mm_s", min = 5 }',
            "key 'when' = { quantity = 'speed_mm_s', min = 5 }: must be a list",
        ),
        *[
            (
                'output = "laser"',
                f'output = "laser"\nwhen = [{conditions}]\n[arena]\ncircle = {{ radius_mm = 90 }}',
                message,
            )
            for conditions, message in (
                ('{ quantity = "heading_probability", min = 2 }', "'heading_probability' is at most 1"),
                ('{ quantity = "speed_mm_s", max = -1 }', "'speed_mm_s' is at least 0"),
                ('{ quantity = "wall_distance_mm", min = 100 }', "'wall_distance_mm' is at most 90"),
                (
                    '{ quantity = "speed_mm_s", min = 50 }, { quantity = "speed_mm_s", max = 20 }',
                    "keys 'when[0]' and 'when[1]': no 'speed_mm_s' is in both ranges",
                ),
            )
        ],
        (
            'output = "laser"',
            'output = "laser"\nwhen = [{ place = "a" }, { place = "a", inside = false }]\n'
            '[[places]]\nname = "a"\ncircle = { radius_mm = 9 }',
            "nobody is inside and outside 'a' at once",
        ),
        (
            "[limits]",
            '[[places]]\nname = "a"\npolygon = [[0, 0], [1, 1], [2, 2]]\n[limits]',
            "[[places]] \"a\", key 'polygon': its corners lie on one line",
        ),
        (
            "enter = 0.8",
            'enter = 0.8\nevidence = "onset"\nevidence_ms = 100\ndwell_ms = 100',
            "key 'dwell_ms' = 100: a bout that began within the last 'evidence_ms' = 100 cannot have lasted so long",
        ),
        (
            'output = "laser"',
            'output = "laser"\nafter = [{ target = 1, threshold = 1.0, within_ms = 9 }]',
            "key 'after[0].threshold' = 1: a posterior never gets there",
        ),
        (
            "[limits]",
            '[[blocks]]\nname = "a"\nduration_ms = 60_000\nrules = ["reward", "reward"]\n[limits]',
            "key 'rules': 'reward' stands there more than once",
        ),
        (
            "[limits]",
            '[[blocks]]\nname = "a"\nduration_ms = 5\nrules = ["x"]\n[limits]',
            "[[blocks]] \"a\", key 'rules' = 'x': no such rule",
        ),
    ],
)
def test_a_mistake_is_named_with_key_value_and_what_is_allowed(old: str, new: str, message: str) -> None:
    assert old in GOOD
    assert message in refusal(GOOD.replace(old, new))


def test_all_mistakes_are_reported_together_and_once() -> None:
    wrong = GOOD.replace("enter = 0.8", "enter = 80").replace("seed = 1", "sead = 1").replace("count = 5", "count = 0")
    message = refusal(wrong)
    assert message.startswith("file.toml: 4 problems")
    for part in ("'enter' = 80", "'seed' is missing", "'sead' = 1: unknown key; did you mean 'seed'", "'count' = 0"):
        assert message.count(part) == 1


def test_one_bracket_too_few_is_one_mistake() -> None:
    assert refusal(GOOD.replace("[[rules]]", "[rules]")).startswith(
        "file.toml: a problem\n  [rules] must be written as"
    )


def test_a_model_without_names_says_so() -> None:
    assert "it has no names: write numbers" in "\n".join(check(GOOD, names={}))


def test_one_mistake_in_an_output_does_not_make_its_rules_wrong() -> None:
    assert refusal(GOOD.replace("width_ms = 20", "width_ms = -1")).startswith("file.toml: a problem")


def check(text: str, names: dict[str, tuple[int, ...]] | None = None, num_syllables: int = 10) -> list[str]:
    names = {"rear": (4, 5)} if names is None else names
    return check_protocol(parse_protocol(text, "file.toml"), num_syllables, names, 30.0)


def test_a_model_that_fits_has_no_problem() -> None:
    assert check(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"rear"', '"raer"', "'raer': the model has no syllable of this name; did you mean 'rear'?"),
        ("3]", "12]", "12: the model has syllables 0 ... 9"),
        ("3]", "0,1,2,3,6,7,8,9]", "all 10 syllables, so the probability is always 1"),
        ("enter = 0.8", "enter = 0.8\ndwell_ms = 60_000", "key 'dwell_ms' = 60000: longer than any block"),
        ("exit = 0.6", "exit = 0.0", "key 'exit' = 0: no bout would ever end"),
        ("[limits]", '[[blocks]]\nname = "a"\nduration_ms = 60_000\n[limits]', "live in no block"),
        (
            'output = "laser"',
            'output = "laser"\nabsent = [{ target = ["rear", 3, 7], for_ms = 900 }]',
            "key 'absent[0]': is of the target itself",
        ),
        (
            'output = "laser"',
            'output = "laser"\nafter = [{ target = 1, within_ms = 9 }]',
            "key 'after[0].within_ms' = 9: shorter than a frame; at least 33.3 at 30 Hz",
        ),
        ("[limits]", "[timing]\nevidence_gap_ms = 20\n[limits]", "key 'evidence_gap_ms' = 20: shorter than a frame"),
    ],
)
def test_what_the_model_cannot_serve_is_found_before_the_session(old: str, new: str, message: str) -> None:
    assert message in "\n".join(check(GOOD.replace(old, new)))


PAGE = (Path(protocols.__file__).parent / "README.md").read_text()


def test_the_authors_page_begins_with_a_protocol_that_is_one_and_names_every_key() -> None:
    text = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert text is not None
    assert check(text[1].replace("12]", "8]")) == []
    keys = {field.alias or name for kind in RULE_KINDS.values() for name, field in kind.model_fields.items()}
    keys |= set(Limits.model_fields) | {f"timing.{name}" for name in Timing.model_fields} | set(POSE_QUANTITIES)
    assert {key for key in keys if f"`{key}`" not in PAGE and f"{key} = " not in PAGE} == set()
