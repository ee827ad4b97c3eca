"""The log as lines, the newest first, with the session's time."""

from rig.tui.lines import Line, fit, minutes
from rig.tui.session_log import LogEntry
from rig.tui.session_view import SessionView

UNKNOWN_TIME = "--:--"
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
