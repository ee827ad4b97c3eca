"""A recorded session's triggers against the truth of its simulated mouse, rule by rule."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from offline.score import LiveScore, Triggers, TruthTrack, score_triggers
from online.errors import FileFormatError
from online.files.session_file import SessionReader
from online.files.tables import is_missing, text_of
from protocols.parse import parse_protocol


@dataclass(frozen=True, slots=True)
class RuleScore:
    """What `offline.score` says of one rule; `pulses` are those that the board executed; times in ms, None where there
    is nothing to count."""

    rule: str
    pulses: int
    catches: int
    precision: float | None
    recall: float | None
    eligible_bouts: int
    onset_to_pulse_median_ms: float | None
    onset_to_pulse_p95_ms: float | None

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def score_session(path: Path, targets: Mapping[str, tuple[int, ...]]) -> list[RuleScore]:
    """Score every rule of a session; `targets` gives the true syllables that each rule waits for.

    Raises
    ------
    FileFormatError
        if the session holds no truth: only a simulated mouse knows what it did.
    """
    with SessionReader(path) as session:
        frames = session.table("frames/header")
        trials = session.table("pulses/trials")
        receipts = session.table("pulses/receipts")
        protocol = parse_protocol(session.configuration("protocol").decode(), "the session's protocol")
    if len(frames) == 0 or is_missing(frames["truth_syllable"]).any():
        raise FileFormatError(f"{path}: holds no truth to score against: it is no simulated mouse's")
    truth = TruthTrack(
        frame_index=frames["frame_index"],
        capture_time_ns=frames["capture_time_ns"],
        syllable=frames["truth_syllable"],
        onset_frame_index=frames["truth_onset_frame_index"],
    )
    known = receipts[~is_missing(receipts["executed_time_ns"])]
    executed_ns = dict(zip(known["command_sequence"].tolist(), known["executed_time_ns"].tolist(), strict=True))
    outcomes = np.array([text_of(outcome) for outcome in trials["outcome"]])
    rules = np.array([text_of(rule) for rule in trials["rule"]])
    scores = []
    for rule in protocol.rules:
        mine = trials[(rules == rule.name) & (outcomes != "refused")] if len(trials) else trials
        triggers = Triggers(
            frame_index=mine["frame_index"],
            pulse_time_ns=np.array([executed_ns.get(s, 0) for s in mine["command_sequence"].tolist()], np.int64),
        )
        pulses = int((triggers.pulse_time_ns > 0).sum())
        catches = int((outcomes[rules == rule.name] == "catch").sum())
        live = score_triggers(truth, triggers, targets[rule.name], rule.refractory_ms)
        scores.append(_rule_score(rule.name, pulses, catches, live))
    return scores


def _rule_score(name: str, pulses: int, catches: int, live: LiveScore) -> RuleScore:
    def known(value: float) -> float | None:
        return None if np.isnan(value) else float(value)

    delays = live.onset_to_pulse_ms
    return RuleScore(
        rule=name,
        pulses=pulses,
        catches=catches,
        precision=known(live.precision),
        recall=known(live.recall),
        eligible_bouts=live.eligible_bouts,
        onset_to_pulse_median_ms=float(np.median(delays)) if len(delays) else None,
        onset_to_pulse_p95_ms=float(np.percentile(delays, 95)) if len(delays) else None,
    )
