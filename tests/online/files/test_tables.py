"""A message made into a row and back is the same message, missing data included."""

from typing import Any

import numpy as np
import pytest

from online.files.session_file import TABLES
from online.files.tables import message_of, row_dtype, row_values, stored_text
from online.messages import Frame, Message, Syllables, Truth


def example(kind: type[Message], known: bool) -> Message:
    """A message with every field filled, or with every optional one missing."""
    fields: dict[str, Any] = {}
    for number, (name, field) in enumerate(kind.model_fields.items(), 1):
        text = str(field.annotation)
        if "None" in text and not known:
            fields[name] = None
        elif "Truth" in text:
            fields[name] = Truth(
                syllable=2, onset_frame_index=1, x_mm=0.5, y_mm=-1, heading_rad=3, length_mm=1, height_mm=2
            )
        elif "ndarray" in text:
            fields[name] = np.array([0.25, 0.75])
        elif "Literal" in text:
            fields[name] = text.split("'")[1]
        else:
            fields[name] = next(v for t, v in VALUES.items() if t in text)(number)
    return kind(**fields)


VALUES: dict[str, Any] = {
    "bool": lambda n: n % 2 == 0,
    "int": lambda n: -n,
    "float": lambda n: n / 7,
    "str": lambda n: f"text {n} µs",
}


@pytest.mark.parametrize("kind", TABLES.values(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("known", [True, False])
def test_a_row_gives_its_message_back(kind: type[Message], known: bool) -> None:
    message = example(kind, known)
    row = np.array([row_values(message, kind)], row_dtype(kind))[0]
    vectors = {name: value for name, value in message if isinstance(value, np.ndarray)}
    assert message_of(row, kind, vectors).encode() == message.encode()


def test_a_known_truth_is_told_from_a_missing_one() -> None:
    rows = np.array([row_values(example(Frame, known), Frame) for known in (True, False)], row_dtype(Frame))
    assert message_of(rows[0], Frame).truth is not None
    assert message_of(rows[1], Frame).truth is None


def test_not_a_number_stays_where_a_number_must_be() -> None:
    message = example(Syllables, known=True)
    assert isinstance(message, Syllables)
    row = np.array([row_values(message, Syllables)], row_dtype(Syllables))[0]
    row["log_evidence"] = np.nan
    again = message_of(row, Syllables, {n: v for n, v in message if isinstance(v, np.ndarray)})
    assert again.log_evidence is None


def test_a_text_that_does_not_fit_is_marked_where_it_was_cut() -> None:
    assert stored_text("rule", "x" * 64) == b"x" * 64
    assert stored_text("rule", "x" * 65).decode() == "x" * 61 + "…"
    assert stored_text("detail", "µ" * 241).decode() == "µ" * 238 + "…"
