"""Health on the live screen's side: processes and board, rate and losses, doubts."""

from rig.tui.block_panel import so_far
from rig.tui.lines import Line, Part, number, width_of
from rig.tui.session_view import SessionView

PROCESSES = ("camera", "online", "recorder")
NARROW = 44
SILENT_MS = 1000
STRANGE = 0.95
DOUBTFUL = 0.9


def health(view: SessionView, width: int, now_ns: int, screen_lost: int) -> list[Line]:
    """Three lines: whether every process and the board are heard; rate and losses; novelty, heading and disk."""
    gap = " " if width < NARROW else "  "
    lost = view.messages_lost
    numbers: list[Part] = [
        (f"{number(view.rate_hz, 4)} Hz{gap}", "strong"),
        (f"dropped {so_far(view, view.dropped_by_camera)}{gap}", "warn" if view.dropped_by_camera else "text"),
        (f"lost {lost}{gap}", "bad" if lost else "text"),
        (f"blind {so_far(view, view.without_evidence)}", "text"),
    ]
    missed: Part = (f"{gap}screen missed {screen_lost}", "dim")
    if screen_lost and width_of([*numbers, missed]) <= width:
        numbers.append(missed)
    return [_processes(view, width, now_ns), tuple(numbers), doubts(view, width)]


def _processes(view: SessionView, width: int, now_ns: int) -> Line:
    line: list[Part] = [("health ", "title")] if width >= NARROW else []
    for process in PROCESSES if view.facts.live else ():
        silent = view.silent_ms(f"health.{process}", now_ns)
        message = view.health.get(process)
        good = message is not None and silent is not None and silent < SILENT_MS and message.state == "running"
        line += [("● " if good else "○ ", "good" if good else "bad"), (f"{process} ", "text" if good else "bad")]
    if not view.facts.live:
        line.append(("recorded ", "dim"))
    sign, board = heartbeat(view, now_ns)
    disarmed: Part = ("board disarmed", "text")
    return (*line, sign, disarmed if sign[1] == "warn" and width_of([*line, sign, disarmed]) <= width else board)


def heartbeat(view: SessionView, now_ns: int) -> tuple[Part, Part]:
    """Whether the board hears the frame loop: it arms nothing, and disarms itself, without its heartbeat."""
    silent_ms = view.silent_ms("SessionStatus", now_ns)
    if view.status is None or silent_ms is None or (view.facts.live and silent_ms > SILENT_MS):
        return ("○ ", "bad"), ("board", "bad")
    return (("● ", "good") if view.status.armed else ("○ ", "warn")), ("board", "text")


def doubts(view: SessionView, width: int) -> Line:
    """Novelty, heading and disk."""
    novelty = None if view.syllables is None or view.stale("Syllables") else view.syllables.novelty
    heading = None if view.pose is None or view.stale("Pose") else view.pose.heading_probability
    gap = " " if width < NARROW else "  "
    line: list[Part] = []
    for name, text, role in (
        ("novelty", number(novelty, 0, 2), "warn" if novelty is not None and novelty > STRANGE else "text"),
        ("heading", number(heading, 0, 2), "warn" if heading is not None and heading < DOUBTFUL else "text"),
        ("disk", f"{view.disk_free_gb:.0f} GB" if view.disk_free_gb is not None else "", "text"),
    ):
        if text:
            line += [(f"{gap if line else ''}{name} ", "dim"), (text, role)]
    return tuple(line)
