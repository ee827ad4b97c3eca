"""Families of behaviour from which a repertoire is drawn: target postures, tempo, and a grammar between groups.

Posture: forward speed, turning, pitch of the spine in a rear, logarithm of stretch along the spine,
sideways bend from hip to neck, pitch and yaw of the head against the body, arching of the back, logarithm of girth.
Left and counter-clockwise on screen are positive.
"""

from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np


@dataclass(frozen=True, slots=True)
class Posture:
    """Numbers that describe the animal's bearing, in the order of the model's dimensions."""

    speed_mm_s: float = 0.0
    turning_rad_s: float = 0.0
    rear_rad: float = 0.0
    stretch: float = 0.0
    bend_rad: float = 0.0
    head_pitch_rad: float = 0.0
    head_yaw_rad: float = 0.0
    arch_mm: float = 0.0
    girth: float = 0.0


POSTURE = tuple(number.name for number in fields(Posture))
WITHIN_SD = {
    "speed_mm_s": 15.0,
    "turning_rad_s": 0.5,
    "rear_rad": 0.045,
    "stretch": 0.04,
    "bend_rad": 0.09,
    "head_pitch_rad": 0.09,
    "head_yaw_rad": 0.105,
    "arch_mm": 0.8,
    "girth": 0.02,
}
"""Typical standard deviation of each number while one syllable lasts."""

Group = Literal["travel", "turn", "still", "explore", "rear", "groom"]
GROUPS: tuple[Group, ...] = ("travel", "turn", "still", "explore", "rear", "groom")
GRAMMAR = np.array(
    [
        [4.0, 2.0, 1.0, 2.0, 0.5, 0.1],
        [2.5, 1.0, 1.0, 2.0, 0.5, 0.2],
        [0.6, 1.0, 3.0, 2.0, 0.5, 1.0],
        [1.5, 1.5, 2.0, 2.0, 1.0, 0.3],
        [0.4, 1.0, 0.4, 1.0, 4.0, 0.3],
        [0.1, 0.4, 1.5, 0.4, 0.1, 5.0],
    ]
)
"""GRAMMAR[i, j]: how readily group i is followed by group j."""


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of behaviour.

    share: how often it is chosen among its like; quickness: factor on the spring's frequency; liveliness: factor on
    the variability; oscillation: frequency (Hz) and deviation of the numbers that swing.
    """

    name: str
    group: Group
    target: Posture
    duration_ms: float = 350.0
    share: float = 1.0
    quickness: float = 1.0
    liveliness: float = 1.0
    oscillation: dict[str, tuple[float, float]] = field(default_factory=dict)


FAMILIES: tuple[Family, ...] = (
    Family("walk", "travel", Posture(110, stretch=0.18, girth=-0.04), 380, oscillation={"bend_rad": (4.0, 0.10)}),
    Family("rest", "still", Posture(stretch=-0.22, arch_mm=1, girth=0.06), 450, share=2.0, liveliness=0.6),
    Family("rear", "rear", Posture(5, rear_rad=0.55, stretch=-0.05), 380),
    Family("turn left", "turn", Posture(45, 3.0, bend_rad=1.0, head_yaw_rad=0.4, girth=-0.06), 330, quickness=1.2),
    Family("turn right", "turn", Posture(45, -3.0, bend_rad=-1.0, head_yaw_rad=-0.4, girth=-0.06), 330, quickness=1.2),
    Family(
        "groom face",
        "groom",
        Posture(stretch=-0.22, arch_mm=7, head_pitch_rad=-0.7, girth=0.02),
        450,
        oscillation={"head_pitch_rad": (5.0, 0.12), "arch_mm": (5.0, 0.8)},
    ),
    Family(
        "run",
        "travel",
        Posture(230, stretch=0.38, head_pitch_rad=0.15, arch_mm=-2, girth=-0.14),
        340,
        oscillation={"stretch": (5.0, 0.05)},
    ),
    Family(
        "sniff",
        "explore",
        Posture(8, head_pitch_rad=-0.45, stretch=0.1, girth=0.02),
        350,
        oscillation={"head_pitch_rad": (6.0, 0.12)},
    ),
    Family(
        "scan left",
        "explore",
        Posture(8, 0.4, head_yaw_rad=0.9, head_pitch_rad=0.2, stretch=0.1, girth=0.04),
        330,
        oscillation={"head_yaw_rad": (3.0, 0.15)},
    ),
    Family(
        "scan right",
        "explore",
        Posture(8, -0.4, head_yaw_rad=-0.9, head_pitch_rad=0.2, stretch=0.1, girth=0.04),
        330,
        oscillation={"head_yaw_rad": (3.0, 0.15)},
    ),
    Family("dive", "rear", Posture(60, stretch=0.25, head_pitch_rad=-0.5, arch_mm=4), 300, quickness=1.3),
    Family("pause", "still", Posture(2, head_pitch_rad=0.3, girth=0.02), 360, share=1.5, liveliness=0.6),
    Family("crouch", "still", Posture(stretch=-0.26, arch_mm=-4, girth=-0.08), 400, share=1.2, liveliness=0.6),
    Family("veer left", "travel", Posture(120, 1.6, stretch=0.2, bend_rad=0.7, arch_mm=-1), 330),
    Family("veer right", "travel", Posture(120, -1.6, stretch=0.2, bend_rad=-0.7, arch_mm=-1), 330),
    Family("look up", "explore", Posture(4, rear_rad=0.25, head_pitch_rad=0.5, stretch=-0.1), 330, quickness=0.8),
    Family("reach up", "rear", Posture(10, rear_rad=0.7, stretch=0.25, head_pitch_rad=0.2), 330),
    Family(
        "groom left",
        "groom",
        Posture(stretch=-0.15, bend_rad=1.3, head_yaw_rad=0.8, head_pitch_rad=-0.3, arch_mm=2, girth=0.08),
        400,
    ),
    Family(
        "groom right",
        "groom",
        Posture(stretch=-0.15, bend_rad=-1.3, head_yaw_rad=-0.8, head_pitch_rad=-0.3, arch_mm=2, girth=0.08),
        400,
    ),
    Family("stretch out", "explore", Posture(25, stretch=0.42, arch_mm=-4), 350, quickness=0.8),
    Family("back up", "turn", Posture(-45, stretch=-0.15, arch_mm=6, head_pitch_rad=0.35, girth=-0.08), 320),
    Family("hunch", "still", Posture(stretch=-0.08, arch_mm=6, girth=0.1), 420, liveliness=0.6),
    Family(
        "pivot left",
        "turn",
        Posture(5, 4.5, stretch=-0.2, bend_rad=0.9, head_pitch_rad=0.4, arch_mm=3),
        320,
        quickness=1.4,
    ),
    Family(
        "pivot right",
        "turn",
        Posture(5, -4.5, stretch=-0.2, bend_rad=-0.9, head_pitch_rad=0.4, arch_mm=3),
        320,
        quickness=1.4,
    ),
)
