"""The log as lines, the newest first, with the session's time: a few beside the live pictures, or all of them."""

from rig.tui.check_list import wrapped
from rig.tui.lines import Line, fit, minutes
from rig.tui.session_log import LogEntry
from rig.tui.session_view import SessionView

UNKNOWN_TIME = "--:--"
TIME_WIDTH = 9
MOST_LINES = 8
LABEL = "log "


def stamp(view: SessionView, time_ns: int) -> str:
    """Time of the session, `12:34`; `-00:05` before its first frame; unknown until the session was heard."""
    if view.start_ns is None:
        return UNKNOWN_TIME
    since_ms = (time_ns - view.start_ns) / 1e6
    return minutes(since_ms) if since_ms > -1000 else f"-{minutes(-since_ms)}"


def log_strip(view: SessionView, width: int, height: int) -> list[Line]:
    """The newest entries, a line each, the label before the first."""
    if not height:
        return []
    entries = view.log.newest(height)
    labels = [LABEL, *[" " * len(LABEL)] * len(entries)]
    lines: list[Line] = [
        ((label, "title"), *_line(view, entry, width - len(label)))
        for label, entry in zip(labels, entries, strict=False)
    ]
    return lines or [((LABEL, "title"), ("nothing yet", "dim"))]


def _line(view: SessionView, entry: LogEntry, width: int) -> Line:
    time = f"{stamp(view, entry.time_ns):>5}  "
    return (time, "dim"), (fit(entry.text, width - len(time)).rstrip(), entry.role)


def log_page(view: SessionView, entries: list[LogEntry], width: int, height: int) -> tuple[list[Line], int]:
    """As many of the entries as fit, each whole; and how many these are."""
    lines: list[Line] = []
    for shown, entry in enumerate(entries):
        words = wrapped(entry.text, width - TIME_WIDTH - 2, MOST_LINES)
        if lines and len(lines) + len(words) > height:
            return lines, shown
        lines.append(((f"{stamp(view, entry.time_ns):>{TIME_WIDTH - 2}}  ", "dim"), (words[0], entry.role)))
        lines += [((" " * (TIME_WIDTH + 2) + part, entry.role),) for part in words[1:]]
    return lines[:height], len(entries)
