"""The foot of the live screen: alerts, and the keys."""

from dataclasses import dataclass
from typing import Literal

from rig.tui.lines import Line, Part, fit, minutes, spread
from rig.tui.session_view import SessionView

BADGES: dict[str, Line] = {
    "stop": ((" ! EMERGENCY STOP ", "stop"),),
    "view": ((" view only ", "badge_idle"),),
    "": (),
}


NOT_KNOWN: Line = (("○ no alerts since this screen was opened", "text"),)
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


def alerts(view: SessionView, width: int, height: int, now_ns: int) -> list[Line]:
    """Open alerts, the newest last; what does not fit is counted."""
    waiting = view.alerts.open
    if not waiting:
        known: Line = (("● no alerts", "good"),)
        return [known if view.knows_earlier else NOT_KNOWN, *([((" ", "text"),)] * (height - 1))]
    shown = waiting[-height:]
    lines: list[Line] = []
    for alert in shown:
        times = f" ({alert.times} times)" if alert.times > 1 else ""
        age_s = max(0.0, (now_ns - alert.last_ns) / 1e9)
        ago = f"{age_s:.0f} s ago" if age_s < 600 else f"{minutes(age_s * 1000)} ago"
        if alert is shown[0] and len(shown) < len(waiting):
            ago = f"and {len(waiting) - len(shown)} earlier  {ago}"
        words = fit(f"▲ {alert.source}: {alert.text}{times}", max(10, width - len(ago) - 1)).rstrip()
        lines.append(spread(((words, "bad"),), ((ago, "dim"),), width))
    return lines + [((" ", "text"),)] * (height - len(lines))


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
