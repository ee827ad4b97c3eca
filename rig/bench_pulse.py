"""A test pulse while no session runs: the board is opened for it, limited, pulsed once, and let go with lines low."""

import json
import threading
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from online.errors import BoardLost, BoardRefused
from online.messages import PulseReceipt
from protocols.build import train_of
from protocols.schema import Output, Protocol
from rig.clock import Clock
from rig.configuration import RigConfig
from rig.session_checks import board_limits
from rig.ttl.configuration import build_board, prepare_board
from rig.ttl.heartbeat import Heartbeat
from rig.ttl.protocol import PulseGenerator, PulseTrain
from rig.ttl.simulated_board import end_board_process

EXPIRES_IN_US = 100_000
RECORD = "manual_pulses.jsonl"
ANSWER_NS = 300_000_000
STEP_NS = 2_000_000
STOPPED = "stopped by the operator"


class StopWish:
    """An emergency stop while a train runs: wished by one thread, carried out by the one that owns the board."""

    def __init__(self) -> None:
        self.wished = threading.Event()
        self.answered = threading.Event()
        self.confirmed_ns: int | None = None

    def carry_out(self, board: PulseGenerator) -> None:
        """All lines low; the board's confirmation is kept, or BoardLost raised."""
        try:
            self.confirmed_ns = board.stop()
        finally:
            self.answered.set()


def bench_pulse(
    rig: RigConfig, protocol: Protocol, output: Output, clock: Clock, folder: Path, stop: StopWish | None = None
) -> PulseReceipt:
    """One train of `output` within the protocol's limits; a line is added to `folder`/manual_pulses.jsonl.

    Raises
    ------
    BoardError
        if there is no board, it refuses, it does not answer, or the train was cut short; what came is recorded too.
    """
    config, simulated = prepare_board(rig.board, folder / "manual-pins.csv")
    try:
        board = build_board(config, clock)
        try:
            board.open()
            board.configure(board_limits(protocol))
            receipt = _pulse(board, output, clock, stop or StopWish())
        finally:
            board.close()
    finally:
        if simulated is not None:
            end_board_process(simulated)
    _record(folder / RECORD, output, config.port, receipt)
    if receipt.outcome != "executed":
        raise BoardRefused(f"the test pulse was {receipt.outcome}: {receipt.reason}")
    if receipt.reason:
        raise BoardRefused(f"the train of the test pulse was cut short: {receipt.reason}")
    return receipt


def _pulse(board: PulseGenerator, output: Output, clock: Clock, stop: StopWish) -> PulseReceipt:
    train = PulseTrain(**asdict(train_of(output)))
    heartbeat = Heartbeat(board.beat, lambda: True)
    heartbeat.start()
    try:
        board.arm()
        try:
            sequence = board.pulse(train, EXPIRES_IN_US)
        except BoardRefused as error:
            return _refusal(str(error), clock)
        ends_ns = clock.now_ns() + 1000 * (train.delay_us + train.count * train.period_us)
        found: PulseReceipt | None = None
        while clock.now_ns() < ends_ns or (found is None and clock.now_ns() < ends_ns + ANSWER_NS):
            heartbeat.check()
            found = next((r for r in board.receipts() if r.command_sequence == sequence), found)
            if stop.wished.is_set() and not stop.answered.is_set():
                stop.carry_out(board)
                ends_ns = clock.now_ns()
            clock.sleep_until_ns(clock.now_ns() + STEP_NS)
        if found is None:
            raise BoardLost("the board did not answer the test pulse: look at its cable")
        cut = [STOPPED] if stop.answered.is_set() else [a for a in board.alerts() if "disarmed" in a]
        return found.replace(reason="; ".join([found.reason, *cut]).strip("; "))
    finally:
        heartbeat.stop()


def _refusal(reason: str, clock: Clock) -> PulseReceipt:
    return PulseReceipt(
        command_sequence=0,
        outcome="refused",
        reason=reason,
        device_time_us=None,
        executed_time_ns=None,
        received_time_ns=clock.now_ns(),
    )


def _record(path: Path, output: Output, port: str, receipt: PulseReceipt) -> None:
    line = {
        "at": datetime.now(UTC).astimezone().isoformat(),
        "output": output.name,
        "port": port,
        "train": asdict(train_of(output)),
        "outcome": receipt.outcome,
        "reason": receipt.reason,
    }
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
