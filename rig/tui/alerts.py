"""Alerts: each stays on the screen until someone acknowledges it; repeats are counted, not stacked."""

from bisect import insort
from collections.abc import Callable, Collection
from dataclasses import dataclass

from online.messages import Event
from rig.acknowledgement import acknowledgement_of

KEPT = 200


@dataclass(slots=True)
class Alert:
    """One thing that went wrong. `times` counts how often it was raised since it was last acknowledged."""

    number: int
    source: str
    text: str
    first_ns: int
    last_ns: int
    times: int = 1
    acknowledged: bool = False


class AlertBoard:
    """All alerts of a session in order of time, and the conditions that hold now; `tell` hears of each (source, text,
    time)."""

    def __init__(self, tell: Callable[[str, str, int], None] = lambda source, text, time_ns: None) -> None:
        self._tell = tell
        self.alerts: list[Alert] = []
        self._conditions: dict[tuple[str, str], Alert] = {}
        self._number = 0

    def raise_(self, source: str, text: str, time_ns: int) -> Alert:
        """Put up an alert of any time; the same text of the same source is one alert while it is not acknowledged."""
        self._tell(source, text, time_ns)
        for alert in self.open:
            if (alert.source, alert.text) == (source, text):
                alert.times += 1
                alert.first_ns, alert.last_ns = min(alert.first_ns, time_ns), max(alert.last_ns, time_ns)
                self.alerts.sort(key=_order)
                return alert
        self._number += 1
        alert = Alert(self._number, source, text, time_ns, time_ns)
        insort(self.alerts, alert, key=_order)
        settled = [a for a in self.alerts if a.acknowledged]
        for old in settled[: max(0, len(self.alerts) - KEPT)]:
            self.alerts.remove(old)
        return alert

    def condition(self, source: str, text: str, holds: bool, now_ns: int) -> None:
        """Raise an alert when a condition begins to hold; it may end and begin again."""
        key = (source, text)
        if holds and key not in self._conditions:
            self._conditions[key] = self.raise_(source, text, now_ns)
        elif not holds:
            self._conditions.pop(key, None)

    @property
    def open(self) -> list[Alert]:
        """Alerts that nobody acknowledged, oldest first."""
        return [alert for alert in self.alerts if not alert.acknowledged]

    @property
    def standing(self) -> list[Alert]:
        """Alerts that were acknowledged while their condition still holds."""
        return [alert for alert in self._conditions.values() if alert.acknowledged]

    def acknowledge(self, numbers: Collection[int] | None = None) -> list[Alert]:
        """Acknowledge the alerts of these numbers, or all; returns those that were open."""
        chosen = [a for a in self.open if numbers is None or a.number in numbers]
        for alert in chosen:
            alert.acknowledged = True
        return chosen

    def on_event(self, event: Event) -> None:
        """Take that an alert was acknowledged, here or elsewhere; what was raised again since then stays open."""
        said = acknowledgement_of(event.detail) if event.kind == "command" else None
        for alert in self.open if said is not None else ():
            if said is not None and said.means(alert.source, alert.text) and alert.last_ns <= event.time_ns:
                alert.acknowledged = True


def _order(alert: Alert) -> tuple[int, int]:
    return alert.first_ns, alert.number
