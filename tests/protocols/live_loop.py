"""The frame loop of the rig in one thread: real pipeline, engine and session file; camera, clock and board made up."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from online import further_evidence, pipeline
from online.arena import Intrinsics
from online.arena_calibration import calibrate
from online.errors import BoardRefused
from online.files.arena_file import save_arena
from online.files.bundle import save_bundle
from online.files.session_file import SessionShape, SessionWriter
from online.messages import Frame, Message, PulseReceipt
from online.model import ModelBundle
from protocols import engine
from protocols.materials import NO_MATERIALS, Materials, to_json
from protocols.parse import parse_protocol
from rig.board_record import SyncLine
from rig.bus import Received
from rig.closed_loop import ClosedLoop, LoopParts
from rig.control import CONFIRMED
from rig.manual_pulse import manual_pulse
from rig.ttl.protocol import PulseTrain
from tests.rigs import FOCAL_PX, HEIGHT, WIDTH

RATE_HZ = 60.0
START_NS = 7 * 10**12


@dataclass
class StepClock:
    """A clock that moves only when told, and a little with every question."""

    time_ns: int = START_NS

    def now_ns(self) -> int:
        self.time_ns += 20_000
        return self.time_ns


@dataclass
class Publisher:
    """Writes to the session file."""

    writer: SessionWriter

    def publish(self, message: Message, payload: memoryview | None = None) -> None:
        self.writer.append(message, payload)


@dataclass
class Board:
    """Executes each train on its delay; refuses the commands whose numbers are in `refuse`, with `refusal`."""

    clock: StepClock
    refuse: frozenset[int] = frozenset()
    refusal: str = "channel 0: the line is held low"
    armed: bool = True
    asked: int = 0
    waiting: list[PulseReceipt] = field(default_factory=list)

    def pulse(self, train: PulseTrain, expires_in_us: int) -> int:
        self.asked += 1
        if self.asked in self.refuse:
            raise BoardRefused(self.refusal)
        rise_ns = self.clock.time_ns + train.delay_us * 1000
        self.waiting.append(
            PulseReceipt(
                command_sequence=self.asked,
                outcome="executed",
                reason="",
                device_time_us=rise_ns // 1000,
                executed_time_ns=rise_ns,
                received_time_ns=rise_ns,
            )
        )
        return self.asked

    def receipts(self) -> list[PulseReceipt]:
        collected, self.waiting = self.waiting, []
        return collected


BoardMaker = Callable[[StepClock], Any]


@dataclass(frozen=True)
class Fault:
    """What happens before a frame: the camera drops frames, the loop stalls, the operator acts."""

    dropped: int = 0
    stall_ns: int = 0
    armed: bool | None = None
    paused: bool | None = None
    by_hand: bool = False


def run_live(
    folder: Path,
    protocol_text: str,
    bundle: ModelBundle,
    frames: np.ndarray,
    faults: dict[int, Fault],
    board_of: BoardMaker = Board,
    materials: Materials = NO_MATERIALS,
) -> Path:
    """Run a session over frames (T, H, W) and leave its folder."""
    folder.mkdir(parents=True)
    lens = Intrinsics(FOCAL_PX, FOCAL_PX, WIDTH / 2, HEIGHT / 2)
    arena = calibrate(frames[:: max(len(frames) // 20, 1)], lens, 1.0)
    save_arena(arena, folder / "arena.toml")
    save_bundle(folder / "m.model.h5", bundle)
    protocol = parse_protocol(protocol_text, "live")
    num_syllables = bundle.arhmm.num_syllables
    state = engine.init(protocol, num_syllables, {}, RATE_HZ, "m1", folder.name, materials)
    shape = SessionShape(
        height=HEIGHT,
        width=WIDTH,
        num_syllables=num_syllables,
        num_further=len(state.requests),
        num_dims=bundle.arhmm.num_dims,
        crop_size_px=80,
        record_depth=True,
        compression_level=1,
    )
    configuration = {
        "model": (folder / "m.model.h5").read_bytes(),
        "protocol": protocol_text.encode(),
        "materials": to_json(materials).encode(),
    }
    camera = {"rate_hz": RATE_HZ, "depth_unit_mm": 1.0}
    attributes = {"subject": "m1", "session": folder.name, "names": {}, "camera": camera}
    writer = SessionWriter(folder / "session.h5", shape, configuration, attributes)
    clock = StepClock()
    board = board_of(clock)
    publishers = dict.fromkeys(("pulses", "engine", "poses", "syllables"), Publisher(writer))
    decoding = pipeline.init(bundle, arena, 1.0, RATE_HZ)
    further = further_evidence.init(decoding.decoder, state.requests, bundle.frame_rate_hz)
    sync = SyncLine(board, "off", folder.name)  # type: ignore[arg-type]
    parts = LoopParts(decoding, further, state, board, sync, publishers, clock, 50_000_000)  # type: ignore[arg-type]
    loop = ClosedLoop(parts)
    with closing(writer):
        for message, image in headers(frames, faults):
            fault = faults.get(message.frame_index, Fault())
            board.armed = board.armed if fault.armed is None else fault.armed
            loop.paused = loop.paused if fault.paused is None else fault.paused
            clock.time_ns = max(clock.time_ns, message.arrival_time_ns) + fault.stall_ns
            payload = memoryview(image.tobytes())
            if fault.by_hand:
                manual_pulse(loop, CONFIRMED)  # type: ignore[arg-type]
            writer.append(message, payload)
            loop.on_frame(Received(message, payload, 0))
            loop.publish_receipts()
    return folder


def headers(frames: np.ndarray, faults: dict[int, Fault]) -> Iterator[tuple[Frame, np.ndarray]]:
    """Frames that the camera delivers, on the grid of its slots."""
    slot = 0
    while slot < len(frames):
        dropped = faults.get(slot, Fault()).dropped
        slot += dropped
        if slot >= len(frames):
            return
        capture_ns = START_NS + round(slot * 1e9 / RATE_HZ)
        yield (
            Frame(
                frame_index=slot,
                dropped_before=dropped,
                frame_number=slot,
                device_time_ns=capture_ns,
                capture_time_ns=capture_ns,
                arrival_time_ns=capture_ns + 6_000_000,
                published_time_ns=capture_ns + 6_000_000,
                height=HEIGHT,
                width=WIDTH,
                truth=None,
            ),
            frames[slot],
        )
        slot += 1
