"""The check list as lines."""

import textwrap

from rig.tui.checks import Check
from rig.tui.lines import Line, fit, title

SIGNS = {
    "waiting": ("○", "dim"),
    "running": ("◌", "info"),
    "good": ("●", "good"),
    "warning": ("▲", "warn"),
    "bad": ("✕", "bad"),
}


def lines_of(checks: list[Check], width: int, height: int) -> list[Line]:
    """A line for each check; the reason beneath what is not good.

    Where all of it does not fit, what is good shares a line, and then long reasons are cut, so that everything that
    keeps a session from starting is seen.
    """
    lines = [title("checks", width), *(line for check in checks for line in _lines_of(check, width, height))]
    if len(lines) <= height:
        return lines
    others = [check for check in checks if check.state != "good"]
    sign, role = SIGNS["good"]
    good: Line = ((f"{sign} ", role), (f"{len(checks) - len(others)} others are good", "dim"))
    for most in range(height, 0, -1):
        lines = [title("checks", width), *(line for check in others for line in _lines_of(check, width, most)), good]
        if len(lines) <= height:
            break
    return lines


def _lines_of(check: Check, width: int, most: int) -> list[Line]:
    sign, role = SIGNS[check.state]
    name = fit(check.title, min(32, width - 4)).rstrip()
    if check.state in ("bad", "warning"):
        reason = wrapped(check.detail, width - 4, most)
        return [((f"{sign} ", role), (name, role)), *(((f"    {part}", "text"),) for part in reason)]
    room = width - len(name) - 4
    return [((f"{sign} ", role), (f"{name}  ", "text"), (fit(check.detail, room).rstrip(), "dim"))]


def wrapped(text: str, width: int, most: int = 5) -> list[str]:
    """Text broken between words, and within one that is too long (a path); `most` lines at most."""
    lines = [
        part for paragraph in text.splitlines() for part in textwrap.wrap(paragraph.strip(), max(width, 8)) or [""]
    ]
    return lines if len(lines) <= most else [*lines[: most - 1], "…"]
