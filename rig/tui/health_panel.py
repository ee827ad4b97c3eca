"""Health and latency on the live screen's side."""

from rig.tui.lines import Line, Part, fit, number, sparkline, title, width_of
from rig.tui.session_view import SessionView

SHORT_STAGES = frozenset({"arrival", "extracted", "decoded", "pulse"})
STAGE_WORDS = {
    "arrival": "→ arrival",
    "extracted": "→ extracted",
    "decoded": "→ decoded",
    "decided": "→ decided",
    "written": "→ written",
    "executed": "→ line high",
    "pulse": "exposure → line",
}
PROCESSES = ("camera", "online", "recorder")
NARROW = 44
SILENT_MS = 1000
STRANGE = 0.95
DOUBTFUL = 0.9


def health(view: SessionView, width: int, now_ns: int, screen_lost: int) -> list[Line]:
    """Rate, losses, and whether every process and the board are heard."""
    processes: list[Part] = []
    gap = " " if width < NARROW else "  "
    for process in PROCESSES if view.facts.live else ():
        silent = view.silent_ms(f"health.{process}", now_ns)
        message = view.health.get(process)
        good = message is not None and silent is not None and silent < 1000 and message.state == "running"
        processes += [("● " if good else "○ ", "good" if good else "bad"), (process + gap, "text" if good else "bad")]
    if not view.facts.live:
        processes.append(("recorded  ", "dim"))
    board = heartbeat(view, now_ns)
    lost = view.messages_lost
    numbers: list[Part] = [
        (f"{number(view.rate_hz, 4)} Hz{gap}", "strong"),
        (f"dropped {so_far(view, view.dropped_by_camera)}{gap}", "warn" if view.dropped_by_camera else "text"),
        (f"lost {lost}{gap}", "bad" if lost else "text"),
    ]
    blind: Line = ((f"blind {so_far(view, view.without_evidence)}", "text"),)
    if width < NARROW:
        return [title("health", width), tuple(processes), (*numbers, *blind), doubts(view, board, width)]
    missed: Line = ((f"  screen missed {screen_lost}", "dim"),) if screen_lost else ()
    return [title("health", width), tuple(processes), (*numbers, *blind, *missed), doubts(view, board, width)]


def so_far(view: SessionView, count: int) -> str:
    """A count over the session; "-", or at least so many ("3+"), until what was before the screen is known."""
    if view.knows_earlier:
        return str(count)
    return f"{count}+" if count else "-"


def heartbeat(view: SessionView, now_ns: int) -> Line:
    """Whether the board hears the frame loop: it arms nothing, and disarms itself, without its heartbeat."""
    silent_ms = view.silent_ms("SessionStatus", now_ns)
    if view.status is None or silent_ms is None or (view.facts.live and silent_ms > SILENT_MS):
        return (("○ ", "bad"), ("board", "bad"))
    beats = view.status.armed
    return (("● " if beats else "○ ", "good" if beats else "warn"), ("board" if beats else "board disarmed", "text"))


def doubts(view: SessionView, board: Line, width: int) -> Line:
    """Board, novelty, heading and disk, as far as there is room."""
    novelty = None if view.syllables is None or view.stale("Syllables") else view.syllables.novelty
    heading = None if view.pose is None or view.stale("Pose") else view.pose.heading_probability
    gap = " " if width < NARROW else "  "
    line: list[Part] = [*board]
    for name, text, role in (
        ("novelty", number(novelty, 0, 2), "warn" if novelty is not None and novelty > STRANGE else "text"),
        ("heading", number(heading, 0, 2), "warn" if heading is not None and heading < DOUBTFUL else "text"),
        ("disk", f"{view.disk_free_gb:.0f} GB" if view.disk_free_gb is not None else "", "text"),
    ):
        fresh: list[Part] = [(f"{gap}{name} ", "dim"), (text, role)]
        if text and width_of([*line, *fresh]) <= width:
            line += fresh
    return tuple(line)


def latency(view: SessionView, width: int) -> list[Line]:
    """A line a stage with p50, p95 and the largest; below, the last frames as a sparkline."""
    label_width = max(8, width - 21)
    lines: list[Line] = [
        (
            (fit("latency, ms", label_width), "title"),
            (f"{'p50':>7}{'p95':>7}{'max':>7}", "dim"),
        )
    ]
    for row in view.latency.rows():
        role = "strong" if row.stage == "pulse" else "text"
        values = "".join(number(v, 7) for v in (row.p50_ms, row.p95_ms, row.max_ms))
        lines.append(((fit(STAGE_WORDS[row.stage], label_width), "dim" if role == "text" else role), (values, role)))
    lines.append(
        (("decoded  ", "dim"), (sparkline(view.latency.frame_totals_ms, width - 9), "info")),
    )
    return lines
