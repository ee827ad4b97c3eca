"""The emergency stop that holds, pressed at this screen or at another one, as the session's events tell it."""

from online.messages import Event, SessionStatus
from rig.tui.alerts import AlertBoard

STOP = "emergency_stop"
SOURCE = "emergency stop"
LOW = "all lines low"
UNNAMED = "by another program"
SETTLED_NS = 200_000_000
"""A status says armed after a stop only when it is later than this: a replay knows the gates of whole frames."""


def stop_words(confirmed: bool, low_ms: float) -> str:
    """What came of an emergency stop; `low_ms` from the key to the board's confirmation."""
    if confirmed:
        return f"line low, confirmed {low_ms:.1f} ms after the key"
    return "STOP NOT CONFIRMED: cut the power of the stimulator"


class StopRecord:
    """A stop holds until someone arms again. `here` names this screen, as its commands do."""

    def __init__(self, alerts: AlertBoard, here: str) -> None:
        self._alerts = alerts
        self._here = here
        self.since_ns: int | None = None
        self.confirmed = True
        self.words = ""
        self.elsewhere = ""
        self._armed_ns = 0
        self._failed = False
        self._to_be_armed = False

    def pressed(self, confirmed: bool, detail: str, low_ms: float, now_ns: int) -> None:
        """Take what came of the key of this screen."""
        self._hold(now_ns, confirmed, stop_words(confirmed, low_ms), "")
        if not confirmed:
            self._alerts.raise_(SOURCE, f"not confirmed: {detail}", now_ns)

    def cleared(self) -> None:
        """Take that the session was armed."""
        self.since_ns, self.words, self.confirmed, self.elsewhere = None, "", True, ""

    def on_status(self, status: SessionStatus) -> None:
        """An armed session was armed again, unless nobody knows what came of the stop."""
        since_ns = self.since_ns
        if status.armed and self.confirmed and since_ns is not None and status.time_ns > since_ns + SETTLED_NS:
            self.cleared()

    def on_event(self, event: Event, status: SessionStatus | None) -> None:
        """Take an event of any screen's command; `status` is the newest."""
        if event.kind == "alert" and event.detail.startswith(f"{STOP} failed"):
            self._failed = True
        elif event.kind == "command":
            name, _, place = event.detail.partition(" ")
            if name == STOP:
                second = event.source == "supervisor"
                confirmed = LOW in place if second else not self._failed
                self._failed = False
                self._on_stop_event(event.time_ns, confirmed, "by the supervisor" if second else place, status)
            elif name == "arm":
                self._on_arm_event(event.time_ns, place)

    def _on_stop_event(self, time_ns: int, confirmed: bool, place: str, status: SessionStatus | None) -> None:
        """What is known better, or no longer holds, is left out."""
        armed_since = status is not None and status.armed and status.time_ns > time_ns + SETTLED_NS
        if time_ns < self._armed_ns or (armed_since and confirmed):
            return
        ours = place == self._here
        if self.since_ns is not None and (ours or time_ns <= self.since_ns):
            return
        who = place or UNNAMED
        words = f"{LOW}, stopped {who}" if confirmed else f"{stop_words(False, 0.0)} (stop {who})"
        self._hold(time_ns, confirmed, words, "" if ours else who)
        if not ours:
            self._alerts.raise_(SOURCE, f"{'lines low' if confirmed else 'NOT CONFIRMED'}, stopped {who}", time_ns)

    def _on_arm_event(self, time_ns: int, place: str) -> None:
        self._armed_ns = max(self._armed_ns, time_ns)
        if self.since_ns is not None and time_ns > self.since_ns:
            self.cleared()
        if self._to_be_armed and place != self._here:
            self._alerts.raise_(SOURCE, f"armed again {place or UNNAMED}", time_ns)
        self._to_be_armed = False

    def _hold(self, time_ns: int, confirmed: bool, words: str, elsewhere: str) -> None:
        self.since_ns, self.confirmed, self.words, self.elsewhere = time_ns, confirmed, words, elsewhere
        self._to_be_armed = True
