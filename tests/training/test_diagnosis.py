"""Convergence in words."""

import numpy as np
import pytest

from offline.arhmm.checkpoint import TracePoint
from offline.arhmm.diagnosis import diagnose


def trace(values: np.ndarray) -> list[TracePoint]:
    return [TracePoint(i + 1, float(v), None) for i, v in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "settled", "words"),
    [
        (np.concatenate([np.linspace(-5, -2, 60), np.full(80, -2.0)]), True, "settled"),
        (np.linspace(-5, -2, 140), False, "still rising"),
        (np.linspace(-2, -5, 140), False, "falling"),
        (np.full(79, -2.0), False, "too short"),
    ],
)
def test_words_fit_the_trace(values: np.ndarray, settled: bool, words: str) -> None:
    diagnosis = diagnose(trace(values), 40)
    assert diagnosis.settled is settled
    assert diagnosis.sentence.startswith(words)


def test_drift_is_the_difference_of_means() -> None:
    assert diagnose(trace(np.arange(8.0)), 2).drift == pytest.approx(2)
