"""One animal's pulses given to another at the same times: two sessions through the rig's own frame loop, on the board's
wire protocol, judged by the edges of the board's lines."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from online.files.protocol_files import ProtocolFiles
from online.files.session_file import SessionReader
from online.files.tables import text_of
from online.messages import PulseReceipt
from protocols.materials import Materials
from rig.ttl import wire
from rig.ttl.protocol import BoardLimits, PulseTrain
from rig.ttl.wire import Kind, Outcome
from tests.firmware.boards_in_time import BEAT_US, BoardInTime, EmulatorInTime, HostInTime
from tests.firmware.simulated_firmware import SimulatedFirmware, build_firmware
from tests.protocols.live_loop import START_NS, Fault, StepClock, run_live
from tests.rigs import body_frames, tiny_model
from tests.ttl_benches import needs_simavr

NUM_FRAMES = 240
LIMITS = BoardLimits(max_width_us=100_000, max_duty=0.5, window_us=1_000_000, min_interval_us=10_000, max_pulses=1000)
HEAD = """
[session]
name = "animal"
seed = 4
[[blocks]]
name = "quiet"
duration_ms = 200
[[blocks]]
name = "loud"
duration_ms = 60_000
rules = ["stimulus"]
"""
MASTER = """
[[rules]]
name = "stimulus"
target = 0
enter = 0.5
once_per_bout = false
refractory_ms = 200
output = "laser"
"""
YOKED = '[[rules]]\nname = "stimulus"\nkind = "yoked"\nsource = "master"\noutput = "laser"\n'
TAIL = """
[[outputs]]
name = "laser"
channel = 0
width_ms = 20
[limits]
max_width_ms = 100
max_duty = 0.5
window_ms = 1000
min_interval_ms = 10
max_pulses = 1000
[timing]
command_ms = 0.7
"""
DRIFT = 1 + 80e-6


@dataclass
class WiredBoard:
    """A board that hears every command as bytes, at the speed of the line; its clock drifts against the host's."""

    clock: StepClock
    device: BoardInTime
    armed: bool = True
    host: HostInTime = field(init=False)
    asked: set[int] = field(default_factory=set)
    rises_ms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host = HostInTime(self.device)
        self.host.run(15_000)
        self.host.begin(LIMITS)
        self.host.arm()
        self.origin_us = self.device.now_us

    def device_us(self) -> float:
        return self.origin_us + (self.clock.time_ns - START_NS) / 1000 * DRIFT

    def host_ns(self, device_us: float) -> int:
        return START_NS + round((device_us - self.origin_us) * 1000 / DRIFT)

    def catch_up(self) -> None:
        while self.device.now_us < self.device_us():
            self.host.send(Kind.HEARTBEAT)
            self.host.run(min(BEAT_US, self.device_us() - self.device.now_us + 1))

    def pulse(self, train: PulseTrain, expires_in_us: int) -> int:
        self.catch_up()
        delay, width = train.delay_us // wire.SLOT_US, train.width_us // wire.SLOT_US
        sequence = self.host.send(Kind.PULSE, train.channel, delay, width, 0, 1, expires_in_us=expires_in_us)
        self.asked.add(sequence)
        return sequence

    def receipts(self) -> list[PulseReceipt]:
        self.catch_up()
        self.rises_ms = [(self.host_ns(rise) - START_NS) / 1e6 for rise, _ in self.host.pulses_of(0)]
        answers = [(n, self.host.answers[n].fields) for n in sorted(self.asked & self.host.answers.keys())]
        self.asked -= self.host.answers.keys()
        return [self.receipt(n, fields) for n, fields in answers]

    def receipt(self, sequence: int, fields: dict[str, int]) -> PulseReceipt:
        assert fields["outcome"] == Outcome.EXECUTED, fields
        executed_ns = self.host_ns(fields["time_us"] - self.host.offset_us)
        return PulseReceipt(
            command_sequence=sequence,
            outcome="executed",
            reason="",
            device_time_us=fields["time_us"],
            executed_time_ns=executed_ns,
            received_time_ns=executed_ns,
        )


def run(folder: Path, rule: str, device: BoardInTime, faults: dict[int, Fault], materials: Materials) -> np.ndarray:
    """Rises of the board's line, ms since the session's first frame."""
    boards: list[WiredBoard] = []

    def board_of(clock: StepClock) -> WiredBoard:
        boards.append(WiredBoard(clock, device))
        return boards[0]

    frames = np.tile(body_frames(NUM_FRAMES // 4), (4, 1, 1))
    run_live(folder, HEAD + rule + TAIL, tiny_model(), frames, faults, board_of, materials)
    return np.array(boards[0].rises_ms)


def devices(kind: str) -> tuple[BoardInTime, BoardInTime]:
    if kind == "emulator":
        return EmulatorInTime(), EmulatorInTime()
    elf = build_firmware()
    return SimulatedFirmware(elf), SimulatedFirmware(elf)


@pytest.mark.parametrize("kind", ["emulator", pytest.param("firmware", marks=needs_simavr)])
def test_a_yoked_animal_gets_every_pulse_within_a_millisecond_on_the_line_itself(
    kind: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    first, second = devices(kind)
    source_ms = run(tmp_path / "master", MASTER, first, {}, Materials())
    assert len(source_ms) > 6
    times = ProtocolFiles(tmp_path).pulse_times_ms("master")
    np.testing.assert_allclose(times, source_ms, atol=0.2)
    lost = {
        30: Fault(dropped=1),
        77: Fault(stall_ns=25_000_000),
        150: Fault(dropped=1),
        200: Fault(stall_ns=40_000_000),
    }
    materials = Materials(pulse_times_ms={"master": times})
    given_ms = run(tmp_path / "yoked", YOKED, second, lost, materials)
    assert len(given_ms) == len(source_ms)
    apart_ms = np.abs(given_ms - source_ms).max()
    record_property(
        "counts", f"yoked on the {kind}: {len(given_ms)} pulses, {apart_ms:.3f} ms from their source at most"
    )
    assert apart_ms < 1.0
    with SessionReader(tmp_path / "yoked") as session:
        trials, near = session.table("pulses/trials"), session.table("engine/near")
        assert {text_of(row["outcome"]) for row in trials} == {"pulse"}
        assert np.isnan(trials["target_probability"]).all()
        assert len(near) == 0
