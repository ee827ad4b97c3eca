"""A simulated mouse as a camera; every frame carries its truth."""

import numpy as np
from numpy.typing import NDArray

from online.messages import Truth
from online.simulation import mouse
from online.simulation.settings import SimulationSettings
from rig.cameras.pacing import Pacer
from rig.cameras.protocol import CameraInfo, EndOfRecording, FrameStamp, check_buffer
from rig.clock import Clock


class SimulatedCamera:
    """Frames of `online.simulation` at their rate, or at once when `fast`; endless without `num_frames`.

    Every frame is delivered, late rather than never: only the simulated sensor drops slots.
    """

    def __init__(
        self, settings: SimulationSettings, clock: Clock, num_frames: int | None = None, fast: bool = False
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._num_frames = num_frames
        self._pacer = Pacer(clock, fast)
        self._staged = np.zeros((settings.height, settings.width), np.uint16)
        self._mouse: mouse.MouseState | None = None
        self._truth: Truth | None = None
        self._started = False

    def open(self) -> CameraInfo:
        """Set the scene and render the first frame."""
        self.close()
        self._mouse = mouse.init(self._settings)
        self._delivered = 0
        self._stage(self._mouse)
        settings, lens = self._settings, self._settings.intrinsics
        return CameraInfo(
            name="simulated mouse",
            identity=f"simulated:seed {settings.seed}",
            width=settings.width,
            height=settings.height,
            rate_hz=settings.rate_hz,
            depth_unit_mm=1.0,
            fx_px=lens.fx_px,
            fy_px=lens.fy_px,
            cx_px=lens.cx_px,
            cy_px=lens.cy_px,
            live=False,
            num_frames=self._num_frames,
        )

    def start(self) -> None:
        """Let time begin."""
        if self._mouse is None:
            raise RuntimeError("open the camera before starting it")
        self._started = True
        self._pacer.start()

    def _stage(self, state: mouse.MouseState) -> None:
        """Render up to the next slot that the sensor does not drop."""
        self._truth = None
        while self._truth is None:
            self._truth = mouse.step(state, self._staged)

    def read_into(self, buffer: NDArray[np.uint16], timeout_ms: int) -> FrameStamp | None:
        """Copy the next frame into `buffer` (height, width) when it is due."""
        state = self._mouse
        if state is None or not self._started:
            raise RuntimeError("start the camera before reading it")
        check_buffer(buffer, self._settings.height, self._settings.width)
        if self._delivered == self._num_frames:
            raise EndOfRecording
        if self._truth is None:  # rendered ahead of the wait, so that rendering adds nothing to the latency
            self._stage(state)
        offset_ns = round(state.frame_index * 1e9 / self._settings.rate_hz)
        capture_ns = self._pacer.wait(offset_ns, timeout_ms)
        if capture_ns is None:
            return None
        np.copyto(buffer, self._staged)
        truth, self._truth = self._truth, None
        self._delivered += 1
        return FrameStamp(
            frame_index=state.frame_index,
            frame_number=state.frame_index,
            device_time_ns=offset_ns,
            capture_time_ns=capture_ns,
            arrival_time_ns=self._clock.now_ns(),
            truth=truth,
        )

    def close(self) -> None:
        """Forget the scene."""
        self._mouse = None
        self._started = False
