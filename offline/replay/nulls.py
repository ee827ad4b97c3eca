"""What triggers alone would show: two null distributions for "the animal does more of the target after a pulse".

The statistic of a rule is the target's usage after its pulses: the mean filtered probability of the target within
`window_s` after a pulse's frame, over all pulses. Two nulls, N draws each:

*baseline* (the published one): the protocol is replayed on recordings without stimulation, and its trials there are
divided into pulses and catches anew, as the rule would draw them.
*shift*: the session's own trials are shifted together by a random time, around the end to the beginning.

The p of a null is (1 + draws at or above what was observed) / (1 + N).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.replay.inputs import EngineFrame, Recording
from offline.replay.run import Replayed, feed, start_engine
from protocols.draws import CatchDraws, session_key
from protocols.materials import Materials
from protocols.rule_schema import SyllableRule
from protocols.schema import Protocol
from protocols.targets import resolve

WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """One rule in one recording, all times in s since its first frame.

    times_s (T,), usage (T,): probability of the target at each frame, NaN without evidence; trials_s (n,), pulsed (n,).
    """

    times_s: NDArray[np.float64]
    usage: NDArray[np.float64]
    trials_s: NDArray[np.float64]
    pulsed: NDArray[np.bool_]

    def usage_after(self, moments_s: NDArray[np.float64], window_s: float) -> NDArray[np.float64]:
        """Mean usage (m,) within `window_s` after each moment; NaN where nothing is known of it."""
        known = np.isfinite(self.usage)
        total = np.concatenate(([0.0], np.cumsum(np.where(known, self.usage, 0.0))))
        count = np.concatenate(([0], np.cumsum(known)))
        first = np.searchsorted(self.times_s, moments_s, "right")
        last = np.searchsorted(self.times_s, moments_s + window_s, "right")
        with np.errstate(invalid="ignore", divide="ignore"):
            mean: NDArray[np.float64] = (total[last] - total[first]) / (count[last] - count[first])
        return mean


def replay_traced(
    recording: Recording, protocol: Protocol, materials: Materials
) -> tuple[Replayed, dict[str, RuleTrace]]:
    """Replay, and keep a trace of every rule that waits for syllables."""
    targets = {
        rule.name: resolve(rule.target, recording.num_syllables, recording.names)[0]
        for rule in protocol.rules
        if isinstance(rule, SyllableRule)
    }
    times_ns: list[int] = []
    usage: dict[str, list[float]] = {name: [] for name in targets}

    def traced(frames: Iterator[EngineFrame]) -> Iterator[EngineFrame]:
        for frame in frames:
            times_ns.append(frame.capture_time_ns)
            posterior = None if frame.evidence is None else frame.evidence.filtered
            for name, indices in targets.items():
                usage[name].append(np.nan if posterior is None else float(posterior[list(indices)].sum()))
            yield frame

    state = start_engine(recording, protocol, materials)
    replayed = feed(recording, state, traced(recording.frames(state.requests)), False, lambda _: None)
    times_s = (np.array(times_ns) - times_ns[0]) / 1e9
    traces = {}
    for rule in protocol.rules:
        if rule.name in targets:
            trials = [
                m for m in replayed.decided if m.decision.rule == rule.shown_name and m.decision.outcome != "refused"
            ]
            traces[rule.name] = RuleTrace(
                times_s,
                np.array(usage[rule.name]),
                np.array([(mine.capture_time_ns - times_ns[0]) / 1e9 for mine in trials]),
                np.array([mine.decision.outcome == "pulse" for mine in trials], bool),
            )
    return replayed, traces


def null_distributions(
    protocol: Protocol,
    sessions: Sequence[Mapping[str, RuleTrace]],
    baselines: Sequence[Mapping[str, RuleTrace]],
    draws: int,
    window_s: float,
) -> dict[str, dict[str, Any]]:
    """For each rule on syllables: what was observed over all sessions, and both nulls."""
    result = {}
    for rule in protocol.rules:
        if not isinstance(rule, SyllableRule):
            continue
        own = [traces[rule.name] for traces in sessions]
        observed = _mean([trace.usage_after(trace.trials_s[trace.pulsed], window_s) for trace in own])
        shifts = _shifted(own, protocol.session.seed, draws, window_s)
        quiet = [traces[rule.name] for traces in baselines]
        redrawn = _redrawn(rule, quiet, protocol.session.seed, draws, window_s)
        result[rule.name] = {
            "observed": _or_none(observed),
            "shift": _against(observed, shifts),
            "baseline": _against(observed, redrawn) if quiet else None,
        }
    return result


def _shifted(traces: Sequence[RuleTrace], seed: int, draws: int, window_s: float) -> NDArray[np.float64]:
    rng = np.random.default_rng((seed, 1))
    values = np.empty(draws)
    for i in range(draws):
        after = []
        for trace in traces:
            span_s = trace.times_s[-1]
            moments_s = (trace.trials_s[trace.pulsed] + rng.uniform(0, span_s)) % span_s
            after.append(trace.usage_after(moments_s, window_s))
        values[i] = _mean(after)
    return values


def _redrawn(
    rule: SyllableRule, traces: Sequence[RuleTrace], seed: int, draws: int, window_s: float
) -> NDArray[np.float64]:
    after = [trace.usage_after(trace.trials_s, window_s) for trace in traces]
    values = np.empty(draws)
    for i in range(draws):
        chosen = []
        for place, usage in enumerate(after):
            key = session_key(seed, f"null {place}", str(i))
            catches = CatchDraws(key, rule.name, rule.catch_probability, rule.catch_block)
            pulsed = [not catches.is_catch(number + 1) for number in range(len(usage))]
            chosen.append(usage[np.array(pulsed, bool)])
        values[i] = _mean(chosen)
    return values


def _mean(parts: Sequence[NDArray[np.float64]]) -> float:
    values = np.concatenate(parts) if parts else np.empty(0)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def _against(observed: float, null: NDArray[np.float64]) -> dict[str, float | None]:
    null = null[np.isfinite(null)]
    if not len(null) or observed != observed:
        return dict.fromkeys(("mean", "low", "high", "p"))
    low, high = np.percentile(null, [2.5, 97.5])
    p = (1 + int((null >= observed).sum())) / (1 + len(null))
    return {"mean": float(null.mean()), "low": float(low), "high": float(high), "p": p}


def _or_none(value: float) -> float | None:
    return None if value != value else value


def as_text(nulls: Mapping[str, Mapping[str, Any]], window_s: float) -> list[str]:
    """Lines for a terminal."""
    lines = [f"usage of the target within {window_s:g} s after a pulse, against what triggers alone would show:"]
    for rule, values in nulls.items():
        if values["observed"] is None:
            lines.append(f"  {rule}: no pulse to look at")
            continue
        lines.append(f"  {rule}: {values['observed']:.4f}")
        for kind in ("baseline", "shift"):
            null = values[kind]
            if null is not None and null["p"] is not None:
                lines.append(
                    f"    {kind}: {null['mean']:.4f} ({null['low']:.4f} ... {null['high']:.4f}), p = {null['p']:.4f}"
                )
    return lines
