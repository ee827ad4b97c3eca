"""What the summary screen says of a finished session, as lines."""

import numpy as np

from rig.tui.digest import Digest
from rig.tui.lines import Line, Part, fit, minutes, number, spread, title
from rig.tui.plots import binned, columns, curve, overlay, shares

MOST_USED = 10


def numbers(digest: Digest, width: int) -> list[Line]:
    """Frames, rules, board, latencies."""
    summary = digest.summary
    good = not digest.failures
    lines: list[Line] = [(("● " if good else "▲ ", "good" if good else "bad"), (digest.reason, "strong"))]
    lines += [((f"▲ {failure}", "bad"),) for failure in digest.failures]
    if "unreadable" in summary:
        return [*lines, ((summary["unreadable"], "bad"),)]
    frames = summary["frames"]
    lost = sum(summary["messages_lost"].values())
    lines += [
        title("frames", width),
        _row("recorded", frames["recorded"], width),
        _row("decoded", frames["decoded"], width),
        _row("dropped by the camera", frames["dropped_by_camera"], width, "warn"),
        _row("messages lost", lost, width, "bad"),
        _row("without the mouse", frames["mouse_missing"], width),
        _row("without evidence", frames["without_evidence"], width),
        title("rules", width),
    ]
    for rule, counts in summary["trials"].items():
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
    commands = summary["commands"]
    lines += [title("board", width), _row("pulses sent", commands["sent"], width)]
    lines += [_row(f"  {name}", commands[name], width, "bad") for name in ("refused", "lost", "unanswered")]
    lines.append(_row("  executed", commands["executed"], width))
    for name, seen in summary["loopback"].items():
        lines.append(_row(f"  {name}: not seen on its input", seen["pulses"] - seen["seen"], width, "bad"))
        lines.append(_row(f"  {name}: seen, not asked for", seen["unasked"], width, "bad"))
    lines += _latency(digest, width)
    return lines


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
