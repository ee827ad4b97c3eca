"""What pydantic finds wrong, in the protocol file's own words: key, value, what is allowed."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

from protocols.rule_schema import Absent, Condition, Earlier
from protocols.schema import Circle
from protocols.schema_types import Table
from protocols.targets import nearest

NESTED: Mapping[str, type[Table]] = {"when": Condition, "after": Earlier, "absent": Absent, "circle": Circle}
BOUNDS = {
    "greater_than": ("gt", "above {}"),
    "greater_than_equal": ("ge", "at least {}"),
    "less_than": ("lt", "below {}"),
    "less_than_equal": ("le", "at most {}"),
}
KINDS = {
    "string_type": "a text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}


def explain(detail: ErrorDetails, kind: type[Table]) -> str:
    """One error of the table `kind`."""
    key, problem, context = _key(detail["loc"]), detail["type"], detail.get("ctx", {})
    if problem == "missing":
        return f"key '{key}' is missing"
    value = f"key '{key}' = {_toml(detail['input'])}"
    if problem == "extra_forbidden":
        return f"{value}: unknown key; {nearest(str(detail['loc'][-1]), _allowed(detail['loc'], kind))}"
    if problem in BOUNDS:
        name, words = BOUNDS[problem]
        share = "; it is a share of one, not a percentage" if (problem, context[name]) == ("less_than_equal", 1) else ""
        return f"{value}: must be {words.format(f'{context[name]:.10g}')}{share}"
    if problem == "tuple_type" and detail["loc"][-1] == "target":
        return f"{value}: must be a syllable's name in quotes, its number, or a list of these"
    if problem in KINDS:
        return f"{value}: must be {KINDS[problem]}"
    if problem == "literal_error":
        return f"{value}: allowed: {context['expected']}"
    if problem == "string_pattern_mismatch":
        return f"{value}: must be 1 to 64 letters, digits, spaces or _ . + -, beginning with a letter or digit"
    if problem == "too_short":
        return f"{value}: at least {context['min_length']} needed"
    if problem == "too_long":
        return f"{value}: at most {context['max_length']} allowed"
    return f"{value}: {detail['msg'].removeprefix('Value error, ')}"


def _allowed(location: tuple[int | str, ...], kind: type[Table]) -> list[str]:
    holder = NESTED.get(str(location[0]), kind) if len(location) > 1 else kind
    return [field.alias or name for name, field in holder.model_fields.items()]


def _key(location: tuple[int | str, ...]) -> str:
    """'when[0].min' from ('when', 0, 'min')."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    return repr(value)
