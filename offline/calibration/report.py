"""What calibration found, as tables and a picture."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from offline.calibration.calibrate import BEST, PUBLISHED, Calibrated, rule_name
from offline.calibration.evidence import ONE_PHASE
from online.files.whole_file import whole_file

FIGURES = ("precision", "recall", "delay_ms", "false_per_minute", "precision_with_slop")
COLOURS = ("#000000", "#e69f00", "#d55e00", "#cc79a7", "#56b4e9", "#009e73", "#0072b2", "#f0e442")


def rows_of(found: Calibrated) -> list[dict[str, Any]]:
    """A row for each kind of rule: the thresholds chosen on all recordings, and how well such choosing does on data
    that it has not seen, with 95 % intervals."""
    rows = []
    for rule, choice in found.choices.items():
        candidate, judged = found.candidates[choice.candidate], found.judged[rule]
        kind = found.kinds[candidate.kind]
        row: dict[str, Any] = {
            "target": found.goal.name,
            "rule": rule,
            "evidence": kind.kind,
            "evidence_ms": kind.time_ms or None,
            "enter": round(candidate.enter, 4),
            "exit": round(candidate.exit, 4),
            "dwell_ms": candidate.dwell_ms,
            "precision_reached_when_choosing": choice.reached,
        }
        for name in FIGURES:
            row[name] = _number(getattr(judged.figures, name))
            row[f"{name}_low"], row[f"{name}_high"] = (_number(getattr(e, name)) for e in (judged.low, judged.high))
        rows.append(row | {"bouts": found.bouts, "minutes": round(found.minutes, 2), "method": judged.method})
    return rows


def _number(value: Any) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None


def write_table(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Rows as CSV."""
    with whole_file(out) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_frontier(results: Sequence[Calibrated], out: Path) -> None:
    """Every candidate's figures over all recordings, as CSV."""
    with whole_file(out) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("target", "evidence", "evidence_ms", "enter", "exit", "dwell_ms", *FIGURES))
        for found in results:
            columns = [getattr(found.frontier, name) for name in FIGURES]
            for candidate, *values in zip(found.candidates, *columns, strict=True):
                kind = found.kinds[candidate.kind]
                rule = (
                    kind.kind,
                    kind.time_ms,
                    round(candidate.enter, 4),
                    round(candidate.exit, 4),
                    candidate.dwell_ms,
                )
                writer.writerow((found.goal.name, *rule, *(_number(value) for value in values)))


def as_text(results: Sequence[Calibrated], precision: float) -> list[str]:
    """A table for each target."""
    lines = [f"thresholds for a precision of {precision:g}; figures are of recordings that they were not chosen on"]
    for found in results:
        lines.append(f"\n{found.goal.name}: {found.bouts} bouts in {found.minutes:.1f} min")
        lines.append(
            f"  {'rule':<16} {'enter':>6} {'exit':>6} {'dwell':>6}   {'precision':<20} {'recall':>7} {'delay':>8} "
            f"{'false/min':>9} {'with slop':>9}"
        )
        for row in rows_of(found):
            unreached = "" if row["precision_reached_when_choosing"] else "  (precision not reached)"
            interval = f"{_text(row['precision'])} ({_text(row['precision_low'])}-{_text(row['precision_high'])})"
            lines.append(
                f"  {row['rule']:<16} {row['enter']:>6.3f} {row['exit']:>6.3f} {row['dwell_ms']:>6g}   {interval:<20} "
                f"{_text(row['recall']):>7} {_text(row['delay_ms'], 1):>8} {_text(row['false_per_minute']):>9} "
                f"{_text(row['precision_with_slop']):>9}{unreached}"
            )
    if results:
        lines.append(f"\n{results[0].judged[BEST].method}")
    return lines + [line for found in results for line in missed(found, precision)]


def missed(found: Calibrated, precision: float) -> list[str]:
    """A line where the recommended rule did not keep the precision asked for on data that it was not chosen on."""
    judged, reached = found.judged[BEST], found.choices[BEST].reached
    held, *bounds = (float(figures.precision) for figures in (judged.figures, judged.low, judged.high))
    if reached and held >= precision:
        return []
    low, high = (_text(_number(bound)) for bound in bounds)
    return [
        f"{found.goal.name}: precision {_text(_number(held))} ({low}-{high}) where it was not chosen, {precision:g} "
        f"was asked for: NOT REACHED with {found.bouts} bouts in {found.minutes:.1f} min; record more, or choose "
        "another target, before an animal runs with it"
    ]


def _text(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def draw_frontier(results: Sequence[Calibrated], precision: float, out: Path) -> None:
    """For each target, recall and delay against precision: the best of each kind of evidence at every precision."""
    height = 2.6 * len(results) + 0.8
    figure = Figure(figsize=(11, height), layout="constrained")
    axes = figure.subplots(len(results), 2, squeeze=False, sharex=True)
    for (left, right), found in zip(axes, results, strict=True):
        _draw_one(left, found, "recall", precision)
        _draw_one(right, found, "delay_ms", precision)
        name = f"syllable {found.goal.name}" if found.goal.name.isdigit() else found.goal.name
        left.set_ylabel(f"{name}\nrecall")
        right.set_ylabel("delay, ms")
        published_ms = float(found.frontier.delay_ms[found.choices[PUBLISHED].candidate])
        if published_ms > 0:
            right.set_ylim(0, 3 * published_ms)
    for axis in axes[-1]:
        axis.set_xlabel("precision (exact, current frame)")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=5, frameon=False, fontsize=8)
    with whole_file(out) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _draw_one(axis: Axes, found: Calibrated, what: str, precision: float) -> None:
    grid = np.linspace(0.5, 0.995, 100)
    published = np.array([c.kind == 0 and c.dwell_ms == 0 and c.exit == c.enter for c in found.candidates])
    of_kind = np.array([candidate.kind for candidate in found.candidates])
    masks = [
        (rule_name(kind), of_kind == number, COLOURS[number], "-")
        for number, kind in enumerate(found.kinds)
        if kind != ONE_PHASE
    ]
    for name, mask, colour, style in (*masks, (PUBLISHED, published, "#000000", ":")):
        axis.plot(grid, _envelope(found, mask, what, grid), style, color=colour, label=name, linewidth=1.4)
    best = found.choices[BEST].candidate
    axis.plot(found.frontier.precision[best], getattr(found.frontier, what)[best], "o", color="#d55e00", label="chosen")
    axis.axvline(precision, color="#999999", linewidth=0.8)
    axis.set_xlim(grid[0], 1.0)
    axis.grid(color="#dddddd", linewidth=0.5)


def _envelope(found: Calibrated, mask: np.ndarray[Any, Any], what: str, grid: np.ndarray[Any, Any]) -> list[float]:
    """The best that a kind of rule reaches at each precision or better."""
    precision, values = found.frontier.precision[mask], getattr(found.frontier, what)[mask]
    pick = np.max if what == "recall" else np.min
    return [float(pick(values[precision >= p])) if (precision >= p).any() else float("nan") for p in grid]
