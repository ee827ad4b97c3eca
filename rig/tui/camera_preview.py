"""The rig's camera, opened in its own process before the session, to be looked at and measured."""

import contextlib
import subprocess
import threading
from collections import deque
from pathlib import Path

import numpy as np
import zmq
from numpy.typing import NDArray

from online.arena import Arena
from online.errors import CameraLost, EtholoopError
from online.files.arena_file import load_arena
from online.messages import Frame
from rig.bus import Subscriber
from rig.cameras.protocol import CameraInfo
from rig.children import spawn
from rig.clock import Clock
from rig.configuration import RigConfig
from rig.launch import Launch
from rig.private_directory import private_directory
from rig.session_checks import check_arena
from rig.session_run import find_arena
from rig.supervisor import Supervisor

WAIT_MS = 20
MEASURED_FRAMES = 30
LET_GO_S = 5.0
SILENCE_NS = 1_000_000_000


class CameraPreview:
    """A thread that opens the camera, calibrates or loads the arena, and keeps the newest frame.

    `info`, `arena`, `failure` and `depth` are set as they become known; `rate_hz` once enough frames came. `after`: a
    preview that may still hold the same camera, and is waited for.
    """

    def __init__(self, path: Path, rig: RigConfig, clock: Clock, after: "CameraPreview | None" = None) -> None:
        self._after = after
        self._calibration: subprocess.Popen[bytes] | None = None
        self._calibrating_since_ns: int | None = None
        self._path = path
        self._rig = rig
        self._clock = clock
        self._over = threading.Event()
        self._supervisor: Supervisor | None = None
        self._thread = threading.Thread(target=self._run, name="camera preview", daemon=True)
        self.info: CameraInfo | None = None
        self.arena: Arena | None = None
        self.arena_failure = ""
        self.failure = ""
        self.depth: NDArray[np.uint16] | None = None
        self.dropped = 0
        self._recent: deque[tuple[int, int]] = deque(maxlen=MEASURED_FRAMES)
        self._heard_ns: int | None = None

    @property
    def silent_s(self) -> float | None:
        """How long no frame came, where that is longer than a second; a recording that was seen to its end is not
        silent."""
        heard_ns = self._heard_ns
        if heard_ns is None or (silent_ns := self._clock.now_ns() - heard_ns) < SILENCE_NS:
            return None
        return silent_ns / 1e9

    @property
    def calibrating_s(self) -> float | None:
        """For how long the arena has been being calibrated; None while it is not."""
        since_ns = self._calibrating_since_ns
        return None if since_ns is None else (self._clock.now_ns() - since_ns) / 1e9

    @property
    def rate_hz(self) -> float | None:
        """Slots a second by capture time over the last second or so; None until enough frames came."""
        recent = self._recent
        if len(recent) < MEASURED_FRAMES or recent[-1][0] <= recent[0][0]:
            return None
        return (recent[-1][1] - recent[0][1]) * 1e9 / (recent[-1][0] - recent[0][0])

    def depth_mm(self) -> NDArray[np.float32] | None:
        """The newest frame in mm."""
        if self.depth is None or self.info is None:
            return None
        return self.depth.astype(np.float32) * np.float32(self.info.depth_unit_mm)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def leave(self) -> None:
        """Begin to let the camera go, whatever is being done; returns at once."""
        self._over.set()
        self._give_up_opening()

    def close(self) -> None:
        """Let the camera go; returns when it is free."""
        self.leave()
        if self._thread.is_alive():
            self._thread.join()

    def _give_up_opening(self) -> None:
        if self._supervisor is not None and self._over.is_set():
            self._supervisor.stop_wish = "the preview was closed"

    def _run(self) -> None:
        if self._after is not None:
            self._after.close()
            self._after = None
        if self._over.is_set():
            return
        try:
            with private_directory() as run_dir:
                self._preview(run_dir)
        except EtholoopError as error:
            self.failure = str(error)

    def _preview(self, run_dir: Path) -> None:
        launch = Launch(
            run_dir=run_dir, rig=self._rig, model=run_dir, protocol=run_dir, subject="", session_name="", materials="{}"
        )
        self._supervisor = supervisor = Supervisor(launch, self._clock, lambda line: None)
        self._give_up_opening()
        try:
            self._look(supervisor, run_dir)
        finally:
            if self._calibration is not None:
                self._calibration.kill()
                self._calibration.wait()
            self._let_go(supervisor)

    @staticmethod
    def _let_go(supervisor: Supervisor) -> None:
        hearing = (child for child in supervisor.nursery.running() if child.ready_detail is not None)
        for child in hearing:
            with contextlib.suppress(EtholoopError, subprocess.TimeoutExpired):
                supervisor.command(child.name, "stop")
                child.process.wait(LET_GO_S)
        supervisor.close()

    def _look(self, supervisor: Supervisor, run_dir: Path) -> None:
        info = supervisor.prepare_camera()
        self.info = info
        self._find_arena(supervisor, info, run_dir)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        frames = Subscriber(context, run_dir, "frames")
        try:
            while not frames.heard and not self._over.is_set():
                frames.socket.poll(WAIT_MS)
                frames.receive(self._clock.now_ns())
                supervisor.look_after("camera")
            supervisor.command("camera", "start")
            self._heard_ns = self._clock.now_ns()
            while not self._over.is_set() and not frames.ended:
                frames.socket.poll(WAIT_MS)
                self._take(frames)
                self._look_at_calibration(run_dir)
                supervisor.look_after("camera")
            self._heard_ns = None
            while self._calibrating_since_ns is not None and not self._over.wait(WAIT_MS / 1000):
                self._look_at_calibration(run_dir)  # a short recording is over before
            if info.live and not self._over.is_set():
                raise CameraLost(f"{info.name} sends no more frames: look at its cable, then check again")
        finally:
            frames.close()
            context.term()

    def _find_arena(self, supervisor: Supervisor, info: CameraInfo, run_dir: Path) -> None:
        """Load the arena, or begin to calibrate it, in a process of its own, while the camera is looked at."""
        try:
            check_arena(self._path, self._rig)
            if self._rig.arena.file is not None:
                self.arena = load_arena(find_arena(self._rig, info, run_dir))
                return
        except EtholoopError as error:
            self.arena_failure = str(error)
            return
        supervisor.launch = supervisor.launch.model_copy(update={"camera": info})
        supervisor.launch.save()
        self._calibrating_since_ns = self._clock.now_ns()
        with (run_dir / "calibration.log").open("wb") as log:
            self._calibration = spawn("rig.calibration_process", [str(run_dir)], log)

    def _look_at_calibration(self, run_dir: Path) -> None:
        if self._calibration is None or self._calibrating_since_ns is None or self._calibration.poll() is None:
            return
        try:
            if self._calibration.returncode == 0:
                self.arena = load_arena(run_dir / "arena.toml")
            else:
                words = (run_dir / "calibration.log").read_text(errors="replace").strip()
                self.arena_failure = words or f"the calibration ended with code {self._calibration.returncode}"
        except (EtholoopError, OSError) as error:
            self.arena_failure = str(error)
        self._calibrating_since_ns = None

    def _take(self, frames: Subscriber) -> None:
        while (received := frames.receive(self._clock.now_ns())) is not None:
            frame = received.message
            if not isinstance(frame, Frame) or received.payload is None:
                continue
            self._heard_ns = self._clock.now_ns()
            self._recent.append((frame.capture_time_ns, frame.frame_index))
            self.dropped += frame.dropped_before
            self.depth = np.frombuffer(received.payload, np.uint16).reshape(frame.height, frame.width).copy()
