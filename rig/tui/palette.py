"""Colours by their meaning: dark, light, a plain set for terminals of 16 colours, and none at all.

Hues are those of Okabe and Ito, which colour-blind people tell apart; nothing is said by colour alone.
"""

from dataclasses import dataclass
from functools import cached_property

from rich.style import Style

DEPTH_LEVELS = 32
Anchors = tuple[tuple[int, int, int], ...]
# From the floor to the highest, in even steps of lightness away from the screen's background.
_DEPTH_ON_DARK: Anchors = (
    (16, 24, 40),
    (0, 96, 176),
    (98, 146, 182),
    (172, 172, 150),
    (226, 206, 108),
    (255, 242, 160),
)
_DEPTH_ON_LIGHT: Anchors = ((236, 240, 244), (160, 190, 220), (82, 135, 188), (28, 80, 140), (8, 38, 84), (0, 10, 34))


@dataclass(frozen=True)
class Palette:
    """Style text of each role. `plain`: pictures are drawn with shades of one colour, not with 24-bit ones."""

    name: str
    background: str
    roles: dict[str, str]
    depth: Anchors = _DEPTH_ON_DARK
    plain: bool = False

    @cached_property
    def styles(self) -> dict[str, Style]:
        """Parsed styles by role, on the palette's background."""
        base = Style() if self.plain else Style.parse(f"on {self.background}")
        return {role: base + Style.parse(text) for role, text in self.roles.items()}


def _roles(greys: tuple[str, str, str, str, str], hues: tuple[str, str, str, str, str]) -> dict[str, str]:
    text, dim, faint, surface, ink = greys
    good, warn, bad, info, other = hues
    badges = {"good": good, "warn": warn, "bad": bad, "info": info, "idle": dim}
    return {
        "text": text,
        "strong": f"bold {text}",
        "dim": dim,
        "faint": faint,
        "surface": surface,
        "title": f"bold {info}",
        "good": f"bold {good}",
        "warn": f"bold {warn}",
        "bad": f"bold {bad}",
        "info": info,
        "idle": dim,
        "bar": info,
        "target": other,
        "tick": f"bold {text}",
        "tick_bar": f"bold {ink} on {info}",
        "tick_target": f"bold {ink} on {other}",
        "pulse": f"bold {other}",
        "catch": f"bold {text}",
        "refused": dim,
        "key": f"bold {info}",
        "stop": f"bold {ink} on {bad}",
        **{f"badge_{name}": f"bold {ink} on {hue}" for name, hue in badges.items()},
    }


DARK = Palette(
    "dark",
    "#0e1116",
    _roles(
        ("#e8eaed", "#8b95a1", "#3a424c", "#1a2029", "#0e1116"), ("#2fbf8f", "#f0e442", "#ff7a33", "#6cc0f0", "#e69f00")
    ),
)
LIGHT = Palette(
    "light",
    "#fbfbf8",
    _roles(
        ("#16191d", "#5c6670", "#c9ced4", "#f0f1ee", "#fbfbf8"), ("#00704f", "#8a6d00", "#b83f00", "#0067a8", "#a86400")
    ),
    depth=_DEPTH_ON_LIGHT,
)
PLAIN = Palette(
    "plain",
    "default",
    _roles(
        ("default", "bright_black", "bright_black", "default", "black"), ("green", "yellow", "red", "cyan", "magenta")
    ),
    plain=True,
)

MONO = Palette(
    "no colour",
    "default",
    {
        **dict.fromkeys(PLAIN.roles, "default"),
        **{role: "bold default" for role in PLAIN.roles if PLAIN.roles[role].startswith("bold")},
        **{role: "bold reverse default" for role in PLAIN.roles if role.startswith(("badge_", "tick_"))},
        "stop": "bold reverse default",
        "bad": "bold underline default",
    },
    plain=True,
)
"""For NO_COLOR on a terminal of few colours: the terminal's own two, bold, reversed, underlined."""


def depth_colours(anchors: Anchors, levels: int = DEPTH_LEVELS) -> list[str]:
    """Hexadecimal colours from low to high."""
    colours = []
    for level in range(levels):
        place = level / (levels - 1) * (len(anchors) - 1)
        low = min(int(place), len(anchors) - 2)
        share = place - low
        pair = zip(anchors[low], anchors[low + 1], strict=True)
        colours.append("#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pair))
    return colours
