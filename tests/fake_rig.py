"""A rig that only pretends: publishes simulated messages on the real streams and answers commands.

For looking at the screens: `python -m tests.fake_rig RUN_DIR [SECONDS]`, then `python -m rig.tui.live RUN_DIR`.
"""

import math
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np
import zmq
from numpy.typing import NDArray

from online.messages import (
    Command,
    EngineInput,
    Event,
    Frame,
    Health,
    InputHealth,
    Pose,
    PulseReceipt,
    Reply,
    RuleStatus,
    SessionStatus,
    Syllables,
    Trial,
)
from rig.bus import Publisher
from rig.clock import Clock, SystemClock
from rig.control import ControlServer
from rig.services import STREAMS
from tests.fake_rig_files import FLOOR_MM, FRAME_NS, HEIGHT_PX, NUM_SYLLABLES, WIDTH_PX, write_files


class FakeRig:
    """Publishes a session, one frame a `step`, and carries out commands on its own threadless `serve`."""

    def __init__(self, run_dir: Path, clock: Clock, context: "zmq.Context[zmq.Socket[bytes]] | None" = None) -> None:
        self.clock = clock
        self.run_dir = run_dir
        self.context: zmq.Context[zmq.Socket[bytes]] = context or zmq.Context()
        self.publishers = {name: Publisher(self.context, run_dir, name) for name in STREAMS}
        self.controls = {name: ControlServer(self.context, run_dir, name) for name in ("online", "supervisor")}
        self.commands: list[tuple[str, Command]] = []
        self.rng = np.random.default_rng(5)
        self.start_ns = clock.now_ns()
        self.frame_index = -1
        self.armed, self.paused, self.stopped = True, False, False
        self.syllable, self.since, self.heading = 0, 0, 0.4
        self.x, self.y = 256.0, 212.0
        self.last_trial_ns = 0
        self.counts: Counter[str] = Counter()
        self.in_bout = False
        self.silent: set[str] = set()
        self.deaf: set[str] = set()

    # what happens ----------------------------------------------------------------------------------------------

    def probe(self) -> None:
        """A mark on every stream, so that subscribers know that they hear."""
        for publisher in self.publishers.values():
            publisher.probe()

    def step(self, dropped: int = 0) -> None:
        """One frame and everything that follows from it."""
        now_ns = self.clock.now_ns()
        self.frame_index += 1 + dropped
        self._move()
        self._publish_frame(now_ns, dropped)
        posterior = self._posterior()
        self._publish_pose(now_ns)
        self.publishers["syllables"].publish(
            Syllables(
                frame_index=self.frame_index,
                capture_time_ns=now_ns - 8_000_000,
                arrival_time_ns=now_ns - 4_000_000 - int(self.rng.exponential(3e5)),
                extracted_time_ns=now_ns - 1_500_000,
                decoded_time_ns=now_ns - 1_000_000,
                has_evidence=dropped == 0,
                log_evidence=-3.0 if dropped == 0 else None,
                phase=0,
                posterior=posterior,
                scores=np.zeros(4),
                further=np.zeros(0),
                novelty=None,
            )
        )
        self.publishers["engine"].publish(
            EngineInput(
                order=self.frame_index,
                frame_index=self.frame_index,
                capture_time_ns=now_ns - 8_000_000,
                decision_time_ns=now_ns - 950_000,
                armed=self.armed,
                paused=self.paused,
            )
        )
        self._decide(float(posterior[3]), now_ns)
        if self.frame_index % 3 == 0:
            self._publish_status(float(posterior[3]), now_ns)
            for process in ("camera", "online", "recorder"):
                if process not in self.silent:
                    self._publish_health(process, now_ns)

    def _move(self) -> None:
        self.since += 1
        if self.rng.random() < 1 / 11 and self.since > 3:
            self.syllable = int(self.rng.choice(NUM_SYLLABLES, p=_usage()))
            self.since = 0
        self.heading += float(self.rng.normal(0, 0.08)) + (0.06 if self.syllable == 7 else 0.0)
        speed = 2.6 if self.syllable in (4, 12) else 0.5
        self.x += speed * math.cos(self.heading)
        self.y -= speed * math.sin(self.heading)
        if (self.x - 256) ** 2 + (self.y - 212) ** 2 > 130**2:
            self.heading = math.atan2(self.y - 212, 256 - self.x) + float(self.rng.normal(0, 0.3))
            self.x += (256 - self.x) * 0.03
            self.y += (212 - self.y) * 0.03

    def _posterior(self) -> NDArray[np.float64]:
        sure = 0.93 * (1 - math.exp(-(self.since + 1) / 2))
        posterior = np.asarray(self.rng.dirichlet(np.full(NUM_SYLLABLES, 0.08))) * (1 - sure)
        posterior[self.syllable] += sure
        return np.asarray(posterior / posterior.sum())

    def body_mm(self, y: NDArray[np.float64], x: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
        """Height of a mouse-like body at the offsets (y up, x along it) in pixels of `scale` mm."""
        u, v = x * scale, y * scale
        body = 32 * np.exp(-((u / 34) ** 4)) * np.exp(-((v / (16 - 0.12 * u)) ** 4))
        tail = 8 * (np.abs(v) < 3) * (u < -30) * (u > -85)
        lift = 1.9 if self.syllable == 3 else 1.0
        raised = 1 + (lift - 1) / (1 + np.exp(-u / 10))
        return np.asarray(np.maximum(body * raised, tail))

    def _publish_frame(self, now_ns: int, dropped: int) -> None:
        depth = FLOOR_MM + self.rng.normal(0, 1.2, (HEIGHT_PX // 2, WIDTH_PX // 2))
        y, x = np.mgrid[: HEIGHT_PX // 2, : WIDTH_PX // 2] * 2.0
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        dx, dy = x - self.x, -(y - self.y)
        depth -= self.body_mm(-dx * sin + dy * cos, dx * cos + dy * sin, 1.84)
        image = np.repeat(np.repeat(depth.round().astype(np.uint16), 2, 0), 2, 1)
        image[self.rng.random(image.shape) < 0.01] = 0
        header = Frame(
            frame_index=self.frame_index,
            dropped_before=dropped,
            frame_number=self.frame_index,
            device_time_ns=now_ns,
            capture_time_ns=now_ns - 8_000_000,
            arrival_time_ns=now_ns - 4_000_000,
            published_time_ns=now_ns - 3_900_000,
            height=HEIGHT_PX,
            width=WIDTH_PX,
            truth=None,
        )
        self.publishers["frames"].publish(header, image.tobytes())

    def _publish_pose(self, now_ns: int) -> None:
        y, x = np.mgrid[:80, :80] - 39.5
        crop = self.body_mm(-y, x, 1.6).clip(0, 255).astype(np.uint8)
        pose = Pose(
            frame_index=self.frame_index,
            capture_time_ns=now_ns - 8_000_000,
            arrival_time_ns=now_ns - 4_000_000,
            extracted_time_ns=now_ns - 1_500_000,
            missing=False,
            x_px=self.x,
            y_px=self.y,
            x_mm=(self.x - 256) * 1.84,
            y_mm=(self.y - 212) * 1.84,
            heading_rad=self.heading,
            heading_probability=0.98,
            length_mm=70.0,
            width_mm=32.0,
            area_mm2=1900.0,
            height_mm=28.0,
            speed_mm_s=60.0,
            turning_rad_s=0.1,
        )
        self.publishers["poses"].publish(pose, crop.tobytes())

    def _decide(self, probability: float, now_ns: int) -> None:
        began = probability >= 0.8 and not self.in_bout
        self.in_bout = probability >= (0.5 if self.in_bout else 0.8)
        if not began or now_ns - self.start_ns < 1_000_000_000:
            return
        outcome: Literal["pulse", "catch", "refused"] = "catch" if self.rng.random() < 0.25 else "pulse"
        reason = ""
        if not self.armed or self.paused:
            outcome, reason = "refused", "paused" if self.paused else "disarmed"
        elif now_ns - self.last_trial_ns < 1_500_000_000:
            outcome, reason = "refused", "refractory"
        else:
            self.last_trial_ns = now_ns
        self.trial(outcome, reason, probability, now_ns)

    def trial(
        self, outcome: Literal["pulse", "catch", "refused"], reason: str, probability: float, now_ns: int
    ) -> None:
        """Publish a trial, and the board's receipt of a pulse."""
        self.counts[outcome] += 1
        sequence = self.counts["pulse"] if outcome == "pulse" else None
        self.publishers["pulses"].publish(
            Trial(
                frame_index=self.frame_index,
                rule="rear-laser",
                trial_number=self.counts["pulse"] + self.counts["catch"],
                outcome=outcome,
                reason=reason,
                target_probability=probability,
                threshold=0.8,
                block="stimulation",
                output="laser",
                channel=0,
                width_us=20_000,
                period_us=20_000,
                count=1,
                delay_us=0,
                detail="",
                command_sequence=sequence,
                capture_time_ns=now_ns - 8_000_000,
                arrival_time_ns=now_ns - 4_000_000,
                extracted_time_ns=now_ns - 1_500_000,
                decoded_time_ns=now_ns - 1_000_000,
                decided_time_ns=now_ns - 950_000,
                written_time_ns=now_ns - 900_000 if sequence else None,
            )
        )
        if sequence:
            self.publishers["pulses"].publish(
                PulseReceipt(
                    command_sequence=sequence,
                    outcome="executed",
                    reason="",
                    device_time_us=now_ns // 1000,
                    executed_time_ns=now_ns - 500_000,
                    received_time_ns=now_ns,
                )
            )

    def _publish_status(self, probability: float, now_ns: int) -> None:
        elapsed_ms = (now_ns - self.start_ns) / 1e6
        left_ms = max(0.0, 1500 - (now_ns - self.last_trial_ns) / 1e6) if self.last_trial_ns else 0.0
        rule = RuleStatus(
            name="rear-laser",
            state="refractory" if left_ms else "waiting",
            target=(3,),
            threshold=0.8,
            target_probability=probability,
            dwell_ms=0.0,
            refractory_left_ms=left_ms,
            pulses=self.counts["pulse"],
            catches=self.counts["catch"],
            refused=self.counts["refused"],
        )
        self.publishers["status"].publish(
            SessionStatus(
                time_ns=now_ns,
                armed=self.armed,
                paused=self.paused,
                block="stimulation",
                block_left_ms=max(0.0, 600_000 - elapsed_ms),
                elapsed_ms=60_000 + elapsed_ms,
                duration_ms=660_000,
                frames=self.frame_index + 1,
                rules=(rule,),
            )
        )

    def _publish_health(self, process: str, now_ns: int) -> None:
        heard = ("frames",) if process != "camera" else ()
        inputs = tuple(
            InputHealth(stream=s, alive=True, valid=True, rate_hz=30.0, received=self.frame_index + 1, lost=0)
            for s in heard
        )
        self.publishers[f"health.{process}"].publish(
            Health(process=process, beat=self.frame_index, time_ns=now_ns, state="running", inputs=inputs, detail="")
        )

    def event(self, source: Literal["camera", "online", "supervisor"], kind: str, detail: str) -> None:
        """Publish an event."""
        message = Event.model_validate(
            {"time_ns": self.clock.now_ns(), "source": source, "kind": kind, "detail": detail}
        )
        self.publishers[f"events.{source}"].publish(message)

    # what is asked ---------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Answer what waits on the control channels."""
        for process, control in self.controls.items():
            while process not in self.deaf and (command := control.receive()) is not None:
                self.commands.append((process, command))
                self._carry_out(command)
                control.reply(Reply(ok=True, detail="", done_time_ns=self.clock.now_ns()))
                if process == "online" or command.name == "acknowledge":
                    self.event(process, "command", f"{command.name} {command.text}".strip())

    def _carry_out(self, command: Command) -> None:
        match command.name:
            case "arm":
                self.armed = True
            case "disarm" | "emergency_stop":
                self.armed = False
            case "pause" | "resume":
                self.paused = command.name == "pause"
            case "stop":
                self.stopped = True
            case _:
                pass

    def end(self) -> None:
        """The last word on every stream."""
        self.event("supervisor", "lifecycle", "session ends: the protocol is over")
        for publisher in self.publishers.values():
            publisher.end()

    def close(self) -> None:
        """Release all sockets."""
        for publisher in self.publishers.values():
            publisher.close()
        for control in self.controls.values():
            control.close()


def _usage() -> NDArray[np.float64]:
    usage = 0.8 ** np.arange(NUM_SYLLABLES)
    usage[3] = usage[1]
    return np.asarray(usage / usage.sum())


def run(run_dir: Path, seconds: float) -> None:
    """Play in real time until told to stop."""
    run_dir.mkdir(parents=True, exist_ok=True)
    write_files(run_dir)
    rig = FakeRig(run_dir, SystemClock())
    over = threading.Event()
    next_ns = rig.clock.now_ns()
    while not rig.stopped and rig.clock.now_ns() - rig.start_ns < seconds * 1e9:
        next_ns += FRAME_NS
        while (left_ns := next_ns - rig.clock.now_ns()) > 0:
            rig.controls["online"].socket.poll(min(2, left_ns // 1_000_000))
            rig.serve()
        rig.step(dropped=3 if rig.frame_index % 400 == 399 else 0)
        if rig.frame_index % 500 == 200:
            rig.event("camera", "alert", "USB link dropped to 480 Mbit/s")
    rig.end()
    over.wait(0.2)
    rig.close()
    rig.context.term()


if __name__ == "__main__":
    run(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 600.0)
