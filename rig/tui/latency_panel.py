"""Latency on the live screen's side: a row a stage, with what it was over the last seconds or pulses."""

from rig.tui.latency import FRAME_STAGES, STAGES, WINDOW_S, StageRow
from rig.tui.lines import Line, Part, fit, sparkline
from rig.tui.session_view import SessionView

WIDE = 44
COLUMN = 5
WORDS = {
    "arrival": "→ arrival",
    "extracted": "→ extracted",
    "decoded": "→ decoded",
    "decided": "→ decided",
    "written": "→ written",
    "executed": "→ line high",
    "pulse": "exposure → line",
}
NARROW_WORDS = WORDS | {"pulse": "all to line"}
BY_WEIGHT = ("pulse", "decoded", "extracted", "arrival", "executed", "written", "decided")
ALL_ROWS = len(STAGES) + 2


def milliseconds(value: float | None) -> str:
    """At most four figures, right-aligned; a dash where it is not known."""
    words = "-" if value is None else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
    return words.rjust(COLUMN)


def latency(view: SessionView, width: int, height: int) -> list[Line]:
    """The weightiest stages that fit: median, 95th percentile, largest, and a sparkline.

    Those of every frame are of the last seconds, those of a pulse of the last pulses: a heading of its own says so, or
    the first of their rows.
    """
    if height < 2:
        return []
    words = WORDS if width >= WIDE else NARROW_WORDS
    label_width = 16 if width >= WIDE else 11
    spark_width = max(0, width - label_width - 3 * COLUMN - 1)
    shown = set(BY_WEIGHT[: height - 1])
    rows = [row for row in view.latency.rows(spark_width) if row.stage in shown]
    columns = "".join(f"{name:>{COLUMN}}" for name in ("p50", "p95", "max"))
    heading = (fit("latency, ms", label_width), "title"), (columns, "dim")
    lines: list[Line] = [(*heading, (fit(f" last {WINDOW_S} s", spark_width + 1), "dim"))]
    of_pulses = f"{' last' if width >= WIDE else ''} {counted(view.latency.num_pulses)}"
    apart = height >= ALL_ROWS
    for row in rows:
        if row.stage not in FRAME_STAGES and of_pulses:
            if apart:
                lines.append(((fit("of a pulse", width - spark_width - 1), "dim"), (of_pulses, "dim")))
                of_pulses = ""
            else:
                lines.append(_row(row, words[row.stage], label_width, (fit(of_pulses, spark_width + 1), "dim")))
                of_pulses = ""
                continue
        lines.append(_row(row, words[row.stage], label_width, (f" {sparkline(row.course_ms, spark_width)}", "info")))
    return lines


def counted(pulses: int) -> str:
    """So many pulses, in words."""
    return "1 pulse" if pulses == 1 else f"{pulses} pulses"


def _row(row: StageRow, words: str, label_width: int, course: Part) -> Line:
    role = "strong" if row.stage == "pulse" else "text"
    values = "".join(milliseconds(value) for value in (row.p50_ms, row.p95_ms, row.max_ms))
    return (fit(words, label_width), "dim" if role == "text" else role), (values, role), course
