"""The conformance suite of pulse generators: every driver passes it, each over a board without hardware."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from online.barcode import next_barcode
from online.errors import BoardLost, BoardNotFound, BoardRefused, BusyError
from online.messages import PulseReceipt
from rig.clock import SystemClock
from rig.ttl.configuration import build_board
from rig.ttl.emergency import force_low
from rig.ttl.heartbeat import FrameLoopLiveness, Heartbeat
from rig.ttl.protocol import BoardLimits, PulseGenerator, PulseTrain
from rig.ttl.simulated_board import start_board_process
from tests.ttl_benches import BENCHES, TRAIN, Bench, needs_simavr, wait_until

LIMITS = BoardLimits(max_width_us=300_000, max_duty=0.5, window_us=10_000_000, min_interval_us=10_000, max_pulses=50)
EXPIRES_US = 500_000
JITTER_US = 10
HARP_TICK_US = 32


def approx(value_us: int, jitter_us: int = JITTER_US) -> object:
    """As long as asked for, but for the jitter that a real board is allowed."""
    return pytest.approx(value_us, abs=jitter_us)


@pytest.fixture(params=[pytest.param(name, marks=needs_simavr if "firmware" in name else ()) for name in BENCHES])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = BENCHES[request.param](tmp_path / "pins.csv")
    made.name = request.param
    yield made
    made.end()


@pytest.fixture
def armed(bench: Bench) -> Iterator[PulseGenerator]:
    bench.board.open()
    bench.board.configure(LIMITS)
    with armed_and_beating(bench.board):
        yield bench.board


@contextmanager
def armed_and_beating(board: PulseGenerator) -> Iterator[None]:
    heartbeat = Heartbeat(board.beat, FrameLoopLiveness(SystemClock(), 60_000_000_000).alive)
    heartbeat.start()  # first, or a busy machine is late for the first beat
    try:
        board.arm()
        yield
    finally:
        heartbeat.stop()


def stop_of(board: PulseGenerator) -> int:
    """Stop until it is confirmed: a busy machine may not read the confirmation in 50 ms."""
    confirmed: list[int] = []

    def stopped() -> bool:
        with suppress(BoardLost):
            confirmed.append(board.stop())
        return bool(confirmed)

    wait_until(stopped, "a stop that is confirmed")
    return confirmed[0]


def receipts_of(board: PulseGenerator, count: int) -> list[PulseReceipt]:
    got: list[PulseReceipt] = []

    def enough() -> bool:
        got.extend(board.receipts())
        return len(got) >= count

    wait_until(enough, f"{count} receipts")
    return got


def test_a_board_says_what_it_is_and_starts_low(bench: Bench) -> None:
    info = bench.board.open()
    assert info.num_outputs >= 1
    assert info.driver == bench.config.driver
    assert bench.edges() == []


def test_a_board_that_tells_its_time_is_fitted_to_the_hosts_clock(bench: Bench) -> None:
    assert bench.board.clock() is None
    bench.board.open()
    fit = bench.board.clock()
    if bench.config.driver in ("pulse-pal", "serial-character"):
        assert fit is None
        return
    assert fit is not None
    assert fit.num_exchanges >= 16
    assert abs(fit.drift_ppm) < 10_000
    assert fit.host_time_ns <= fit.time_ns


def test_each_pulse_is_one_high_period_with_one_receipt_of_its_time(bench: Bench, armed: PulseGenerator) -> None:
    sequences, receipts = [], []
    for n in range(2):
        sequences.append(armed.pulse(bench.short, EXPIRES_US))
        receipts += receipts_of(armed, 1)
        wait_until(lambda n=n: len(bench.edges(0)) == 2 * n + 2, "a falling edge")
        wait_until(lambda: bench.now_us() - bench.edges(0)[-1].device_us > LIMITS.min_interval_us, "the interval")
    assert [(r.command_sequence, r.outcome) for r in receipts] == [(s, "executed") for s in sequences]
    first, fall, second, _ = bench.edges(0)
    assert [edge.level for edge in bench.edges(0)] == [1, 0, 1, 0]
    assert fall.device_us - first.device_us == approx(bench.short.width_us)
    if None not in (times := [r.device_time_us for r in receipts]):
        assert times[1] - times[0] == approx(second.device_us - first.device_us, HARP_TICK_US)


def test_a_train_has_its_count_width_and_period_or_is_refused(bench: Bench, armed: PulseGenerator) -> None:
    if bench.train is None:
        with pytest.raises(BoardRefused):
            armed.pulse(TRAIN, EXPIRES_US)
        return
    armed.pulse(bench.train, EXPIRES_US)
    wait_until(lambda: len(bench.edges(0)) == 8, "four pulses")
    rises = [edge.device_us for edge in bench.edges(0) if edge.level]
    falls = [edge.device_us for edge in bench.edges(0) if not edge.level]
    assert [b - a for a, b in pairwise(rises)] == [approx(bench.train.period_us)] * 3
    assert [b - a for a, b in zip(rises, falls, strict=True)] == [approx(bench.train.width_us)] * 4


def test_stop_cuts_a_pulse_and_disarms(bench: Bench, armed: PulseGenerator) -> None:
    armed.pulse(bench.longest or bench.short, EXPIRES_US)
    wait_until(lambda: len(bench.edges(0)) >= 1, "a rising edge")
    confirmed_ns = stop_of(armed)
    wait_until(lambda: len(bench.edges(0)) == 2, "a falling edge")
    rise, fall = bench.edges(0)
    assert fall.host_ns <= confirmed_ns
    if bench.longest is not None:
        assert fall.device_us - rise.device_us < bench.longest.width_us
    assert not armed.armed
    with pytest.raises(BoardRefused, match="not armed"):
        armed.pulse(bench.short, EXPIRES_US)


def test_stop_is_accepted_before_arming_and_twice(bench: Bench) -> None:
    bench.board.open()
    assert stop_of(bench.board) <= stop_of(bench.board)


def test_nothing_pulses_unless_armed(bench: Bench) -> None:
    bench.board.open()
    with pytest.raises(BoardRefused, match="armed"):
        bench.board.pulse(bench.short, EXPIRES_US)
    with pytest.raises(BoardRefused, match="limits"):
        bench.board.arm()
    bench.board.configure(LIMITS)
    with pytest.raises(BoardRefused, match="armed"):
        bench.board.pulse(bench.short, EXPIRES_US)
    assert bench.edges() == []


BREAKS = (
    (PulseTrain(0, 300_100, 0, 1), "width"),
    (PulseTrain(0, 0, 0, 1), "width"),
    (PulseTrain(99, 5_000, 0, 1), "channel"),
    (PulseTrain(0, 5_000, 14_000, 2), "interval"),
    (PulseTrain(0, 5_000, 20_000, 51), "count"),
    (PulseTrain(0, 5_000, 0, 0), "count"),
    (PulseTrain(0, 300_000, 310_000, 20), "duty"),
)


CANNOT = "no watchdog|single pulses|the sketch's pulse"  # what some boards cannot do, whatever the limits


def test_the_host_refuses_what_breaks_a_limit(bench: Bench, armed: PulseGenerator) -> None:
    for train, reason in BREAKS:
        with pytest.raises(BoardRefused, match=f"{reason}|{CANNOT}"):
            armed.pulse(train, EXPIRES_US)
    assert bench.edges() == []


def test_the_host_says_which_trains_together_are_too_much(bench: Bench, armed: PulseGenerator) -> None:
    if bench.config.driver != "etholoop":
        return  # no ceiling on edges
    armed.disarm()
    armed.configure(replace(LIMITS, min_interval_us=100))
    armed.arm()
    trains = [PulseTrain(channel, 100, 200, 10, 5_000_000) for channel in (0, 1)]
    armed.pulse(trains[0], EXPIRES_US)
    with pytest.raises(BoardRefused, match="20000 edges per second; the board serves 14000"):
        armed.pulse(trains[1], EXPIRES_US)
    with pytest.raises(BoardRefused, match="output 0 has a train under way"):
        armed.pulse(trains[0], EXPIRES_US)


def test_a_second_program_finds_the_port_in_use(bench: Bench) -> None:
    bench.board.open()
    with pytest.raises(BusyError, match="in use"):
        build_board(bench.config, SystemClock()).open()


def test_a_board_that_goes_away_is_lost_and_its_commands_too(bench: Bench, armed: PulseGenerator) -> None:
    bench.process.kill()
    bench.process.wait()

    def lost() -> bool:
        try:
            armed.pulse(bench.short, EXPIRES_US)
        except BoardLost:
            return True
        except BoardRefused:
            pass
        return False

    wait_until(lost, "the loss to be noticed")
    with pytest.raises(BoardLost):
        armed.stop()


def test_closing_leaves_the_line_low(bench: Bench, armed: PulseGenerator) -> None:
    armed.pulse(bench.longest or bench.short, EXPIRES_US)
    (receipt,) = receipts_of(armed, 1)
    wait_until(lambda: len(bench.edges(0)) >= 1, "a rising edge")
    armed.close()
    armed.close()
    wait_until(lambda: len(bench.edges(0)) == 2, "a falling edge")
    rise, fall = bench.edges(0)
    assert bench.longest is None or fall.device_us - rise.device_us < bench.longest.width_us
    assert receipt.outcome == "executed"
    assert armed.receipts() == []


def test_lines_are_forced_low_from_outside(bench: Bench, armed: PulseGenerator) -> None:
    if bench.longest is None:
        assert not force_low(bench.config)
        return
    armed.pulse(bench.longest, EXPIRES_US)
    wait_until(lambda: len(bench.edges(0)) == 1, "a rising edge")
    force_low(bench.config)
    wait_until(lambda: len(bench.edges(0)) == 2, "a falling edge")
    rise, fall = bench.edges(0)
    assert fall.device_us - rise.device_us < bench.longest.width_us


def test_a_board_comes_back_after_it_was_unplugged(bench: Bench, armed: PulseGenerator, tmp_path: Path) -> None:
    bench.process.kill()
    bench.process.wait()
    wait_until(lambda: any("gone" in alert for alert in bench.board.alerts()), "the loss to be noticed")
    bench.board.close()
    again = BENCHES[bench.name](tmp_path / "again.csv")
    again.board.open()
    again.board.configure(LIMITS)
    with armed_and_beating(again.board):
        again.board.pulse(again.short, EXPIRES_US)
        wait_until(lambda: len(again.edges(0)) == 2, "a pulse")
    again.end()


def test_another_device_is_said_to_be_one(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if bench.config.driver == "serial-character":
        return  # a sketch cannot be told from another
    monkeypatch.setattr("rig.ttl.etholoop_board.BOOT_TIMEOUT_S", 0.2)
    process, port = start_board_process("tests.emulated_boards", tmp_path / "other.csv", "serial-character")
    wrong = build_board(bench.config.model_copy(update={"port": port}), SystemClock())
    with pytest.raises(BoardNotFound, match=f"(?s)what is on {port}"):
        wrong.open()
    process.terminate()
    process.wait()


def test_sync_output_is_there_or_refused(bench: Bench, armed: PulseGenerator) -> None:
    if bench.config.driver != "etholoop":
        with pytest.raises(BoardRefused, match="sync"):
            armed.set_sync("barcode", 7)
        return
    armed.set_sync("strobe", 0)
    armed.strobe(41)
    wait_until(lambda: len(bench.edges(7)) == 2, "a strobe")
    strobes = []
    wait_until(lambda: bool(strobes.extend(e for e in armed.events() if e.kind == "strobe") or strobes), "its time")
    assert dict(strobes[0].values) == {"frame_index": 41, "reason": 0}
    armed.set_sync("barcode", 7)
    reported = []
    wait_until(lambda: bool(reported.extend(e for e in armed.events() if e.kind == "barcode") or reported), "a code")
    assert dict(reported[0].values)["barcode"] == next_barcode(7)
