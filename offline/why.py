"""What a session's record answers: why a rule fired at a frame, and why it did not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.replay.inputs import RecordedPose, poses_of
from offline.replay.recorded import RecordedSession
from online.errors import ConfigError
from online.files.names import by_name
from online.files.tables import is_missing, text_of
from protocols.build import evidence_requests
from protocols.conditions import make_checks
from protocols.moment import Moment
from protocols.rule_schema import RuleBase, SituationRule, SyllableRule
from protocols.schema import Block
from protocols.seal import is_sealed
from protocols.session_clock import SessionClock, Timetable
from protocols.targets import resolve
from protocols.why import Why, in_words


@dataclass(frozen=True, slots=True)
class Answer:
    """One rule at one frame; `outcome`: "pulse", "catch", "refused" or "nothing"; `why`: in words."""

    rule: str
    outcome: str
    why: str


class Inquiry:
    """Asks a session. Rules of arms are told apart only where the assignment is open."""

    def __init__(self, session: RecordedSession) -> None:
        self.session = session
        protocol, subject = session.protocol, str(session.attributes["subject"])
        assignment = protocol.assignment
        self.arm = None if assignment is None or assignment.subjects is None else assignment.subjects.get(subject)
        others = {name for arm in protocol.arms if arm.name != self.arm for name in arm.rules}
        mine = {name for arm in protocol.arms if arm.name == self.arm for name in arm.rules}
        blind = is_sealed(protocol)
        rules = [rule for rule in protocol.rules if blind or rule.name in mine or rule.name not in others]
        self._shown = list(dict.fromkeys(rule.shown_name for rule in rules))
        self._rules = {name: [rule for rule in rules if rule.shown_name == name] for name in self._shown}
        self._elapsed_ns, self._in_order = _times(session)

    @property
    def rules(self) -> Sequence[str]:
        """Names of the session's rules, as shown."""
        return self._shown

    def rule(self, shown: str) -> RuleBase | None:
        """The rule behind a name; None where several arms share it and which is not known."""
        found = self._rules.get(shown, [])
        return found[0] if len(found) == 1 else None

    def place_at(self, seconds: float) -> int:
        """Place of the frame that was the newest at a time of the session.

        Raises
        ------
        ConfigError
            for a time after the last frame.
        """
        end_ns = int(self._elapsed_ns[-1])
        if seconds * 1e9 > end_ns + 1e9 / self.session.rate_hz:
            raise ConfigError(f"{seconds:g} s is beyond the session, whose frames go from 0 to {end_ns / 1e9:.3f} s")
        return max(int(np.searchsorted(self._elapsed_ns, seconds * 1e9, "right")) - 1, 0)

    def place_of(self, frame_index: int) -> int | None:
        """Place of a frame; None where it was dropped or not recorded."""
        found = np.flatnonzero(self.session.engine["frame_index"] == frame_index)
        return int(found[0]) if len(found) else None

    def seconds(self, place: int) -> float:
        """Session time of a frame."""
        return float(self._elapsed_ns[place]) / 1e9

    def block(self, place: int) -> Block | None:
        """The block into which a frame falls; None after the last."""
        table = Timetable(self.session.protocol)
        table.advance(int(self._elapsed_ns[place]))
        return table.block

    def at(self, place: int) -> list[Answer]:
        """What each rule did at a frame, and why."""
        return [answer for rule in self._shown for answer in self._of_rule(rule, place)]

    def _of_rule(self, shown: str, place: int) -> list[Answer]:
        frame = int(self.session.engine["frame_index"][place])
        answers = [
            Answer(shown, text_of(row["outcome"]), trial_in_words(row))
            for row in _of(self.session.trials, frame, shown)
        ]
        if all(answer.outcome == "refused" for answer in answers):
            near = _of(self.session.near, frame, shown)
            answers += [Answer(shown, "nothing", self.near_in_words(row)) for row in near]
        return answers or [Answer(shown, "nothing", self._far(shown, place))]

    def near_in_words(self, row: np.void) -> str:
        """A row of `/engine/near`."""
        rule = self.rule(text_of(row["rule"]))
        if is_sealed(self.session.protocol):
            return f"{text_of(row['cause'])}: its values are under seal"
        why = Why(text_of(row["cause"]), int(row["part"]), float(row["value"]), float(row["needed"]))
        return f"{probability_in_words(row)}{why.cause}: {in_words(why, rule)}"

    def _far(self, shown: str, place: int) -> str:
        """Of a rule that was not near."""
        if not self._in_order[place]:
            return "the frame's time stamp ran backward or ahead: such a frame gives no trial"
        block, rule = self.block(place), self.rule(shown)
        if block is None:
            return "the last block was over"
        if not any(r.name in block.rules for r in self._rules[shown]):
            return f"not live in the block '{block.name}'"
        if isinstance(rule, SyllableRule):
            return self._probability(rule, place)
        if isinstance(rule, SituationRule):
            return self._situation(rule, place)
        return "not near its threshold" if rule is None else "nothing was due"

    def _probability(self, rule: SyllableRule, place: int) -> str:
        session = self.session
        if not session.syllables["has_evidence"][place]:
            return "no evidence: a frame was missing, or held no mouse"
        names = by_name({int(k): str(name) for k, name in session.attributes["names"].items()})
        num_syllables = session.posterior.shape[1]
        target = set(resolve(rule.target, num_syllables, names)[0])
        if rule.contingency == "reversed":
            target = set(range(num_syllables)) - target
        kinds = [("filtered", None), *((r.kind, r.time_ms) for r in evidence_requests(session.protocol))]
        row = kinds.index((rule.evidence, rule.evidence_ms))
        posterior = session.posterior[place] if row == 0 else session.further[place, row - 1]
        return f"not near: the probability was {posterior[sorted(target)].sum():.3g}, a bout begins at {rule.enter:g}"

    def _situation(self, rule: SituationRule, place: int) -> str:
        rows = self.session.poses[place : place + 1]
        columns = {name: rows[name] for name in RecordedPose._fields}
        (pose,) = poses_of(columns, rows["missing"] == 0)
        if pose is None:
            return "no pose: no mouse was found in this frame"
        novelty = float(self.session.syllables["novelty"][place])
        moment = Moment(pose=pose, novelty=novelty, session_ns=int(self._elapsed_ns[place]))
        table = Timetable(self.session.protocol)
        table.advance(moment.session_ns)
        moment.block_ns = table.into_ns(moment.session_ns)
        for number, check in enumerate(make_checks(rule.when, self.session.protocol)):
            if not check.holds(moment):
                value = check.read(moment)
                return f"when: {in_words(Why('when', number, value, check.nearest(value)), rule)}"
        return "its conditions held, but no bout had begun"

    def counts(self) -> dict[str, dict[str, int]]:
        """For each rule, at how many frames near its threshold which cause kept it from a trial."""
        found: dict[str, Counter[str]] = {name: Counter() for name in self._shown}
        for rule, cause in zip(self.session.near["rule"].tolist(), self.session.near["cause"].tolist(), strict=True):
            found.setdefault(text_of(rule), Counter())[text_of(cause)] += 1
        return {rule: dict(causes.most_common()) for rule, causes in found.items()}


def _of(rows: NDArray[np.void], frame: int, rule: str) -> NDArray[np.void]:
    chosen: NDArray[np.void] = rows[(rows["frame_index"] == frame) & (rows["rule"] == rule.encode())]
    return chosen


def _times(session: RecordedSession) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Session time of each frame, and whether its stamp was in order."""
    clock, elapsed, in_order = SessionClock(), [], []
    captured, decided = (session.engine[f"{name}_time_ns"].tolist() for name in ("capture", "decision"))
    for capture_ns, decision_ns in zip(captured, decided, strict=True):
        clock.advance(capture_ns, decision_ns)
        elapsed.append(clock.elapsed_ns)
        in_order.append(clock.in_order)
    return np.array(elapsed, np.int64), np.array(in_order, bool)


def probability_in_words(row: np.void) -> str:
    """Probability and threshold of a trial or near miss; empty for rules that have none."""
    probability, threshold = float(row["target_probability"]), float(row["threshold"])
    return "" if probability != probability else f"P = {probability:.3f} (enter {threshold:g}); "


def trial_in_words(row: np.void) -> str:
    """Every value that decided a trial, and when."""
    number, reason, detail = int(row["trial_number"]), text_of(row["reason"]), text_of(row["detail"])
    outcome = f"refused, {reason}" if reason else f"trial {number}, {text_of(row['outcome'])}"
    decided_by = f"{detail}; " if detail else ""
    text = f"{probability_in_words(row)}{outcome}; {decided_by}block '{text_of(row['block'])}'"
    age_ms = float(row["decided_time_ns"] - row["capture_time_ns"]) / 1e6
    train = f"{row['count']} x {row['width_us'] / 1000:g} ms on channel {row['channel']}"
    sent = "" if is_missing(np.asarray(row["command_sequence"])) else f", sent as command {row['command_sequence']}"
    return f"{text}; decided {age_ms:.1f} ms after exposure; {train}{sent}"


def trial_for_json(row: np.void) -> dict[str, Any]:
    """A trial's fields; what is not known is None."""
    fields: dict[str, Any] = {}
    for name in row.dtype.names or ():
        value = row[name]
        if isinstance(value, bytes):
            fields[name] = text_of(value)
        elif row.dtype[name].kind == "f":
            fields[name] = None if value != value else float(value)
        else:
            fields[name] = None if is_missing(np.asarray(value)) else int(value)
    return fields
