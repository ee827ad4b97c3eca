"""A finished session in numbers and series, for its summary screen."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from online.files.tables import text_of
from online.messages import MANUAL_RULE, Frame, PulseReceipt, Syllables, Trial
from rig.summary import summarise
from rig.tui.recorded import Recorded

CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Digest:
    """`summary` is that of `rig.summary`; minutes are since the first frame; `usage` (K,) shares of frames with
    evidence in which a syllable led; `pulse_latency_ms` of all executed pulses, from exposure to the line."""

    folder: Path
    summary: dict[str, Any]
    reason: str
    failures: tuple[str, ...]
    duration_min: float
    pulse_min: NDArray[np.float64]
    catch_min: NDArray[np.float64]
    usage: NDArray[np.float64]
    pulse_latency_ms: NDArray[np.float64]
    names: dict[int, str]


def load_summary(folder: Path) -> dict[str, Any]:
    """`summary.json` of a session, or one made from its file where the session could not write it."""
    try:
        return written_summary(folder)
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        why = "the session wrote no summary" if missing else f"its summary.json is damaged ({error})"
        return summarise(folder) | {"ending": {"reason": "how it ended is not known", "failures": [why], "line": ""}}


def written_summary(folder: Path) -> dict[str, Any]:
    """`summary.json` of a session.

    Raises
    ------
    OSError, ValueError
        where there is none, or it is not what a session writes.
    """
    summary = json.loads((folder / "summary.json").read_text())
    if not isinstance(summary, dict) or not isinstance(summary.get("ending"), dict):
        raise ValueError("no summary of a session")
    if "unreadable" in summary:
        return summary
    frames, rules = summary.get("frames"), summary.get("trials")
    if not isinstance(frames, dict) or not isinstance(rules, dict):
        raise ValueError("no frames or trials")
    if not all(isinstance(rule, dict) and {"pulses", "catches"} <= rule.keys() for rule in rules.values()):
        raise ValueError("a rule without its counts")
    return summary


def digest(folder: Path) -> Digest:
    """Read a session's folder.

    Raises
    ------
    FileFormatError
        when the session file cannot be read.
    """
    summary = load_summary(folder)
    recorded = Recorded(folder)
    try:
        return _digest(folder, summary, recorded)
    finally:
        recorded.close()


def _digest(folder: Path, summary: dict[str, Any], recorded: Recorded) -> Digest:
    frames = recorded.tracks[Frame].rows["capture_time_ns"]
    trials = recorded.tracks[Trial].rows
    begin_ns = int(frames[0]) if len(frames) else 0
    outcomes = np.array([text_of(cell) for cell in trials["outcome"]])

    def when(outcome: str) -> NDArray[np.float64]:
        chosen = trials["decided_time_ns"][outcomes == outcome] if len(trials) else np.zeros(0)
        return np.asarray((chosen - begin_ns) / 60e9, np.float64)

    ending = summary.get("ending", {})
    return Digest(
        folder=folder,
        summary=summary,
        reason=str(ending.get("reason", "")),
        failures=tuple(ending.get("failures", ())),
        duration_min=float(frames[-1] - frames[0]) / 60e9 if len(frames) else 0.0,
        pulse_min=when("pulse"),
        catch_min=when("catch"),
        usage=_usage(recorded),
        pulse_latency_ms=_latencies_ms(trials, recorded.tracks[PulseReceipt].rows),
        names=recorded.facts().names,
    )


def _usage(recorded: Recorded) -> NDArray[np.float64]:
    posterior = recorded.reader.array("syllables/posterior")
    evidence = recorded.tracks[Syllables].rows["has_evidence"] == 1
    if posterior is None or not evidence.any():
        return np.zeros(0)
    counts = np.zeros(posterior.shape[1])
    for start in range(0, min(len(posterior), len(evidence)), CHUNK):
        part = posterior[start : start + CHUNK]
        seen = evidence[start : start + len(part)]
        counts += np.bincount(part[: len(seen)][seen].argmax(1), minlength=len(counts))
    return np.asarray(counts / counts.sum())


def _latencies_ms(trials: NDArray[np.void], receipts: NDArray[np.void]) -> NDArray[np.float64]:
    """From exposure to the line, without the delays that commands asked for."""
    executed = {
        int(r["command_sequence"]): int(r["executed_time_ns"]) for r in receipts if text_of(r["outcome"]) == "executed"
    }
    values = [
        (executed[int(t["command_sequence"])] - int(t["capture_time_ns"]) - 1000 * int(t["delay_us"])) / 1e6
        for t in trials
        if int(t["command_sequence"]) in executed and text_of(t["rule"]) != MANUAL_RULE
    ]
    return np.array(values, np.float64)


@dataclass(frozen=True, slots=True)
class Listed:
    """A line in the list of sessions; numbers are None where the session wrote no summary."""

    folder: Path
    subject: str
    minutes: float | None
    pulses: int | None
    catches: int | None
    ending: str
    failed: bool


def list_sessions(out: Path) -> list[Listed]:
    """Sessions of a data folder, the newest first."""
    folders = [path.parent for path in out.glob("*/session.h5")] if out.is_dir() else []
    return [_listed(folder) for folder in sorted(folders, reverse=True)]


def _listed(folder: Path) -> Listed:
    try:
        summary = written_summary(folder)
    except FileNotFoundError:
        return Listed(folder, "", None, None, None, "no summary: it runs, or was cut off", True)
    except (OSError, ValueError) as error:
        return Listed(folder, "", None, None, None, f"summary.json: {error}", True)
    rules = summary.get("trials", {}).values()
    ending = summary["ending"]
    failures = ending.get("failures", [])
    return Listed(
        folder=folder,
        subject=str(summary.get("subject", "")),
        minutes=summary.get("frames", {}).get("duration_s", 0.0) / 60,
        pulses=sum(rule["pulses"] for rule in rules),
        catches=sum(rule["catches"] for rule in rules),
        ending=failures[0] if failures else str(ending.get("reason", "")),
        failed=bool(failures),
    )
