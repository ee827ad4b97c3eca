"""Which end of the body is the nose: a causal filter with two states, along the body's axis or against it.

The axis comes from moments, without a direction. The filter keeps the log odds that the tracked direction points at
the nose. Three things move them: displacement along the body (mice walk forwards; the evidence grows with the way
gone, so that noise, which goes nowhere, adds none), the shape of the body, and forgetting, which is quick when the
body is round or the axis turned far between two frames.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeadingSettings:
    """`nats_per_mm`: log odds gained by each millimetre walked forwards, at most `most_mm_per_second`.

    `most_log_odds` bounds the confidence, so that an error can be mended.
    """

    nats_per_mm: float = 0.1
    taper_nats_per_second: float = 50.0
    least_taper: float = 0.08
    most_taper: float = 0.5
    classified_per_second: float = 10.0
    most_classified: float = 3.0
    full_elongation: float = 0.3
    most_mm_per_second: float = 400.0
    most_log_odds: float = 7.0
    flips_per_second: float = 0.003
    round_elongation: float = 0.04
    turn_limit_rad: float = 1.1
    turn_spread_rad: float = 0.12


@dataclass(slots=True)
class HeadingState:
    """`heading_rad` is unwrapped; meaningful once `started`."""

    started: bool = False
    heading_rad: float = 0.0
    log_odds: float = 0.0
    turned_rad: float = 0.0

    @property
    def probability(self) -> float:
        """That the heading points at the nose."""
        return 1 / (1 + math.exp(-self.log_odds))


@dataclass(frozen=True, slots=True)
class HeadingEvidence:
    """What one frame says. `axis_rad` modulo pi; `moved_mm` (x, y) since the mouse was last seen, y down;
    `taper`
    is positive when the body narrows towards `axis_rad`: see `online.moments`; where a classifier was trained, its
    log odds that the nose is there count instead."""

    axis_rad: float
    elongation: float
    moved_mm: tuple[float, float]
    elapsed_s: float
    taper: float
    classified_log_odds: float | None = None


def forget(log_odds: float, confusion: float) -> float:
    """Log odds after the two states were swapped with probability `confusion`."""
    probability = 1 / (1 + math.exp(-log_odds))
    mixed = probability * (1 - confusion) + (1 - probability) * confusion
    return math.log(mixed / (1 - mixed))


def step(state: HeadingState, evidence: HeadingEvidence, settings: HeadingSettings) -> None:
    """Update the heading by one frame in which the mouse was seen."""
    axis, shape = evidence.axis_rad, _shape_log_odds(evidence, settings)
    if not state.started:
        state.started, state.heading_rad, state.log_odds, state.turned_rad = True, axis, shape, 0.0
    else:
        half_turns = round((state.heading_rad - axis) / math.pi)
        if half_turns % 2:
            shape = -shape
        aligned = axis + half_turns * math.pi
        state.turned_rad = aligned - state.heading_rad
        state.heading_rad = aligned
        state.log_odds = forget(state.log_odds, _confusion(state.turned_rad, evidence, settings))
        forwards_mm = evidence.moved_mm[0] * math.cos(aligned) - evidence.moved_mm[1] * math.sin(aligned)
        most_mm = settings.most_mm_per_second * evidence.elapsed_s
        state.log_odds += settings.nats_per_mm * max(-most_mm, min(most_mm, forwards_mm)) + shape
    state.log_odds = max(-settings.most_log_odds, min(settings.most_log_odds, state.log_odds))
    if state.log_odds < 0:
        state.heading_rad += math.pi
        state.log_odds = -state.log_odds


def _confusion(turned_rad: float, evidence: HeadingEvidence, settings: HeadingSettings) -> float:
    """Probability that the direction was lost between two frames."""
    turned = 0.5 / (1 + math.exp((settings.turn_limit_rad - abs(turned_rad)) / settings.turn_spread_rad))
    round_body = 0.1 * math.exp(-evidence.elongation / settings.round_elongation)
    idle = settings.flips_per_second * evidence.elapsed_s
    return min(0.5, turned + round_body + idle)


def _shape_log_odds(evidence: HeadingEvidence, settings: HeadingSettings) -> float:
    """Evidence that the nose lies towards `axis_rad`: a mouse is narrow at its nose, which shows when it is long.

    Shapes of successive frames say nearly the same, so that evidence counts by time, not by frame.
    """
    if evidence.classified_log_odds is not None:
        log_odds = max(-settings.most_classified, min(settings.most_classified, evidence.classified_log_odds))
        return settings.classified_per_second * min(evidence.elapsed_s, 0.1) * log_odds
    clear_taper = min(max(abs(evidence.taper) - settings.least_taper, 0.0), settings.most_taper)
    taper = math.copysign(clear_taper, evidence.taper)
    clear = min(1.0, max(0.0, evidence.elongation / settings.full_elongation))
    return settings.taper_nats_per_second * min(evidence.elapsed_s, 0.1) * taper * clear
