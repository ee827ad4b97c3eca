"""What the summary screen says of a finished session, as lines."""

from textwrap import wrap
from typing import Any

import numpy as np

from rig.summary import alert_kinds, strangeness
from rig.tui.digest import Digest
from rig.tui.lines import Line, Part, fit, minutes, number, spread, title
from rig.tui.plots import binned, columns, curve, overlay, shares

MOST_USED = 10


def numbers(digest: Digest, width: int) -> list[Line]:
    """How it ended, alerts, rules, board, latencies, frames."""
    summary = digest.summary
    lines = [*_ending(digest, width)]
    if "unreadable" in summary:
        return [*lines, *_wrapped(summary["unreadable"], width, "bad")]
    return [
        *lines,
        *(_wrapped(f"▲ {strange}", width, "warn") if (strange := strangeness(summary)) else []),
        *_alerts(summary["alerts"], width),
        *_rules(summary["trials"], width),
        *_board(summary, width),
        *_latency(digest, width),
        *_frames(summary, width),
    ]


def window(lines: list[Line], first: int, height: int) -> list[Line]:
    """`height` lines from `first` on; where some are left out, the edge says how many."""
    shown = lines[first : first + height]
    below = len(lines) - first - height
    if first > 0 and shown:
        shown[0] = ((f"↑ {first + 1} more", "dim"),)
    if below > 0 and shown:
        shown[-1] = ((f"↓ {below + 1} more", "dim"),)
    return shown


def _ending(digest: Digest, width: int) -> list[Line]:
    sign: Part = ("▲ ", "bad") if digest.failures else ("● ", "good")
    first, *others = _wrapped(digest.reason, width - 2, "strong")
    lines: list[Line] = [(sign, *first), *((("  ", "text"), *other) for other in others)]
    for failure in digest.failures:
        lines += _wrapped(f"▲ {failure}", width, "bad")
    if line := digest.summary.get("ending", {}).get("line"):
        lines += _wrapped(f"line: {line}", width, "text")
    return lines


def _alerts(alerts: list[dict[str, Any]], width: int) -> list[Line]:
    """One line for each kind, as `etholoop run` prints them."""
    if not alerts:
        return []
    told = [_wrapped(text, width, "warn") for text in alert_kinds(alerts)]
    return [title(f"alerts: {len(alerts)}", width), *(line for lines in told for line in lines)]


def _rules(trials: dict[str, Any], width: int) -> list[Line]:
    lines: list[Line] = [title("rules", width)]
    for rule, counts in trials.items():
        totals: Line = (
            ("▲", "pulse"),
            (f"{counts['pulses']:<6}", "text"),
            ("△", "catch"),
            (f"{counts['catches']:<6}", "text"),
        )
        lines.append(spread(((rule, "strong"),), totals, width))
        if counts["not_executed"]:
            lines.append(_row("  never executed by the board", counts["not_executed"], width, "bad"))
        refused = sorted(counts["refused"].items(), key=lambda item: -item[1])
        lines += [_row(f"  ✕ {reason}", count, width) for reason, count in refused]
    return lines


def _board(summary: dict[str, Any], width: int) -> list[Line]:
    commands = summary["commands"]
    lines: list[Line] = [title("board", width), _row("pulses sent", commands["sent"], width)]
    lines += [_row(f"  {name}", commands[name], width, "bad") for name in ("refused", "lost", "unanswered")]
    lines.append(_row("  executed", commands["executed"], width))
    for name, seen in summary["loopback"].items():
        lines.append(_row(f"  {name}: not seen on its input", seen["pulses"] - seen["seen"], width, "bad"))
        lines.append(_row(f"  {name}: seen, not asked for", seen["unasked"], width, "bad"))
    return lines


def _frames(summary: dict[str, Any], width: int) -> list[Line]:
    frames = summary["frames"]
    return [
        title("frames", width),
        _row("recorded", frames["recorded"], width),
        _row("decoded", frames["decoded"], width),
        _row("dropped by the camera", frames["dropped_by_camera"], width, "warn"),
        _row("messages lost", sum(summary["messages_lost"].values()), width, "bad"),
        _row("without the mouse", frames["mouse_missing"], width),
        _row("without evidence", frames["without_evidence"], width),
    ]


def _wrapped(text: str, width: int, role: str) -> list[Line]:
    return [((line, role),) for line in wrap(text, max(width, 10)) or [""]]


def _row(name: str, value: int, width: int, role_if_any: str = "text") -> Line:
    return ((fit(name, width - 9), "dim"), (f"{value:9d}", role_if_any if value else "text"))


def _latency(digest: Digest, width: int) -> list[Line]:
    label = max(10, width - 28)
    heading: list[Part] = [(fit("latency, ms", label), "title"), (f"{'p50':>7}{'p95':>7}{'p99':>7}{'max':>7}", "dim")]
    lines: list[Line] = [tuple(heading)]
    for stage, row in digest.summary["latency_ms"].items():
        values = "".join(number(row[p], 7) for p in ("p50", "p95", "p99", "max"))
        lines.append(((fit(stage, label), "dim"), (values, "text")))
    return lines


def pictures(digest: Digest, width: int, height: int) -> list[Line]:
    """Cumulative pulses and catches over the session, the most used syllables, latencies."""
    lines: list[Line] = [
        (
            *title("pulses and catches, cumulative", width - 20)[:1],
            ("  ▲", "pulse"),
            (" pulses  ", "dim"),
            ("△", "catch"),
            (" catches", "dim"),
        ),
        *_cumulative(digest, width, max(4, height // 4)),
        _axis("0", f"{minutes(digest.duration_min * 60_000)} min", width),
    ]
    if digest.usage.size:
        order = np.argsort(-digest.usage)[: min(MOST_USED, max(3, height // 3))]
        named = [(f"{k} {digest.names.get(int(k), '')}".strip(), float(digest.usage[k])) for k in order]
        lines += [title("most used syllables, share of frames", width), *shares(named, width)]
    values = digest.pulse_latency_ms
    if values.size:
        top = float(max(values.max(), 1.0))
        lines += [
            title("exposure to line, ms: how many pulses", width),
            *columns(binned(values, 0.0, top, width), max(3, height // 8), "info"),
            _axis("0", f"{top:.0f} ms", width),
        ]
    return lines[:height]


def _cumulative(digest: Digest, width: int, height: int) -> list[Line]:
    top = float(max(len(digest.pulse_min), len(digest.catch_min), 1))
    span = (0.0, max(digest.duration_min, 1e-6))
    one, two = (
        curve(times, np.arange(1.0, len(times) + 1), span, (width - 5, height), top)
        for times in (digest.pulse_min, digest.catch_min)
    )
    rows = overlay(one, two)
    labels = [f"{top:4.0f} ", *["     "] * (height - 2), "   0 "]
    return [((label, "dim"), *row) for label, row in zip(labels, rows, strict=True)]


def _axis(low: str, high: str, width: int) -> Line:
    return spread(((low, "dim"),), ((high, "dim"),), width)


def next_steps(digest: Digest) -> list[Line]:
    """Where the data are, and what to do with them."""
    folder = digest.folder
    protocol = folder / "protocol.toml"
    return [
        (("data      ", "dim"), (str(folder), "strong")),
        (("again     ", "dim"), (f"etholoop watch {folder}", "text")),
        (("replay    ", "dim"), (f"etholoop replay {folder} --protocol {protocol}", "text")),
    ]
