"""Where a recorded session stood at any moment, worked out from its tables: status messages are not recorded."""

from collections import Counter

import numpy as np

from online.messages import RuleStatus, SessionStatus, Trial
from protocols.rule_schema import RuleBase, SyllableRule, TriggeredRule
from protocols.schema import Block, Protocol
from protocols.seal import is_sealed
from protocols.session_clock import Timetable
from protocols.targets import resolve
from rig.tui.session_view import SessionView


class RecordedStatus:
    """Answers for one session. Rules' states are those that trials and posterior prove: a dwell is not seen.

    Under seal no target is shown: of rules that share a name it is not known which the session had.
    """

    def __init__(self, protocol: Protocol, names: dict[int, str]) -> None:
        self._protocol = protocol
        self._names: dict[str, tuple[int, ...]] = {}
        for k, name in names.items():
            self._names[name] = (*self._names.get(name, ()), k)
        self._targets: dict[str, tuple[int, ...]] = {}

    def at(self, view: SessionView, first_ns: int, time_ns: int, gates: tuple[bool, bool]) -> SessionStatus:
        """The status at a moment; `gates`: armed and paused, as recorded then."""
        elapsed_ns = max(0, time_ns - first_ns)
        timetable = Timetable(self._protocol)
        timetable.advance(elapsed_ns)
        block = timetable.block
        shown = {rule.shown_name: rule for rule in reversed(self._protocol.rules)}
        return SessionStatus(
            time_ns=time_ns,
            armed=gates[0],
            paused=gates[1],
            block="" if block is None else block.name,
            block_left_ms=timetable.left_ns(elapsed_ns) / 1e6,
            elapsed_ms=elapsed_ns / 1e6,
            duration_ms=timetable.duration_ns / 1e6,
            frames=0 if view.syllables is None else view.syllables.frame_index + 1,
            rules=tuple(self._rule(name, shown[name], block, view, time_ns) for name in reversed(shown)),
        )

    def _target(self, rule: RuleBase, num_syllables: int) -> tuple[int, ...]:
        if not isinstance(rule, SyllableRule) or is_sealed(self._protocol):
            return ()
        if rule.name not in self._targets:
            self._targets[rule.name] = resolve(rule.target, num_syllables, self._names)[0]
        return self._targets[rule.name]

    def _rule(self, name: str, rule: RuleBase, block: Block | None, view: SessionView, time_ns: int) -> RuleStatus:
        posterior = view.ethogram.newest()
        target = self._target(rule, posterior.size) if posterior.size else ()
        probability = float(posterior[list(target)].sum()) if target else float("nan")
        threshold = rule.enter if target and isinstance(rule, SyllableRule) else float("nan")
        trials = [trial for trial in view.counts.trials if trial.rule == name]
        counts = Counter(trial.outcome for trial in trials)
        left_ms = _refractory_left_ms(rule, trials, time_ns)
        live = block is not None and any(r.shown_name == name and r.name in block.rules for r in self._protocol.rules)
        state = (
            "off" if not live else "refractory" if left_ms > 0 else "bout" if probability >= threshold else "waiting"
        )
        return RuleStatus(
            name=name,
            state=state,
            target=target,
            threshold=threshold,
            target_probability=probability,
            dwell_ms=0.0,
            refractory_left_ms=left_ms,
            pulses=counts["pulse"],
            catches=counts["catch"],
            refused=counts["refused"],
        )


def _refractory_left_ms(rule: RuleBase, trials: list[Trial], time_ns: int) -> float:
    given = next((trial for trial in reversed(trials) if trial.outcome != "refused"), None)
    if given is None or not isinstance(rule, TriggeredRule):
        return 0.0
    return max(0.0, rule.refractory_ms - (time_ns - given.decided_time_ns) / 1e6)


def gates_at(order_times_ns: np.ndarray, armed: np.ndarray, paused: np.ndarray, time_ns: int) -> tuple[bool, bool]:
    """Whether the session was armed and paused at a moment, from the engine's inputs."""
    place = int(np.searchsorted(order_times_ns, time_ns, "right")) - 1
    return (bool(armed[place] == 1), bool(paused[place] == 1)) if place >= 0 else (False, False)
