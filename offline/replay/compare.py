"""A replay against the pulse log of the session itself: identical, or where and in what they part."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.replay.run import Decided
from online.files.tables import is_missing, stored_text, text_of
from protocols.seal import masked, masked_near
from protocols.why import CAUSES, NearMiss

TEXTS = ("rule", "outcome", "reason", "block", "output", "detail")
NUMBERS = ("trial_number", "target_probability", "threshold")
OF_TRAIN = ("channel", "width_us", "period_us", "count", "delay_us")
ENGINE_REASONS = frozenset({*CAUSES, "missed"})
"""The engine's reasons, each exactly; a driver's are sentences, which may begin with the same word."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`identical`, or `difference`: the first in words. `refused_by_board`: pulses that the engine gave and the driver
    would not send; there the record holds the driver's reason."""

    identical: bool
    decisions: int
    refused_by_board: int
    difference: str


def compare(decided: list[Decided], trials: NDArray[np.void], sealed: bool = False) -> Comparison:
    """Field by field and bit for bit, in order; a record made under seal holds no value that tells the arm."""
    refused = 0
    if sealed:
        decided = [replace(mine, decision=masked(mine.decision)) for mine in decided]
    for i, (mine, row) in enumerate(zip(decided, trials, strict=False)):
        theirs = recorded_fields(row)
        ours = decided_fields(mine)
        if ours["outcome"] == "pulse" and _refused_by_board(theirs):
            refused += 1
            theirs |= {"outcome": "pulse", "reason": ""}
        apart = [name for name in ours if not _same(ours[name], theirs[name])]
        if apart:
            name = apart[0]
            return Comparison(
                False,
                len(decided),
                refused,
                f"decision {i + 1}, frame {theirs['frame_index']}: {name} is {ours[name]!r} in the replay and "
                f"{theirs[name]!r} in the record",
            )
    if len(decided) != len(trials):
        more = "replay" if len(decided) > len(trials) else "record"
        index = min(len(decided), len(trials))
        frame = decided[index].frame_index if more == "replay" else int(trials["frame_index"][index])
        text = (
            f"{len(decided)} decisions in the replay, {len(trials)} in the record; the {more} goes on at frame {frame}"
        )
        return Comparison(False, len(decided), refused, text)
    return Comparison(True, len(decided), refused, "")


def compare_near(near: Sequence[tuple[int, NearMiss]], rows: NDArray[np.void], sealed: bool = False) -> str:
    """The first difference between what almost fired in a replay and in the record, in words; empty when there is
    none."""
    if sealed:
        near = [(frame, masked_near(miss)) for frame, miss in near]
    for mine, row in zip(near, rows, strict=False):
        theirs = (int(row["frame_index"]), *(_plain(row[name]) for name in NearMiss._fields))
        ours = (mine[0], *mine[1])
        if not all(map(_same, ours, theirs)):
            return f"a near miss is {ours} in the replay and {theirs} in the record"
    if len(near) != len(rows):
        return f"{len(near)} near misses in the replay, {len(rows)} in the record"
    return ""


def _plain(cell: Any) -> Any:
    return text_of(cell) if isinstance(cell, bytes) else cell.item()


def decided_fields(mine: Decided) -> dict[str, Any]:
    """A decision as the record would hold it."""
    decision = mine.decision
    fields: dict[str, Any] = {"frame_index": mine.frame_index, "capture_time_ns": mine.capture_time_ns}
    fields |= {name: text_of(stored_text(name, getattr(decision, name))) for name in TEXTS}
    fields |= {name: getattr(decision, name) for name in NUMBERS}
    return fields | {name: getattr(decision.train, name) for name in OF_TRAIN}


def recorded_fields(row: np.void) -> dict[str, Any]:
    """The same fields of a trial in the record."""
    fields: dict[str, Any] = {
        name: row[name].item() for name in ("frame_index", "capture_time_ns", *NUMBERS, *OF_TRAIN)
    }
    fields |= {name: text_of(row[name]) for name in TEXTS}
    return fields | {"sent": not bool(is_missing(np.asarray(row["command_sequence"])))}


def _refused_by_board(theirs: dict[str, Any]) -> bool:
    return theirs["outcome"] == "refused" and theirs["reason"] not in ENGINE_REASONS


def _same(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))
