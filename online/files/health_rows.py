"""Heartbeats as rows of a session file: one a second for each input of each process, and one at every change."""

from typing import Any

import numpy as np

from online.messages import Health

HEALTH_ROW = np.dtype(
    [
        ("time_ns", "<i8"),
        ("process", "S64"),
        ("state", "S64"),
        ("stream", "S64"),
        ("alive", "u1"),
        ("valid", "u1"),
        ("rate_hz", "<f8"),
        ("received", "<i8"),
        ("lost", "<i8"),
    ]
)
"""`stream` is empty for a process that has no inputs; `rate_hz` is NaN until it could be measured."""
PERIOD_NS = 1_000_000_000


class HealthRows:
    """Thins out heartbeats (ten a second) without losing a change of state, of an input, or of a loss."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, object]] = {}

    def of(self, health: Health) -> list[tuple[Any, ...]]:
        """The rows to write for this heartbeat, often none."""
        told = (health.state, tuple((i.alive, i.valid, i.lost) for i in health.inputs))
        before = self._kept.get(health.process)
        if before is not None and told == before[1] and health.time_ns - before[0] < PERIOD_NS:
            return []
        self._kept[health.process] = (health.time_ns, told)
        start = (health.time_ns, health.process.encode(), health.state.encode())
        if not health.inputs:
            return [(*start, b"", True, True, np.nan, 0, 0)]
        rates = [np.nan if i.rate_hz is None else i.rate_hz for i in health.inputs]
        return [
            (*start, i.stream.encode(), i.alive, i.valid, rate, i.received, i.lost)
            for i, rate in zip(health.inputs, rates, strict=True)
        ]
