"""What happened in a session, from its file alone: frames, losses, trials, receipts, latencies.

Stages are named by the events they join: exposure (capture), arrival (the frame is in the camera process), extracted,
decoded, decided, written (the command's last byte is handed to the port), executed (the board's time of the pulse's
start, on the host's clock, less the delay that the command asked for). A latency is the time from one event to the
next; `exposure to executed` is the whole way.
"""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online.files.session_file import SessionReader
from online.files.tables import is_missing, text_of
from online.messages import MANUAL_RULE
from rig.acknowledgement import acknowledgement_of
from rig.loopback import Seen, look

STRANGE_NOVELTY = 0.95
"""Median novelty above which a session is strange to the model; 0.5 is what its training sessions have."""
STAGES = ("capture", "arrival", "extracted", "decoded", "decided", "written", "executed")


def summarise(path: Path) -> dict[str, Any]:
    """Numbers of a session (folder or file), ready for JSON."""
    with SessionReader(path) as session:
        frames = session.table("frames/header")
        poses = session.table("poses/rows")
        syllables = session.table("syllables/rows")
        trials = session.table("pulses/trials")
        receipts = session.table("pulses/receipts")
        losses = session.table("losses/rows")
        events = session.table("events/rows")
        attributes = session.attributes
        wires = {name: tuple(wire) for name, wire in attributes.get("loopback", {}).items()}
        seen = look(wires, trials, receipts, session.table("board/events"))
    return {
        "subject": attributes.get("subject"),
        "session": attributes.get("session"),
        "frames": _frame_counts(frames, poses, syllables),
        "messages_lost": _lost_by_stream(losses),
        "trials": _trial_counts(trials, receipts),
        "commands": _receipt_counts(trials, receipts),
        "not_executed": _not_executed(trials, receipts),
        "loopback": {n: {"pulses": s.pulses, "seen": s.seen, "unasked": s.unasked} for n, s in seen.items()},
        "novelty_median": _novelty(syllables),
        "alerts": _alerts(events),
        "latency_ms": _latencies(syllables, trials, receipts) | _loopback_latencies(seen),
    }


def _frame_counts(frames: NDArray[np.void], poses: NDArray[np.void], syllables: NDArray[np.void]) -> dict[str, Any]:
    gaps = frames["dropped_before"]
    return {
        "recorded": len(frames),
        "decoded": len(syllables),
        "dropped_by_camera": int(gaps.sum()),
        "gaps": [int(g) for g in gaps[gaps > 0]],
        "mouse_missing": int(poses["missing"].sum()),
        "without_evidence": int((syllables["has_evidence"] == 0).sum()),
        "duration_s": float(frames["capture_time_ns"][-1] - frames["capture_time_ns"][0]) / 1e9 if len(frames) else 0.0,
    }


def _novelty(syllables: NDArray[np.void]) -> float | None:
    """Median over frames with evidence; None where the model has no calibration, or there is no such frame."""
    known = syllables["novelty"][(syllables["has_evidence"] == 1) & np.isfinite(syllables["novelty"])]
    return float(np.median(known)) if len(known) else None


def _lost_by_stream(losses: NDArray[np.void]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for row in losses:
        counts[text_of(row["stream"])] += int(row["lost"])
    return dict(counts)


def _alerts(events: NDArray[np.void]) -> list[dict[str, Any]]:
    """What went wrong while the session ran, and who acknowledged it; seconds count from its first event."""
    alerts: list[dict[str, Any]] = []
    for row in events[np.argsort(events["time_ns"], kind="stable")]:
        time_s, detail = float(row["time_ns"] - events["time_ns"][0]) / 1e9, text_of(row["detail"])
        if text_of(row["kind"]) == "alert":
            alerts.append({"time_s": time_s, "what": detail, "source": text_of(row["source"])})
        elif text_of(row["kind"]) == "command" and (said := acknowledgement_of(detail)) is not None:
            for alert in alerts:
                if "acknowledged" not in alert and said.means(alert["source"], alert["what"]):
                    alert["acknowledged"] = {"time_s": time_s, "where": said.place}
    return [{key: value for key, value in alert.items() if key != "source"} for alert in alerts]


def _trial_counts(trials: NDArray[np.void], receipts: NDArray[np.void]) -> dict[str, dict[str, Any]]:
    """By rule: pulses written to the board, of those the ones that it never executed, catches, and refusals."""
    rules: dict[str, dict[str, Any]] = {}
    failed = {command["sequence"] for command in _not_executed(trials, receipts)}
    for row in trials:
        entry = rules.setdefault(text_of(row["rule"]), {"pulses": 0, "not_executed": 0, "catches": 0, "refused": {}})
        entry["not_executed"] += int(row["command_sequence"]) in failed
        outcome = text_of(row["outcome"])
        if outcome == "refused":
            reason = text_of(row["reason"])
            entry["refused"][reason] = entry["refused"].get(reason, 0) + 1
        else:
            entry["pulses" if outcome == "pulse" else "catches"] += 1
    return rules


def _receipt_counts(trials: NDArray[np.void], receipts: NDArray[np.void]) -> dict[str, int]:
    sent = set(trials["command_sequence"][~is_missing(trials["command_sequence"])].tolist())
    outcomes = {int(r["command_sequence"]): text_of(r["outcome"]) for r in receipts}
    counts = Counter(outcomes.get(sequence, "unanswered") for sequence in sent)
    return {"sent": len(sent), **{name: counts.get(name, 0) for name in ("executed", "refused", "lost", "unanswered")}}


def _not_executed(trials: NDArray[np.void], receipts: NDArray[np.void]) -> list[dict[str, Any]]:
    """Each command that was written and never executed: when, of which rule, what became of it and why."""
    answers = {int(r["command_sequence"]): (text_of(r["outcome"]), text_of(r["reason"])) for r in receipts}
    commands = []
    for row in trials[~is_missing(trials["command_sequence"])]:
        outcome, reason = answers.get(int(row["command_sequence"]), ("unanswered", ""))
        if outcome != "executed":
            commands.append(
                {
                    "sequence": int(row["command_sequence"]),
                    "frame_index": int(row["frame_index"]),
                    "rule": text_of(row["rule"]),
                    "outcome": outcome,
                    "reason": reason,
                }
            )
    return commands


def _percentiles(values_ns: NDArray[np.int64]) -> dict[str, float]:
    p50, p95, p99 = np.percentile(values_ns, [50, 95, 99]) / 1e6
    return {"p50": float(p50), "p95": float(p95), "p99": float(p99), "max": float(values_ns.max()) / 1e6}


def _latencies(
    syllables: NDArray[np.void], trials: NDArray[np.void], receipts: NDArray[np.void]
) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    for first, second in pairwise(STAGES[:4]):
        if len(syllables):
            rows[f"{first} to {second}"] = _percentiles(syllables[f"{second}_time_ns"] - syllables[f"{first}_time_ns"])
    by_rule = np.array([text_of(rule) != MANUAL_RULE for rule in trials["rule"]], bool)
    pulses = trials[by_rule & ~is_missing(trials["written_time_ns"])]
    if len(pulses):
        rows["decoded to decided"] = _percentiles(pulses["decided_time_ns"] - pulses["decoded_time_ns"])
        rows["decided to written"] = _percentiles(pulses["written_time_ns"] - pulses["decided_time_ns"])
    known = receipts[~is_missing(receipts["executed_time_ns"])]
    executed_ns = dict(zip(known["command_sequence"].tolist(), known["executed_time_ns"].tolist(), strict=True))
    done = pulses[[s in executed_ns for s in pulses["command_sequence"].tolist()]] if len(pulses) else pulses
    if len(done):
        rise_ns = np.array([executed_ns[s] for s in done["command_sequence"].tolist()])
        times_ns = rise_ns - done["delay_us"] * 1000
        rows["written to executed"] = _percentiles(times_ns - done["written_time_ns"])
        rows["capture to executed"] = _percentiles(times_ns - done["capture_time_ns"])
    return rows


def _loopback_latencies(seen: dict[str, Seen]) -> dict[str, dict[str, float]]:
    return {
        f"{stage} to seen ({name})": _percentiles(np.array(values_ns))
        for name, found in seen.items()
        for stage, values_ns in (("executed", found.after_execution_ns), ("written", found.after_writing_ns))
        if values_ns
    }


def alert_kinds(alerts: list[dict[str, Any]]) -> list[str]:
    """A line for each kind of alert: those that differ in their numbers alone are one kind, told by the first."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for alert in alerts:
        kinds.setdefault(re.sub(r"[\d.]+", "#", alert["what"]), []).append(alert)
    return [
        f"at {same[0]['time_s']:.1f} s: {same[0]['what']}"
        + (f" ({len(same)} such alerts until {same[-1]['time_s']:.1f} s)" if len(same) > 1 else "")
        + _acknowledged_words(same)
        for same in kinds.values()
    ]


def _acknowledged_words(same: list[dict[str, Any]]) -> str:
    """When and where the last of these alerts was acknowledged; empty where one of them never was."""
    if not all("acknowledged" in alert for alert in same):
        return ""
    last = max((alert["acknowledged"] for alert in same), key=lambda said: float(said["time_s"]))
    return f", acknowledged {last['where']} at {last['time_s']:.1f} s"


def strangeness(summary: dict[str, Any]) -> str:
    """What to say of a session whose frames the model mostly does not know; empty where it knows them."""
    median = summary.get("novelty_median")
    if median is None or median < STRANGE_NOVELTY:
        return ""
    return f"novelty {median:.2f} at half of all frames: the animal or the camera is not what the model has learned"


def as_text(summary: dict[str, Any]) -> str:
    """The summary in lines for a terminal."""
    frames = summary["frames"]
    lost = sum(summary["messages_lost"].values())
    lines = [
        f"frames    {frames['recorded']} recorded, {frames['decoded']} decoded, "
        f"{frames['dropped_by_camera']} dropped by the camera, {lost} messages lost",
        f"mouse     missing in {frames['mouse_missing']} frames; {frames['without_evidence']} frames without evidence",
    ]
    for rule, counts in summary["trials"].items():
        refused = ", ".join(f"{n} {reason}" for reason, n in counts["refused"].items())
        lines.append(
            f"rule      {rule}: {counts['pulses']} pulses"
            + (f" ({counts['not_executed']} of them never executed)" if counts["not_executed"] else "")
            + f", {counts['catches']} catches"
            + (f"; refused: {refused}" if refused else "")
        )
    commands = summary["commands"]
    lines.append("board     " + ", ".join(f"{n} {name}" for name, n in commands.items()))
    for why, count in Counter(f"{c['outcome']} {c['reason']}".strip() for c in summary["not_executed"]).items():
        lines.append(f"          {count} {why}")
    for name, found in summary["loopback"].items():
        heading = "loopback" if found["seen"] == found["pulses"] and not found["unasked"] else "ALERT"
        lines.append(
            f"{heading:9} {name}: {found['seen']} of {found['pulses']} pulses seen, {found['unasked']} unasked for"
        )
    if strange := strangeness(summary):
        lines.append(f"ALERT     {strange}")
    lines += [f"ALERT     {kind}" for kind in alert_kinds(summary["alerts"])]
    lines.append(f"{'latency, ms':32}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}")
    for stage, row in summary["latency_ms"].items():
        lines.append(f"  {stage:30}" + "".join(f"{row[p]:9.2f}" for p in ("p50", "p95", "p99", "max")))
    return "\n".join(lines)
