"""The check list as lines."""

from rig.tui.checks import Check
from rig.tui.lines import Line, fit, title

SIGNS = {
    "waiting": ("○", "dim"),
    "running": ("◌", "info"),
    "good": ("●", "good"),
    "warning": ("▲", "warn"),
    "bad": ("✕", "bad"),
}


def lines_of(checks: list[Check], width: int) -> list[Line]:
    """A line for each check; the reason beneath what is not good."""
    lines: list[Line] = [title("checks", width)]
    for check in checks:
        sign, role = SIGNS[check.state]
        name = fit(check.title, min(32, width - 4)).rstrip()
        if check.state in ("bad", "warning"):
            lines.append(((f"{sign} ", role), (name, role)))
            lines += [((f"    {part}", "text"),) for part in wrapped(check.detail, width - 4)]
        else:
            room = width - len(name) - 4
            lines.append(((f"{sign} ", role), (f"{name}  ", "text"), (fit(check.detail, room).rstrip(), "dim")))
    return lines


def wrapped(text: str, width: int, most: int = 5) -> list[str]:
    """Text broken between words; `most` lines at most."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            if line and len(line) + 1 + len(word) > width:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}".strip()
        lines.append(line)
    return lines if len(lines) <= most else [*lines[: most - 1], "…"]
