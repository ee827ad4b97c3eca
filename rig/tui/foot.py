"""The foot of a screen: the keys."""

from dataclasses import dataclass
from typing import Literal

from rig.tui.lines import Line, Part, spread, width_of

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
    "newest": "new",
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
    """The keys, always shown, emergency stop first where the screen has control; `aside` at the right edge. Where
    there is little room, shorter words, as few as will do, and then less space between them."""
    badge = list(BADGES[words.badge])
    room = width - (len(aside) + 2 if aside else 0)
    pairs, gap = dict(words.pairs), "  "
    saving = {key: len(word) - len(SHORT.get(word, word)) for key, word in words.pairs}

    def drawn() -> list[Part]:
        return badge + [
            part for key, word in pairs.items() for part in ((gap, "text"), (key, "key"), (f" {word}", "text"))
        ]

    for key in sorted(pairs, key=lambda key: -saving[key]):
        if width_of(drawn()) > room:
            pairs[key] = SHORT.get(pairs[key], pairs[key])
    if width_of(drawn()) > room:
        gap = " "
    while width_of(drawn()) > room and pairs:
        pairs.popitem()
    parts = tuple(drawn())
    return spread(parts, ((aside, "strong"),), width) if aside else parts
