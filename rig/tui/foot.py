"""The foot of a screen: the keys."""

from dataclasses import dataclass
from typing import Literal

from rig.tui.lines import Line, Part, spread

BADGES: dict[str, Line] = {
    "stop": ((" ! EMERGENCY STOP ", "stop"),),
    "view": ((" view only ", "badge_idle"),),
    "": (),
}


COMMON = (("?", "help"), ("F2", "colours"))
SHORT = {
    "acknowledge": "ack",
    "arm/disarm": "arm",
    "beginning": "start",
    "check again": "redo",
    "colours": "hue",
    "read again": "reread",
    "sessions": "list",
    "speed": "x",
    "syllables": "syl",
    "test pulse": "test",
}
"""Shorter words, where the screen is narrow: every key stays on it."""


@dataclass(frozen=True, slots=True)
class KeyWords:
    """The keys of a screen with their meaning; `badge` stands before them: a session.s stop key, or "view only"."""

    pairs: tuple[tuple[str, str], ...]
    badge: Literal["stop", "view", ""] = "stop"


def keys(width: int, words: KeyWords, aside: str = "") -> Line:
    """The keys, always shown, emergency stop first where the screen has control; `aside` at the right edge."""
    parts: list[Part] = list(BADGES[words.badge])
    room = width - (len(aside) + 2 if aside else 0)
    needed = sum(len(text) for text, _ in parts) + sum(len(key) + len(meaning) + 3 for key, meaning in words.pairs)
    pairs = words.pairs if needed <= room else tuple((key, SHORT.get(word, word)) for key, word in words.pairs)
    for key, meaning in pairs:
        fresh: list[Part] = [("  ", "text"), (key, "key"), (f" {meaning}", "text")]
        if sum(len(text) for text, _ in parts + fresh) > room:
            break
        parts += fresh
    return spread(tuple(parts), ((aside, "strong"),), width) if aside else tuple(parts)
