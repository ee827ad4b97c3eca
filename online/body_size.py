"""How large this animal is: the square root of its area, averaged while it is first seen, then kept.

Posture changes the area of a frame by a third either way; single frames are bounded so that a bad one counts little.
"""

from dataclasses import dataclass

LEARN_S = 10.0
LEAST, MOST = 0.7, 1.4
"""Bounds of one frame's size, as shares of the mean so far."""


@dataclass(slots=True)
class BodySize:
    """`mm`: mean size so far, 0 before the first sight; `frames` it comes from."""

    mm: float = 0.0
    frames: int = 0


def step(size: BodySize, area_mm2: float, rate_hz: float) -> None:
    """Take in one frame's area; after LEARN_S nothing changes any more."""
    if size.frames >= LEARN_S * rate_hz:
        return
    frame_mm: float = area_mm2**0.5
    if size.frames:
        frame_mm = min(max(frame_mm, LEAST * size.mm), MOST * size.mm)
    size.frames += 1
    size.mm += (frame_mm - size.mm) / size.frames
