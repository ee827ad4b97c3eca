"""A scan in words, for programs, and as a picture."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from offline.scan.choose import INDIFFERENT_NATS, Standing
from offline.scan.run import ScanResult, Stage
from offline.scan.trials import Candidate, Trial
from offline.training_pictures import COLOURS, LONGEST_SHOWN_MS, save_figure
from online.model import Array

HEADINGS = ("held out", "behind", "bouts", "blocks", "95 %")


def as_json(result: ScanResult) -> dict[str, Any]:
    """Every figure."""
    agreement, kept = result.agreement, result.kept
    return {
        "chosen": _candidate(kept.candidate),
        "stages": [
            {
                "setting": stage.name,
                "chosen": _value(stage.chosen, stage.name),
                "reason": stage.reason,
                "rows": [_row(row) | {"value": _value(row.candidate, stage.name)} for row in stage.rows],
            }
            for stage in result.stages
        ],
        "trials": [_candidate(t.candidate) | {"held_out_per_frame": t.held_out_per_frame} for t in result.trials],
        "restarts": {
            "seeds": [t.candidate.seed for t in result.restarts],
            "expected_marginal_log_likelihood": agreement.expected.tolist(),
            "kept_seed": kept.candidate.seed,
            "ami": agreement.ami.tolist(),
            "share_of_restarts_that_have_syllable": agreement.found.tolist(),
            "stable_syllables": agreement.stable.tolist(),
        },
        "failed": result.complaints,
    }


def in_words(result: ScanResult) -> list[str]:
    """Lines for the person: a table for each setting, the reason, and how the restarts agree."""
    lines = []
    for stage in result.stages:
        lines.append(f"{stage.name:>12}  " + "  ".join(f"{heading:>9}" for heading in HEADINGS))
        lines += [_line(stage, row) for row in stage.rows]
        lines.append(stage.reason)
    agreement, kept = result.agreement, result.kept
    count = len(result.restarts)
    if count < 2:
        return [*lines, "one restart only: nothing to compare it with (--restarts)"]
    pairs = agreement.ami[np.tril_indices(count, -1)]
    stable = len(agreement.stable)
    usage = float(kept.fit.usage[agreement.stable].sum())
    lines.append(
        f"of {count} restarts the one with seed {kept.candidate.seed} has the best expected marginal log-likelihood "
        f"({agreement.expected.max():.3f} nats a frame, worst {agreement.expected.min():.3f}); they agree at AMI "
        f"{pairs.min():.2f} to {pairs.max():.2f}"
    )
    lines.append(
        f"{stable} of its {kept.fit.model.num_syllables} syllables, {usage:.0%} of frames, are found by most of the "
        "others: trust these most"
    )
    return lines


def _line(stage: Stage, row: Standing) -> str:
    mark = "*" if row.candidate == stage.chosen else ("=" if row.as_good else " ")
    blocks = "" if row.ratio is None else f"x {row.ratio:.2f}"
    bouts = f"{row.median_ms:.0f} ms" if np.isfinite(row.median_ms) else "none"
    value = _shown(row.candidate, stage.name)
    return f"{mark} {value:>10}  {row.held_out:9.3f}  {row.behind:9.3f}  {bouts:>9}  {blocks:>9}  {row.syllables:9.1f}"


def _value(candidate: Candidate, setting: str) -> float | int | str:
    match setting:
        case "kappa":
            return candidate.kappa
        case "innovations":
            return "Student-t" if candidate.student_t else "Gaussian"
        case "lags":
            return candidate.num_lags
    return candidate.num_components


def _shown(candidate: Candidate, setting: str) -> str:
    value = _value(candidate, setting)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "kappa": candidate.kappa,
        "lags": candidate.num_lags,
        "pcs": candidate.num_components,
        "student_t": candidate.student_t,
        "seed": candidate.seed,
    }


def _row(row: Standing) -> dict[str, Any]:
    return {
        "restarts": row.restarts,
        "held_out_per_frame": row.held_out,
        "behind_best": row.behind,
        "standard_error": row.standard_error,
        "as_good_as_best": row.as_good,
        "syllables_for_95_percent": row.syllables,
        "median_duration_ms": row.median_ms,
        "duration_over_block": row.ratio,
        "jensen_shannon": row.js,
    }


def draw_scan(path: Path, result: ScanResult, blocks_s: Array | None, frame_ms: float) -> None:
    """Held-out log-likelihood and durations over each setting, durations against blocks, the restarts' agreement."""
    columns = len(result.stages) + 1
    figure = Figure(figsize=(3.6 * columns, 6.4), layout="constrained")
    axes = figure.subplots(2, columns, squeeze=False)
    for column, stage in enumerate(result.stages):
        _draw_stage(axes[0, column], axes[1, column], stage, result.trials, blocks_s)
    _draw_durations(axes[0, -1], result, blocks_s, frame_ms)
    _draw_agreement(axes[1, -1], result)
    save_figure(figure, path)


def _draw_stage(upper: Any, lower: Any, stage: Stage, trials: list[Trial], blocks_s: Array | None) -> None:
    rows = stage.rows
    places = np.arange(len(rows))
    names = [_shown(row.candidate, stage.name) for row in rows]
    for place, row in zip(places, rows, strict=True):
        each = [t.held_out_per_frame for t in trials if t.candidate.kind == row.candidate]
        upper.plot([place] * len(each), each, "o", ms=4, mfc="none", color=COLOURS[4])
    upper.errorbar(
        places, [r.held_out for r in rows], [r.standard_error for r in rows], fmt="o-", color=COLOURS[0], ms=4, lw=1
    )
    best = max(row.held_out for row in rows)
    upper.axhspan(best - INDIFFERENT_NATS, best, color="0.9", zorder=0)
    chosen = next(i for i, row in enumerate(rows) if row.candidate == stage.chosen)
    for axes in (upper, lower):
        axes.axvline(chosen, color=COLOURS[5], lw=0.8, ls="--")
        axes.set_xticks(places, names, fontsize=8)
        axes.set_xlabel(stage.name)
    upper.set_ylabel("held-out nats a frame")
    top_ms = max((row.median_ms for row in rows if np.isfinite(row.median_ms)), default=np.nan)
    lower.plot(places, [row.median_ms for row in rows], "o-", color=COLOURS[2], ms=4, lw=1, label="bouts")
    if blocks_s is not None and len(blocks_s):
        median_ms = 1000 * float(np.median(blocks_s))
        resolved_ms = [np.nan if row.ratio is None else row.ratio * median_ms for row in rows]
        lower.plot(places, resolved_ms, "s--", color=COLOURS[1], ms=4, lw=1, label="as changepoints would see them")
        lower.axhline(median_ms, color="0.4", lw=1, ls=":", label=f"changepoints' blocks, {median_ms:.0f} ms")
        lower.legend(frameon=False, fontsize=8)
        top_ms = float(np.nanmax([top_ms, median_ms, *resolved_ms]))
    lower.set_ylabel("median duration (ms)")
    lower.set_ylim(0, 1.25 * top_ms if np.isfinite(top_ms) else None)


def _draw_durations(axes: Any, result: ScanResult, blocks_s: Array | None, frame_ms: float) -> None:
    bins = np.arange(0.5, LONGEST_SHOWN_MS / frame_ms, 2) * frame_ms
    shown = {"bouts of the model kept": result.kept.durations_frames * frame_ms}
    if blocks_s is not None:
        shown["blocks"] = blocks_s * 1000
    for colour, (name, values) in zip((COLOURS[2], "0.4"), shown.items(), strict=False):
        if ((values >= bins[0]) & (values <= bins[-1])).any():
            axes.stairs(*np.histogram(values, bins, density=True), color=colour, lw=1.4, label=name)
    axes.set(xlabel="duration (ms)", xlim=(0, LONGEST_SHOWN_MS), yticks=[])
    axes.legend(frameon=False, fontsize=8)


def _draw_agreement(axes: Any, result: ScanResult) -> None:
    ami, best = result.agreement.ami, result.agreement.best
    axes.imshow(ami, cmap="viridis", vmin=0, vmax=1)
    seeds = [t.candidate.seed for t in result.restarts]
    for i in range(len(ami)):
        for j in range(len(ami)):
            axes.text(
                j, i, f"{ami[i, j]:.2f}", ha="center", va="center", fontsize=8, color="w" if ami[i, j] < 0.6 else "k"
            )
    axes.add_patch(Rectangle((best - 0.5, best - 0.5), 1, 1, fill=False, color=COLOURS[5], lw=2))
    axes.set_xticks(range(len(seeds)), [str(s) for s in seeds])
    axes.set_yticks(range(len(seeds)), [str(s) for s in seeds])
    axes.set(xlabel="seed", ylabel="seed", title="AMI between restarts")
    axes.title.set_fontsize(9)
