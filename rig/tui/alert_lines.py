"""Alerts as lines: the few of the live screen, and all of them on a screen of their own."""

from rig.tui.alerts import Alert, AlertBoard
from rig.tui.check_list import wrapped
from rig.tui.lines import Line, fit, minutes, spread
from rig.tui.session_view import SessionView

NONE: Line = (("● no alerts", "good"),)
NONE_SINCE: Line = (("○ no alerts since this screen was opened", "text"),)
STILL = "acknowledged, still so"
INDENT = 2
MOST_LINES = 6


def said(alert: Alert) -> str:
    """Source, text, and how often."""
    times = f" ({alert.times} times)" if alert.times > 1 else ""
    return f"▲ {alert.source}: {alert.text}{times}"


def ago(time_ns: int, now_ns: int) -> str:
    """How long since."""
    age_s = max(0.0, (now_ns - time_ns) / 1e9)
    return f"{age_s:.0f} s ago" if age_s < 600 else f"{minutes(age_s * 1000)} ago"


def first_alerts(board: AlertBoard, height: int) -> list[Alert]:
    """Those of the open ones that the live screen shows: the oldest, for what follows is mostly their consequence."""
    return board.open[:height]


def alerts(view: SessionView, width: int, height: int, now_ns: int) -> list[Line]:
    """Open alerts, the oldest first; what does not fit is counted. Below, acknowledged ones that still hold."""
    board = view.alerts
    shown = first_alerts(board, height)
    more = len(board.open) - len(shown)
    rows = [(alert, ago(alert.last_ns, now_ns), "bad") for alert in shown]
    rows += [(alert, STILL, "warn") for alert in board.standing[: height - len(rows)]]
    lines: list[Line] = []
    for alert, aside, role in rows:
        words = f"and {more} more  {aside}" if more and alert is shown[-1] else aside
        lines.append(
            spread(((fit(said(alert), max(10, width - len(words) - 1)).rstrip(), role),), ((words, "dim"),), width)
        )
    if not lines:
        lines.append(NONE if view.knows_earlier else NONE_SINCE)
    return lines + [((" ", "text"),)] * (height - len(lines))


def page(board: AlertBoard, width: int, height: int, now_ns: int) -> tuple[list[Line], list[Alert]]:
    """As many open alerts as fit, each whole, the oldest first; and which they are."""
    lines: list[Line] = []
    shown: list[Alert] = []
    for alert in board.open:
        words = wrapped(said(alert), max(10, width - 16 - INDENT), MOST_LINES)
        if lines and len(lines) + len(words) > height:
            break
        first: Line = spread(((words[0], "bad"),), ((ago(alert.last_ns, now_ns), "dim"),), width)
        lines += [first, *(((" " * INDENT + word, "bad"),) for word in words[1:])]
        shown.append(alert)
    room = max(0, height - len(lines))
    lines += [spread(((said(alert), "warn"),), ((STILL, "dim"),), width) for alert in board.standing[:room]]
    return lines or [NONE], shown
