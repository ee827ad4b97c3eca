"""Engines and streams that the protocol tests share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from protocols.engine import EngineState, init, step
from protocols.materials import NO_MATERIALS, Materials
from protocols.parse import parse_protocol
from protocols.trial import Decision, Evidence

FRAME_NS = 33_333_333
START_NS = 10**15
LATENCY_NS = 10_000_000

HEAD = """
[session]
name = "test"
seed = 7
duration_ms = 100_000
[[outputs]]
name = "laser"
channel = 2
width_ms = 10
[limits]
max_width_ms = 10
max_duty = 1.0
window_ms = 1000
min_interval_ms = 0
max_pulses = 100_000
"""

RULE = """
[[rules]]
name = "reward"
target = 1
enter = 0.8
exit = 0.5
refractory_ms = 200
catch_probability = 0.0
output = "laser"
"""


@dataclass(frozen=True)
class At:
    """A pose, as light as the engine takes it."""

    x_mm: float | None = 0.0
    y_mm: float | None = 0.0
    heading_rad: float | None = 0.0
    heading_probability: float | None = 1.0
    length_mm: float | None = 80.0
    height_mm: float | None = 30.0
    speed_mm_s: float | None = 0.0
    turning_rad_s: float | None = 0.0


@dataclass(frozen=True)
class Feed:
    """What the engine is given at a frame; `p`: posterior of 3 syllables, or that of syllable 1, None if blind."""

    p: Sequence[float] | float | None = 0.0
    pose: At | None = None
    further: tuple[Sequence[float], ...] = ()
    novelty: float = float("nan")
    latency_ns: int = LATENCY_NS
    armed: bool = True
    paused: bool = False


def evidence(feed: Feed) -> Evidence | None:
    if feed.p is None:
        return None
    row = [(1 - feed.p) / 2, feed.p, (1 - feed.p) / 2] if isinstance(feed.p, float | int) else feed.p
    return Evidence(np.array(row), tuple(np.array(r) for r in feed.further), feed.novelty)


def engine(
    text: str, materials: Materials = NO_MATERIALS, subject: str = "mouse", rate_hz: float = 30.0
) -> EngineState:
    return init(parse_protocol(text, "test.toml"), 3, {"run": (1,)}, rate_hz, subject, "session", materials)


def run(state: EngineState, feeds: Iterable[Feed | float | None]) -> list[tuple[int, Decision]]:
    """Feed frames of a regular grid; decisions with their frame numbers."""
    out = []
    for i, given in enumerate(feeds):
        feed = given if isinstance(given, Feed) else Feed(given)
        time_ns = START_NS + i * FRAME_NS
        late_ns = time_ns + feed.latency_ns
        out += [(i, d) for d in step(state, evidence(feed), feed.pose, time_ns, late_ns, feed.armed, feed.paused)]
    return out


def frames_of(decisions: Iterable[tuple[int, Decision]], *outcomes: str) -> list[int]:
    """Frame numbers of the decisions with these outcomes, of trials when none is named."""
    return [i for i, d in decisions if d.outcome in (outcomes or ("pulse", "catch"))]
