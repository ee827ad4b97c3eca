"""Driver of the Etholoop firmware: what a pulse generator can be asked, as commands of its own protocol."""

from online.errors import BoardLost, BoardNotFound, BoardRefused
from rig.clock import Clock
from rig.ttl import wire
from rig.ttl.etholoop_link import ANSWER_TIMEOUT_S, CONTROL_EXPIRY_US, MAX_UNANSWERED, EtholoopLink
from rig.ttl.limits import limit_values
from rig.ttl.protocol import BoardInfo, BoardLimits, PulseTrain
from rig.ttl.serial_driver import STOP_TIMEOUT_S
from rig.ttl.wire import Kind, Reason, SyncMode, WireFrame

BOOT_TIMEOUT_S = 3.0  # an Arduino's boot loader runs whenever its port is opened
NUM_CLOCK_EXCHANGES = 16
STORE_WAIT_S = 0.02  # the board writes a byte of its store in 3.4 ms
NUM_STORE_WAITS = 100


class EtholoopBoard(EtholoopLink):
    """See `rig.ttl.protocol.PulseGenerator`; `interlock` makes the board's last input an interlock (low = no light)."""

    def __init__(self, port_name: str, clock: Clock, interlock: bool = False, nonce: int | None = None) -> None:
        super().__init__(port_name, clock, nonce)
        self._interlock = interlock
        self._heartbeat_us = wire.CEILING_HEARTBEAT_MS * 1000
        self._sync_mode = "off"
        self._lost_events = 0

    def configure(self, limits: BoardLimits) -> None:
        """See PulseGenerator."""
        super().configure(limits)
        self._command(Kind.SET_LIMITS, limit_values(limits, self._interlock))
        self._heartbeat_us = limits.heartbeat_timeout_us

    def arm(self) -> None:
        """See PulseGenerator."""
        if self._limits is None:
            raise BoardRefused("the board has no limits yet: configure it before arming")
        for _ in range(NUM_STORE_WAITS):
            answer = self._ask(Kind.ARM)
            reason = Reason(answer.fields["reason"])
            if reason is not Reason.STORING:
                break
            self._closing.wait(STORE_WAIT_S)
        if reason is not Reason.NONE:
            raise BoardRefused(f"the board refused ARM: {reason.name}")
        with self._changed:
            self._armed, self._unexplained, self._arm_sequence = True, False, answer.sequence
        if quiet_ms := self.status()["quiet_ms"]:
            self._ledger.alert(
                f"the board was reset: it refuses pulses for {quiet_ms / 1000:.1f} s more, a duty window, and counts "
                "as disarmed until then"
            )

    def beat(self) -> None:
        """See PulseGenerator."""
        self._send(Kind.HEARTBEAT, (), self._heartbeat_us)

    def set_sync(self, mode: str, seed: int) -> None:
        """See PulseGenerator."""
        if self._shows_sync and mode == self._sync_mode:
            return
        self._command(Kind.SYNC, (int(SyncMode[mode.upper()]), seed))
        self._sync_mode = mode

    def strobe(self, frame_index: int) -> None:
        """See PulseGenerator."""
        with self._send_lock:
            self._strobed[self._sequence + 1] = frame_index
            self._give_up_strobes(self._sequence - MAX_UNANSWERED)
            self._send(Kind.STROBE, (), CONTROL_EXPIRY_US)

    def _give_up_strobes(self, until: int) -> None:
        """Nobody knows whether the frames of strobes that were never answered, up to a sequence, were marked."""
        while (oldest := next(iter(self._strobed))) <= until:
            frame_index = self._strobed.pop(oldest, None)  # the reader may have just taken its answer
            if frame_index is not None:
                self._ledger.alert(f"the strobe of frame {frame_index} was never answered: it may not have been shown")

    def status(self) -> dict[str, int]:
        """What the board says of itself now: the fields of a status report."""
        return self._ask(Kind.STATUS).fields

    def disarm(self) -> None:
        """See PulseGenerator."""
        self._armed = False
        self._command(Kind.DISARM)
        if self._limits is not None:
            self._limits.stopped(self._now_us())
        self._tell_losses()

    def _tell_losses(self) -> None:
        """The board counts what it had to report and could not; without it the record of inputs has holes."""
        before, self._lost_events = self._lost_events, self.status()["lost_events"]
        if lost := max(0, self._lost_events - before):
            self._ledger.alert(f"the board could not report {lost} events: an input changes too fast for its port")

    def _greet(self) -> BoardInfo:
        self._parser = wire.new_parser(wire.MAX_REPLY_PAYLOAD)
        identity = self._identify()
        for _ in range(NUM_CLOCK_EXCHANGES):
            status = self._ask(Kind.STATUS)
        self._sequence = max(self._sequence, status.fields["last_sequence"])
        self._lost_events = status.fields["lost_events"]
        self._command(Kind.STOP)
        self._command(Kind.OPEN_SESSION)
        return self._info(identity)

    def _send_train(self, train: PulseTrain, expires_in_us: int) -> int:
        period_us = train.period_us if train.count > 1 else 0
        delay, width, period = (us // wire.SLOT_US for us in (train.delay_us, train.width_us, period_us))
        return self._send(Kind.PULSE, (train.channel, delay, width, period, train.count), expires_in_us)

    def _confirm_stop(self) -> int:
        answered = self._transact(Kind.STOP, (), STOP_TIMEOUT_S / 3, 3)
        if answered is None:
            raise self._lost or BoardLost(f"no confirmation of the emergency stop in 50 ms on {self._port_name}")
        return answered[1]

    def _info(self, identity: WireFrame) -> BoardInfo:
        fields = identity.fields
        return BoardInfo(
            driver="etholoop",
            identity=self._port_name,
            firmware=f"{fields['firmware_major']}.{fields['firmware_minor']} on board {fields['board']}",
            num_outputs=wire.NUM_STIMULUS_OUTPUTS,
            num_inputs=fields["num_inputs"],
            has_watchdog=True,
            acknowledges=True,
        )

    def _identify(self) -> WireFrame:
        answered = self._transact(Kind.IDENTIFY, (), ANSWER_TIMEOUT_S, round(BOOT_TIMEOUT_S / ANSWER_TIMEOUT_S))
        if answered is None:
            if self._lost is not None:
                raise self._lost
            heard = f"it sent {bytes(self._heard[:16]).hex(' ')}" if self._heard else "it sent nothing"
            raise BoardNotFound(
                f"what is on {self._port_name} does not speak Etholoop's protocol ({heard}): another device, or a "
                "board without the firmware; choose another port, or write it (etholoop ttl flash)"
            )
        protocol = answered[0].fields["protocol"]
        if protocol != wire.PROTOCOL_VERSION:
            raise BoardNotFound(
                f"the board on {self._port_name} speaks protocol {protocol}, this program {wire.PROTOCOL_VERSION}: "
                "write the firmware again (etholoop ttl flash)"
            )
        return answered[0]

    def _command(self, kind: Kind, values: tuple[int, ...] = ()) -> None:
        reason = self._refusal(kind, values)
        if reason is not Reason.NONE:
            raise BoardRefused(f"the board refused {kind.name}: {reason.name}")

    def _refusal(self, kind: Kind, values: tuple[int, ...] = ()) -> Reason:
        return Reason(self._ask(kind, values).fields["reason"])
