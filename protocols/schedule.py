"""Times of open-loop rules, fixed before the session: microseconds since its beginning, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from protocols.draws import exponential, uniform
from protocols.rule_schema import PeriodicRule, PoissonRule, RandomRule, ScheduledRule, TimesRule, YokedRule
from protocols.schema_types import GRID_US


@dataclass(frozen=True, slots=True)
class Span:
    """Part of the session in which a rule is live; `index` is its block's place."""

    index: int
    begin_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Spacing:
    """For times that are drawn: none before `earliest_us` of the session, none closer than `dead_us`."""

    earliest_us: int
    dead_us: int


def due_times_us(
    rule: ScheduledRule,
    spans: Sequence[Span],
    spacing: Spacing,
    key: bytes,
    pulse_times_ms: Mapping[str, Sequence[float]],
) -> tuple[int, ...]:
    """When a rule's trials are due; times that a file gives are taken as they are, where they fall into the spans."""
    match rule:
        case PeriodicRule():
            return _periodic(rule, spans)
        case PoissonRule():
            drawn = drawable(spans, spacing)
            return tuple(time for span in drawn for time in _poisson(rule, span, spacing.dead_us, key))
        case RandomRule():
            number = rule.count if rule.match is None else len(pulse_times_ms[rule.match])
            return _scattered(rule.name, number or 0, drawable(spans, spacing), spacing.dead_us, key)
        case TimesRule():
            return _within(rule.times_ms, spans)
        case YokedRule():
            return _within(pulse_times_ms[rule.source], spans)
    raise AssertionError(f"no schedule for {type(rule).__name__}")


def drawable(spans: Sequence[Span], spacing: Spacing) -> list[Span]:
    """The spans without the session's first moments."""
    begun = [Span(span.index, max(span.begin_us, spacing.earliest_us), span.end_us) for span in spans]
    return [span for span in begun if span.end_us > span.begin_us]


def _periodic(rule: PeriodicRule, spans: Sequence[Span]) -> tuple[int, ...]:
    period_us = max(round(rule.period_ms * 1000), 1)
    start_us = period_us if rule.start_ms is None else round(rule.start_ms * 1000)
    return tuple(time for span in spans for time in range(span.begin_us + start_us, span.end_us, period_us))


def _poisson(rule: PoissonRule, span: Span, dead_us: int, key: bytes) -> list[int]:
    """Intervals are the dead time and an exponential whose mean makes up the rest."""
    mean_us = max(60e6 / rule.rate_per_minute - dead_us, 0.0)
    times: list[int] = []
    time_us = float(span.begin_us)
    for draw in count(1):
        time_us += exponential(key, "poisson", rule.name, span.index, draw) * mean_us + (dead_us if times else 0)
        if time_us >= span.end_us:
            break
        times.append(_on_grid(time_us, span))
    return times


def _scattered(name: str, number: int, spans: Sequence[Span], dead_us: int, key: bytes) -> tuple[int, ...]:
    """`number` times, uniform over the spans but for the dead time: intervals are `dead_us` and an exponential.

    Uniform times are drawn in what the dead times leave of the spans laid end to end, and the dead times put back.
    """
    free_us = sum(span.end_us - span.begin_us for span in spans) - dead_us * (number - 1)
    draws = sorted(uniform(key, "random", name, i) * free_us for i in range(number))
    return tuple(_unlay(spans, draw + i * dead_us) for i, draw in enumerate(draws))


def _unlay(spans: Sequence[Span], place_us: float) -> int:
    """Session time of a place on the spans laid end to end."""
    for span in spans:
        length_us = span.end_us - span.begin_us
        if place_us < length_us:
            return _on_grid(span.begin_us + place_us, span)
        place_us -= length_us
    return _on_grid(spans[-1].end_us - GRID_US, spans[-1])


def _within(times_ms: Sequence[float], spans: Sequence[Span]) -> tuple[int, ...]:
    """Those of the times that fall into the spans, to the microsecond."""
    times = sorted(round(time * 1000) for time in times_ms)
    return tuple(time for time in times if any(span.begin_us <= time < span.end_us for span in spans))


def _on_grid(time_us: float, span: Span) -> int:
    """The nearest moment of the boards' grid; at a span's ends the nearest that is in it."""
    return min(max(round(time_us / GRID_US) * GRID_US, span.begin_us), span.end_us - 1)
