"""What happened in a session, a line each, in the order of time: trials, events, alerts, starts of blocks."""

from bisect import insort
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from online.messages import Event, Trial

KEPT = 1000
ROLES = {"pulse": "pulse", "catch": "text", "refused": "dim", "note": "strong"}
SIGNS = {"pulse": "▲", "catch": "△", "refused": "✕"}
BY_PEOPLE = frozenset({"note", "command"})
ALARMING = frozenset({"alert", "loss"})


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A line of the log; `role` is how it is drawn."""

    time_ns: int
    text: str
    role: str


def entry_of_trial(trial: Trial) -> LogEntry:
    """A trial's line of the log."""
    probability = "" if trial.target_probability is None else f"{trial.target_probability:.2f} "
    words = f"{SIGNS[trial.outcome]} {trial.rule} {probability}{trial.reason}".rstrip()
    return LogEntry(trial.decided_time_ns, words, ROLES[trial.outcome])


def _time(entry: LogEntry) -> int:
    return entry.time_ns


class SessionLog:
    """The last `KEPT` trials, and the last `KEPT` of everything else: a note is not pushed out by pulses."""

    def __init__(self) -> None:
        self._trials: list[LogEntry] = []
        self._others: list[LogEntry] = []

    def add_trial(self, trial: Trial) -> None:
        """Take a trial of any time."""
        self._keep(self._trials, entry_of_trial(trial))

    def add_event(self, event: Event) -> None:
        """Take an event of any time; one that raises an alert comes as such."""
        if event.kind not in ALARMING:
            who = event.kind if event.kind in BY_PEOPLE else event.source
            name, _, place = event.detail.partition(" ")
            detail = f"{name.replace('_', ' ')} {place}".rstrip() if event.kind == "command" else event.detail
            self.add(event.time_ns, f"· {who}: {detail}", ROLES.get(event.kind, "text"))

    def add_alert(self, source: str, text: str, time_ns: int) -> None:
        """Take an alert as it is raised."""
        self.add(time_ns, f"! {source}: {text}", "bad")

    def add(self, time_ns: int, text: str, role: str) -> None:
        """Take anything else."""
        self._keep(self._others, LogEntry(time_ns, text, role))

    def _keep(self, entries: list[LogEntry], entry: LogEntry) -> None:
        insort(entries, entry, key=_time)
        del entries[: max(0, len(entries) - KEPT)]

    def newest(self, count: int | None = None, trials: bool = True) -> list[LogEntry]:
        """The newest first; at most `count`; with or without trials."""
        both = merge(reversed(self._others), reversed(self._trials if trials else []), key=_time, reverse=True)
        return list(islice(both, count))
