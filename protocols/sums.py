"""Probabilities of targets, each summed once a frame however many rules ask for it."""

from collections.abc import Callable, Sequence
from math import fsum
from operator import itemgetter
from typing import Any

Pick = Callable[[Sequence[float]], Any]


class Sums:
    """`slot` gives each target of each kind of evidence its place in the list that `update` fills.

    Sums are exact before they are rounded (`fsum`), so no order of syllables and no machine changes a bit of them.
    """

    __slots__ = ("_picks", "_slots")

    def __init__(self) -> None:
        self._slots: dict[tuple[int, tuple[int, ...]], int] = {}
        self._picks: list[tuple[int, Pick]] = []

    def slot(self, row: int, indices: tuple[int, ...]) -> int:
        """Place of the probability of `indices` in the evidence of this row."""
        key = row, indices
        if key not in self._slots:
            self._slots[key] = len(self._picks)
            self._picks.append((row, _pick(indices)))
        return self._slots[key]

    def update(self, rows: Sequence[Sequence[float]], sums: list[float]) -> None:
        """Fill `sums` from a frame's evidence."""
        sums.clear()
        for row, pick in self._picks:
            sums.append(fsum(pick(rows[row])))


def _pick(indices: tuple[int, ...]) -> Pick:
    """Function of a row: its numbers at `indices`."""
    if len(indices) > 1:
        return itemgetter(*indices)
    return itemgetter(slice(indices[0], indices[0] + 1) if indices else slice(0))
