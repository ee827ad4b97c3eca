"""Messages as rows of fixed size, which survive a writer that is killed.

Integers become int64, floats float64, booleans uint8, text fixed-length UTF-8. A missing datum is `MISSING_INT`,
NaN, or 255. Vectors are kept apart, one dataset each.
"""

import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from online.messages import Message

MISSING_INT = np.iinfo(np.int64).min
MISSING_BOOL = 255
M = TypeVar("M", bound=Message)
TEXT_BYTES = 480
"""What a record holds of a text."""
_SHORT, _LONG = "S64", f"S{TEXT_BYTES}"
_LONG_FIELDS = frozenset({"detail", "reason", "text"})
CUT = "…".encode()
"""Stands at the end of a text that did not fit."""


def _plain(annotation: Any) -> Any:
    """The type without `| None`; a Literal of strings is str."""
    if get_origin(annotation) in (Union, types.UnionType):
        (annotation,) = (a for a in get_args(annotation) if a is not type(None))
    return str if get_origin(annotation) is Literal else annotation


def _column(name: str, kind: Any) -> str | None:
    if kind is bool:
        return "u1"
    if kind is int:
        return "<i8"
    if kind is float:
        return "<f8"
    if kind is str:
        return _LONG if name in _LONG_FIELDS else _SHORT
    return None


@cache
def row_dtype(message_type: type[Message]) -> np.dtype[np.void]:
    """Record type of a message's scalar fields; those of a nested message bear its name before theirs."""
    return np.dtype(_columns(message_type, ""))


def _columns(message_type: type[Message], prefix: str) -> list[tuple[str, str]]:
    columns: list[tuple[str, str]] = []
    for name, field in message_type.model_fields.items():
        kind = _plain(field.annotation)
        column = _column(name, kind)
        if column is not None:
            columns.append((prefix + name, column))
        elif isinstance(kind, type) and issubclass(kind, Message):
            columns.extend(_columns(kind, f"{name}_"))
    return columns


def row_values(message: Message | None, message_type: type[Message]) -> tuple[Any, ...]:
    """A message's scalar fields as `row_dtype` stores them; of a nested message that is None all are missing."""
    values: list[Any] = []
    for name, field in message_type.model_fields.items():
        kind = _plain(field.annotation)
        value = None if message is None else getattr(message, name)
        if _column(name, kind) is not None:
            values.append(_stored(name, value, kind))
        elif isinstance(kind, type) and issubclass(kind, Message):
            values.extend(row_values(value, kind))
    return tuple(values)


def _stored(name: str, value: Any, kind: Any) -> Any:
    if value is None:
        return {bool: MISSING_BOOL, int: MISSING_INT, float: np.nan, str: b""}[kind]
    return stored_text(name, value) if kind is str else value


def stored_text(name: str, text: str) -> bytes:
    """Text as a field called `name` stores it: what is too long is cut between characters and marked."""
    room, raw = np.dtype(_LONG if name in _LONG_FIELDS else _SHORT).itemsize, text.encode()
    if len(raw) <= room:
        return raw
    return raw[: room - len(CUT)].decode(errors="ignore").encode() + CUT


def message_of(row: np.void, message_type: type[M], vectors: Mapping[str, NDArray[np.float64]] | None = None) -> M:
    """The message that a row was made of; `vectors` holds what is kept apart."""
    return message_type(**_fields(row, message_type, "", vectors or {}))


def _fields(
    row: np.void, message_type: type[Message], prefix: str, vectors: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, field in message_type.model_fields.items():
        kind = _plain(field.annotation)
        optional = kind is not field.annotation and type(None) in get_args(field.annotation)
        if _column(name, kind) is not None:
            fields[name] = _read(row[prefix + name], kind, optional)
        elif isinstance(kind, type) and issubclass(kind, Message):
            nested = _fields(row, kind, f"{prefix}{name}_", vectors)
            fields[name] = None if optional and all(v is None or v != v for v in nested.values()) else kind(**nested)
        else:
            fields[name] = vectors[name]
    return fields


def _read(cell: Any, kind: Any, optional: bool) -> Any:
    if kind is str:
        return text_of(cell)
    value = cell.item()
    missing = value != value if kind is float else value == {int: MISSING_INT, bool: MISSING_BOOL}[kind]
    if missing and (optional or kind is not float):
        return None
    return bool(value) if kind is bool else value


def is_missing(column: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where an integer column holds no datum."""
    missing: NDArray[np.bool_] = np.equal(column, MISSING_INT)
    return missing


def text_of(cell: bytes) -> str:
    """Text of a fixed-length cell; a character cut in half at the end is dropped."""
    return cell.decode(errors="ignore")
