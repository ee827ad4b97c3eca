"""What a pulse generator is, whatever the board.

One thread (the frame loop) calls everything except `beat`, which a timer thread of its own calls. `pulse` and `beat`
never block: they hand bytes to the port or raise. Acknowledgements are read and reconciled by the driver's own
reader thread and collected with `receipts`.

Order: `open` → `configure` → `arm` → (`pulse` | `beat` | `receipts`)* → `stop` | `disarm` → `close`. `stop` is
accepted in every state, by every thread; `close` may follow anything, twice too, and leaves every line low.
Errors: `BoardNotFound`, `BoardRefused`, `BoardLost`, `BusyError` of `online.errors`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # so that a simulated board starts without pydantic and numpy
    from online.messages import DeviceClock, PulseReceipt


@dataclass(frozen=True, slots=True)
class BoardLimits:
    """Limits that the host keeps and the board keeps again.

    max_width_us: widest pulse. max_duty in 0 ... 1 over a sliding window_us. min_interval_us: from the end of one
    pulse to the start of the next on a channel. max_pulses: per session. heartbeat_timeout_us: silence after which
    the board drops every line and disarms.
    """

    max_width_us: int
    max_duty: float
    window_us: int
    min_interval_us: int
    max_pulses: int
    heartbeat_timeout_us: int = 50_000


@dataclass(frozen=True, slots=True)
class BoardInfo:
    """Identity and capabilities of a board, as it reports them."""

    driver: str
    identity: str
    firmware: str
    num_outputs: int
    num_inputs: int
    has_watchdog: bool
    acknowledges: bool


@dataclass(frozen=True, slots=True)
class PulseTrain:
    """A finite train: `count` pulses of `width_us`, one each `period_us`, the first after `delay_us`."""

    channel: int
    width_us: int
    period_us: int
    count: int
    delay_us: int = 0


@dataclass(frozen=True, slots=True)
class BoardEvent:
    """Something that a board reported: "input_changed", "train_ended", "barcode", "disarmed", or a "strobe" shown.

    `values` are the event's own fields by name; `host_time_ns` is `device_time_us` on the host's clock by the fit.
    """

    kind: str
    device_time_us: int
    host_time_ns: int
    values: tuple[tuple[str, int], ...]


class PulseGenerator(Protocol):
    """See the top of this file for who calls what and what may be raised."""

    @property
    def armed(self) -> bool:
        """Whether a pulse would be accepted, as far as is known; a board that disarmed itself is not armed."""

    def open(self) -> BoardInfo:
        """Find the board by its identity, take its port for ourselves alone, check what answers."""

    def configure(self, limits: BoardLimits) -> None:
        """Store limits in the board; only while disarmed."""

    def arm(self) -> None:
        """Allow pulses; from now on the board needs `beat` more often than its heartbeat time-out."""

    def pulse(self, train: PulseTrain, expires_in_us: int) -> int:
        """Write one command without waiting; returns its command sequence. A command that reaches the board later
        than `expires_in_us` after now is refused there, not executed late, by boards that know expiry (Etholoop's);
        the others execute at once what they hear."""

    def beat(self) -> None:
        """Tell the board that the frame loop is alive."""

    def receipts(self) -> list["PulseReceipt"]:
        """Receipts that came since the last call, in order; commands unanswered for long come as `lost`, and after
        `close` so does each that was never answered: every command written has exactly one receipt."""

    def alerts(self) -> list[str]:
        """What a person should hear, since the last call: a late answer, a board that disarmed itself, a lost port."""

    def events(self) -> list[BoardEvent]:
        """What the board reported by itself since the last call, in order."""

    def clock(self) -> "DeviceClock | None":
        """How the board's clock runs against the host's; None where it tells no time."""

    def set_sync(self, mode: str, seed: int) -> None:
        """What the sync output shows from now on: "off", "barcode" (drawn from `seed`, not zero; each comes as an
        event) or "strobe"; one that shows it already goes on. It needs heartbeats, and ends with a stop. Raises
        BoardRefused where there is no sync output."""

    def strobe(self, frame_index: int) -> None:
        """Mark a frame on the sync output, in strobe mode, without waiting; an event says when it was shown."""

    def stop(self) -> int:
        """Emergency stop: all lines low now, and disarmed. Blocks until the board confirms (at most 50 ms) and
        returns the host's time of confirmation in ns; raises BoardLost without a confirmation."""

    def disarm(self) -> None:
        """Finish: lines low, no further pulse."""

    def close(self) -> None:
        """Disarm if possible and release the port; harmless when nothing is open."""
