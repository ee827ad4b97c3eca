"""The kinds of values in a protocol file."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

GRID_US = 100
"""Boards place every edge on a grid of this size."""


def as_tuple(value: object) -> object:
    """A TOML list as a tuple; one syllable or name alone as a tuple of one."""
    if isinstance(value, list):
        return tuple(value)
    return (value,) if isinstance(value, int | str) and not isinstance(value, bool) else value


def _syllable(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str) or (isinstance(value, int) and value < 0):
        raise ValueError("a syllable's name in quotes, or its number from 0 on")
    return value


def _on_grid(value_ms: float) -> float:
    steps = value_ms * 1000 / GRID_US
    if abs(steps - round(steps)) > 1e-6:
        raise ValueError(f"must be a multiple of {GRID_US / 1000:g}: boards place edges on that grid")
    return value_ms


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.+-]{0,63}$")]
Names = Annotated[tuple[Name, ...], BeforeValidator(as_tuple, json_schema_input_type=str | list[str])]
Target = Annotated[
    tuple[Annotated[int | str, BeforeValidator(_syllable)], ...],
    Field(min_length=1),
    BeforeValidator(as_tuple, json_schema_input_type=int | str | Annotated[list[int | str], Field(min_length=1)]),
    Field(description="syllables by name or number; one alone needs no list"),
]
Probability = Annotated[float, Field(ge=0, le=1)]
Threshold = Annotated[float, Field(gt=0, le=1)]
Milliseconds = Annotated[float, Field(ge=0, le=1e9)]
PositiveMilliseconds = Annotated[float, Field(gt=0, le=1e9)]
EdgeMilliseconds = Annotated[float, Field(ge=0.1, le=1e6), AfterValidator(_on_grid)]
DelayMilliseconds = Annotated[float, Field(ge=0, le=1e6), AfterValidator(_on_grid)]


class Table(BaseModel):
    """Base of all tables: frozen, strict in its types, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
