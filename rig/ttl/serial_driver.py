"""What every driver over a serial port does alike: port, reader thread, host limits, ledger, loss.

Bytes leave by whoever calls; the reader thread hands what comes back to `_take`. Whoever waits for an answer waits on
`_changed`.
"""

import threading
from collections import deque
from collections.abc import Callable

from online.clock_fit import ClockFit
from online.errors import BoardError, BoardLost, BoardRefused
from online.messages import DeviceClock, PulseReceipt
from rig.clock import Clock
from rig.ttl.ledger import CommandLedger
from rig.ttl.limits import BoardShape, HostLimits, limits_refusal, new_host_limits, shape_refusal
from rig.ttl.port import Port, open_port
from rig.ttl.protocol import BoardEvent, BoardInfo, BoardLimits, PulseTrain
from rig.ttl.wire import Reason

STOP_TIMEOUT_S = 0.05
MAX_EVENTS = 4096
LONGEST_UNWATCHED_US = 5_000_000
"""Where a board has no watchdog, what a dead host leaves behind ends by itself: a whole train lasts at most this."""


class SerialDriver:
    """Base of the drivers; `shape` is what the board can do. See `rig.ttl.protocol.PulseGenerator`."""

    def __init__(self, port_name: str, baud: int, clock: Clock, shape: BoardShape) -> None:
        self._port_name = port_name
        self._baud = baud
        self._clock = clock
        self._shape = shape
        self._port: Port | None = None
        self._limits: HostLimits | None = None
        self._sequence = 0
        self._send_lock = threading.RLock()
        self._changed = threading.Condition()
        self._events: deque[BoardEvent] = deque(maxlen=MAX_EVENTS)
        self._events_lost = False
        self._ledger = CommandLedger()
        self._reader: threading.Thread | None = None
        self._closing = threading.Event()
        self._lost: BoardLost | None = None
        self._armed = False
        self.clock_fit: ClockFit | None = None

    # what a driver supplies

    def _greet(self) -> BoardInfo:
        """Check what answers, bring it to a safe state, describe it."""
        raise NotImplementedError

    def _take(self, data: bytes, received_ns: int) -> None:
        """Read what the board sent; runs in the reader thread."""
        raise NotImplementedError

    def _send_train(self, train: PulseTrain, expires_in_us: int) -> int:
        """Write a train that the limits admitted; returns its sequence."""
        raise NotImplementedError

    def _confirm_stop(self) -> int:
        """Bring all lines low; returns when the board had confirmed it (host ns), or raises BoardLost."""
        raise NotImplementedError

    def refusal(self, train: PulseTrain) -> str:
        """Why this board cannot do a train, whatever the limits; empty when it can."""
        return ""

    def serve(self, train: PulseTrain) -> None:
        """A session has this train: what that rules out for others."""

    def impossible(self, train: PulseTrain, limits: BoardLimits) -> str:
        """Why `pulse` would refuse a train whenever it came; empty when it would not. The port need not be open."""
        shape = self._shape
        if reason := shape_refusal(train, limits, shape):
            return (
                f"{reason.name.lower()}: {train} is not for this board, which takes up to {shape.max_count} pulses, "
                f"each of {shape.min_width_us} us or more, in steps of {shape.slot_us} us"
            )
        return self._unwatched(train) or self.refusal(train)

    def _unwatched(self, train: PulseTrain) -> str:
        unwatched_us = train.delay_us + (train.count - 1) * train.period_us + train.width_us
        if self._shape.has_watchdog or unwatched_us <= LONGEST_UNWATCHED_US:
            return ""
        return (
            f"{train} lasts {unwatched_us / 1e6:g} s; this board has no watchdog, so that a train may last "
            f"{LONGEST_UNWATCHED_US / 1e6:g} s at most"
        )

    # PulseGenerator

    @property
    def armed(self) -> bool:
        """See PulseGenerator."""
        return self._armed

    def open(self) -> BoardInfo:
        """See PulseGenerator."""
        self._port = open_port(self._port_name, self._baud)
        self._lost = None
        for warning in self._port.warnings:
            self._ledger.alert(warning)
        self._closing.clear()
        self._reader = threading.Thread(target=self._read, name="board reader", daemon=True)
        self._reader.start()
        try:
            return self._greet()
        except BaseException:
            self.close()
            raise

    def configure(self, limits: BoardLimits) -> None:
        """See PulseGenerator."""
        complaint = limits_refusal(limits, self._shape)
        if complaint:
            raise BoardRefused(f"limits refused: {complaint}")
        if self._armed:
            raise BoardRefused("limits are set only while disarmed")
        self._limits = new_host_limits(limits, self._shape, self._now_us())

    def arm(self) -> None:
        """See PulseGenerator."""
        self._check_port()
        if self._limits is None:
            raise BoardRefused("the board has no limits yet: configure it before arming")
        self._armed = True

    def pulse(self, train: PulseTrain, expires_in_us: int) -> int:
        """See PulseGenerator; a stop by another thread comes wholly before a pulse, which is then refused, or after."""
        with self._send_lock:
            return self._pulse(train, expires_in_us)

    def _pulse(self, train: PulseTrain, expires_in_us: int) -> int:
        self._check_port()
        if self._limits is None or not self._armed:
            raise BoardRefused("the board is not armed")
        if refusal := self._unwatched(train) or self.refusal(train):
            raise BoardRefused(refusal)
        now_us = self._now_us()
        reason = self._limits.admit(train, now_us)
        if reason is not Reason.NONE:
            raise BoardRefused(self._limits.explanation(reason, train, now_us))
        return self._send_train(train, expires_in_us)

    def beat(self) -> None:
        """See PulseGenerator; a board without a watchdog needs none."""
        self._check_port()

    def receipts(self) -> list[PulseReceipt]:
        """See PulseGenerator."""
        return self._ledger.collect(self._clock.now_ns(), everything=self._port is None)

    def events(self) -> list[BoardEvent]:
        """See PulseGenerator."""
        with self._changed:
            events = list(self._events)
            self._events.clear()
            self._events_lost = False
        return events

    def alerts(self) -> list[str]:
        """See PulseGenerator."""
        return self._ledger.take_alerts()

    def clock(self) -> DeviceClock | None:
        """See PulseGenerator."""
        with self._changed:
            fit = self.clock_fit
            if fit is None or not fit.num_exchanges:
                return None
            return DeviceClock(
                time_ns=self._clock.now_ns(),
                device_time_us=fit.anchor_ticks,
                host_time_ns=fit.anchor_host_ns,
                ns_per_us=fit.ns_per_tick,
                drift_ppm=fit.drift_ppm,
                residual_ns=fit.residual_ns,
                num_exchanges=fit.num_exchanges,
            )

    def set_sync(self, mode: str, seed: int) -> None:
        """See PulseGenerator."""
        if mode != "off":
            raise BoardRefused("this board has no sync output; use an Etholoop board, or leave the sync output out")

    def strobe(self, frame_index: int) -> None:
        """See PulseGenerator."""
        raise BoardRefused("this board has no sync output")

    def stop(self) -> int:
        """See PulseGenerator."""
        with self._send_lock:
            self._armed = False
        confirmed_ns = self._confirm_stop()
        if self._limits is not None:
            self._limits.stopped(self._now_us())
        return confirmed_ns

    def disarm(self) -> None:
        """See PulseGenerator."""
        self.stop()

    def close(self) -> None:
        """See PulseGenerator."""
        if self._port is None:
            return
        try:
            if self._lost is None:
                self.stop()
        except BoardError as error:
            self._ledger.alert(f"closing without a confirmed stop: {error}")
        self._closing.set()
        if self._reader is not None:
            self._reader.join()
        self._port.close()
        self._port = None

    # for drivers

    def _now_us(self) -> int:
        return self._clock.now_ns() // 1000

    def _check_port(self) -> Port:
        if self._lost is not None:
            raise self._lost
        if self._port is None:
            raise BoardLost(f"the port {self._port_name} is not open")
        return self._port

    def _send_bytes(self, port: Port, data: bytes) -> None:
        """Write to the port; a port that fails is lost from then on, for every caller."""
        try:
            port.write(data)
        except BoardLost as error:
            if self._lost is None:
                self._fail(error)
            raise

    def _report(self, event: BoardEvent) -> None:
        """Keep an event until it is collected; call it holding `_changed`."""
        if len(self._events) == MAX_EVENTS and not self._events_lost:
            self._events_lost = True
            self._ledger.alert(f"more than {MAX_EVENTS} events of the board wait to be recorded: the oldest are lost")
        self._events.append(event)

    def _wait_for(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until the reader thread has made `condition` true, the port is lost, or time is up."""
        with self._changed:
            self._changed.wait_for(lambda: condition() or self._lost is not None, timeout_s)
            return condition()

    def _fail(self, error: BoardLost) -> None:
        """The board is gone: say so to whoever waits and whoever comes."""
        self._ledger.alert(str(error))
        with self._changed:
            self._lost = error
            self._armed = False
            self._changed.notify_all()

    def _read(self) -> None:
        port = self._check_port()
        while not self._closing.is_set():
            try:
                data = port.read()
                if data:
                    self._take(data, self._clock.now_ns())
            except BoardLost as error:
                self._fail(error)
                return
            except Exception as error:  # noqa: BLE001 - a reader that ended unnoticed would leave the board "armed"
                lost = BoardLost(f"what the board on {self._port_name} sent could not be taken in: {error!r}")
                lost.__cause__ = error
                self._fail(lost)
                return
