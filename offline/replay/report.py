"""What a replay comes to: counts, causes, intervals, duty; for people, programs and spreadsheets."""

import csv
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from offline.replay.run import Decided, Replayed
from online.files.whole_file import whole_file
from protocols.schema import Protocol
from protocols.why import NearMiss


def summarise(replayed: Replayed, protocol: Protocol) -> dict[str, Any]:
    """Numbers of one replay, ready for JSON."""
    minutes = max(replayed.last_ns - replayed.first_ns, 1) / 60e9
    rules = sorted({mine.decision.rule for mine in replayed.decided})
    return {
        "session": str(replayed.recording.path),
        "subject": replayed.recording.subject,
        "minutes": minutes,
        "frames": replayed.recording.num_frames,
        "rules": {rule: _of_rule([m for m in replayed.decided if m.decision.rule == rule], minutes) for rule in rules},
        "duty": _duty(replayed),
        "sync": protocol.sync_mode,
    }


def _of_rule(decided: Sequence[Decided], minutes: float) -> dict[str, Any]:
    outcomes = Counter(mine.decision.outcome for mine in decided)
    causes = Counter(mine.decision.reason for mine in decided if mine.decision.outcome == "refused")
    starts_ms = [mine.start_ns / 1e6 for mine in decided if mine.decision.outcome != "refused"]
    intervals_ms = [after - before for before, after in pairwise(starts_ms)]
    quantiles = np.percentile(intervals_ms, [5, 50, 95]).tolist() if intervals_ms else [None] * 3
    return {
        "pulses": outcomes["pulse"],
        "catches": outcomes["catch"],
        "refused": dict(sorted(causes.items())),
        "trials_per_minute": len(starts_ms) / minutes,
        "inter_trial_ms": dict(zip(("p5", "p50", "p95"), quantiles, strict=True)),
    }


def _duty(replayed: Replayed) -> dict[str, float]:
    """Share of the recording for which each channel would have been high."""
    high_us: Counter[int] = Counter()
    for mine in replayed.decided:
        if mine.decision.outcome == "pulse":
            high_us[mine.decision.train.channel] += mine.decision.train.count * mine.decision.train.width_us
    span_us = max(replayed.last_ns - replayed.first_ns, 1) / 1000
    return {str(channel): high / span_us for channel, high in sorted(high_us.items())}


def as_text(summary: dict[str, Any]) -> list[str]:
    """A summary in lines for a terminal."""
    lines = [f"{summary['session']}: {summary['minutes']:.1f} min, {summary['frames']} frames"]
    for name, rule in summary["rules"].items():
        refused = ", ".join(f"{count} {cause}" for cause, count in rule["refused"].items()) or "none"
        lines.append(
            f"  {name}: {rule['pulses']} pulses, {rule['catches']} catches, "
            f"{rule['trials_per_minute']:.1f} trials a minute; refused: {refused}"
        )
        between = rule["inter_trial_ms"]
        if between["p50"] is not None:
            lines.append(
                f"    from trial to trial: median {between['p50'] / 1000:.2f} s, 90 % within "
                f"{between['p5'] / 1000:.2f} ... {between['p95'] / 1000:.2f} s"
            )
    if not summary["rules"]:
        lines.append("  no rule asked for a trial")
    lines += [f"  channel {channel}: high {share:.2%} of the time" for channel, share in summary["duty"].items()]
    return lines if summary["sync"] == "off" else [*lines, f"  sync line: {summary['sync']}"]


COLUMNS = (
    *("session", "frame_index", "capture_time_ms", "start_ms", "rule", "trial_number", "outcome", "reason"),
    *("target_probability", "threshold", "block", "output", "detail"),
)


def write_trials(replays: Sequence[Replayed], out: Path) -> None:
    """All decisions as CSV; times in ms since each session's first frame."""
    with whole_file(out) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for replayed in replays:
            for mine in replayed.decided:
                d = mine.decision
                times = ((t - replayed.first_ns) / 1e6 for t in (mine.capture_time_ns, mine.start_ns))
                values = (d.rule, d.trial_number, d.outcome, d.reason, d.target_probability, d.threshold)
                writer.writerow(
                    (replayed.recording.path, mine.frame_index, *times, *values, d.block, d.output, d.detail)
                )


def write_near(replays: Sequence[Replayed], out: Path) -> None:
    """Why each rule gave no trial at each frame near its threshold, as CSV."""
    with whole_file(out) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("session", "frame_index", *NearMiss._fields))
        for replayed in replays:
            writer.writerows((replayed.recording.path, index, *miss) for index, miss in replayed.near)
