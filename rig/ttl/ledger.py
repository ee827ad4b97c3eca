"""What became of every command: written, then executed, refused, or lost. Safe between threads."""

import threading
from collections import deque
from dataclasses import dataclass

from online.messages import PulseReceipt, ReceiptOutcome

ALERT_AFTER_NS = 20_000_000
LOST_AFTER_NS = 500_000_000


@dataclass(slots=True)
class _Written:
    written_ns: int
    alerted: bool = False


class CommandLedger:
    """Pulse commands and their fates. The frame loop writes and collects, the reader thread answers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, _Written] = {}
        self._receipts: deque[PulseReceipt] = deque()
        self._alerts: deque[str] = deque()

    def written(self, sequence: int, written_ns: int) -> None:
        """A command was handed to the port."""
        with self._lock:
            self._open[sequence] = _Written(written_ns)

    def answered(
        self, sequence: int, reason: str, device_time_us: int | None, executed_ns: int | None, received_ns: int
    ) -> None:
        """The board answered; an empty `reason` means executed."""
        with self._lock:
            if self._open.pop(sequence, None) is None:
                fate = f"refused: {reason}" if reason else "executed"
                self._alerts.append(f"command {sequence} was answered after it had been given up: {fate}")
                return
            outcome: ReceiptOutcome = "refused" if reason else "executed"
            self._append(sequence, outcome, reason, device_time_us, executed_ns, received_ns)

    def taken_as_executed(self, sequence: int, reason: str, now_ns: int) -> None:
        """A board that acknowledges nothing was sent a command; `reason` says that this is all that is known."""
        with self._lock:
            del self._open[sequence]
            self._append(sequence, "executed", reason, None, None, now_ns)

    def alert(self, text: str) -> None:
        """Note something that a person should hear."""
        with self._lock:
            self._alerts.append(text)

    def collect(self, now_ns: int, everything: bool = False) -> list[PulseReceipt]:
        """Receipts since the last call; commands without an answer for long (or, at the end, at all) come as lost."""
        with self._lock:
            for sequence, command in list(self._open.items()):
                waited_ns = now_ns - command.written_ns
                if waited_ns > ALERT_AFTER_NS and not command.alerted:
                    command.alerted = True
                    self._alerts.append(f"command {sequence} unanswered for {waited_ns / 1e6:.0f} ms")
                if everything or waited_ns > LOST_AFTER_NS:
                    del self._open[sequence]
                    reason = f"no acknowledgement in {waited_ns / 1e6:.0f} ms"
                    self._append(sequence, "lost", reason, None, None, now_ns)
            receipts = list(self._receipts)
            self._receipts.clear()
            return receipts

    def take_alerts(self) -> list[str]:
        """Alerts since the last call."""
        with self._lock:
            alerts = list(self._alerts)
            self._alerts.clear()
            return alerts

    def _append(
        self,
        sequence: int,
        outcome: ReceiptOutcome,
        reason: str,
        device_time_us: int | None,
        executed_ns: int | None,
        received_ns: int,
    ) -> None:
        self._receipts.append(
            PulseReceipt(
                command_sequence=sequence,
                outcome=outcome,
                reason=reason,
                device_time_us=device_time_us,
                executed_time_ns=executed_ns,
                received_time_ns=received_ns,
            )
        )
