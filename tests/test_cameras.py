"""What every camera must do, whatever it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from online.simulation import mouse
from online.simulation.settings import SimulationSettings
from rig.cameras.convert import convert
from rig.cameras.protocol import Camera, CameraInfo, EndOfRecording, FrameStamp
from rig.cameras.realsense import RealSenseCamera
from rig.cameras.realsense_feed import FeedSource
from rig.cameras.realsense_settings import RealSenseSettings
from rig.cameras.recording import Pace, RecordingCamera
from rig.cameras.simulated import SimulatedCamera
from rig.clock import ManualClock
from tests import recordings
from tests.recordings import PERIOD_MS, SLOTS, depth_frames

MS = 1_000_000


@dataclass
class Bench:
    """A camera under test, its clock, and what it should show; `num_frames` in all."""

    camera: Camera
    clock: ManualClock
    slots: NDArray[np.int64]
    frames: NDArray[np.uint16] | None
    rate_hz: float

    @property
    def num_frames(self) -> int:
        return len(self.slots)


def recording(write: Callable[[Path], Path]) -> Callable[[Path], Bench]:
    def make(tmp_path: Path) -> Bench:
        clock = ManualClock()
        camera = RecordingCamera(write(tmp_path), "recorded", clock)
        return Bench(camera, clock, SLOTS, depth_frames(), 1000 / PERIOD_MS)

    return make


def simulated(tmp_path: Path) -> Bench:
    settings = SimulationSettings(width=96, height=80, focal_px=60, seed=3, drop_probability=0.2)
    clock = ManualClock()
    return Bench(SimulatedCamera(settings, clock, num_frames=20), clock, simulated_slots(settings, 20), None, 30)


def simulated_slots(settings: SimulationSettings, num_frames: int) -> NDArray[np.int64]:
    state, depth, slots = mouse.init(settings), np.zeros((settings.height, settings.width), np.uint16), []
    while len(slots) < num_frames:
        if mouse.step(state, depth) is not None:
            slots.append(state.frame_index)
    return np.array(slots)


def software_device(tmp_path: Path) -> Bench:
    clock = ManualClock()
    feed = FeedSource(RecordingCamera(recordings.write_dat(tmp_path), "recorded", clock))
    camera = RealSenseCamera(RealSenseSettings(), clock, feed)
    return Bench(camera, clock, SLOTS, depth_frames(), 1000 / PERIOD_MS)


def recorded_db3(tmp_path: Path) -> Bench:
    clock = ManualClock()
    convert(recordings.write_dat(tmp_path), tmp_path / "small.db3", clock)
    camera = RealSenseCamera(RealSenseSettings(file=tmp_path / "small.db3"), clock)
    return Bench(camera, clock, SLOTS, depth_frames(), 1000 / PERIOD_MS)


BENCHES: dict[str, Callable[[Path], Bench]] = {
    "recording dat": recording(recordings.write_dat),
    "recording avi": recording(recordings.write_avi),
    "recording tar.gz": recording(recordings.write_tar),
    "recording mkv": recording(lambda folder: recordings.with_lens(recordings.write_azure_mkv(folder))),
    "simulated": simulated,
    "realsense software device": software_device,
    "realsense db3": recorded_db3,
}


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    bench = BENCHES[request.param](tmp_path)
    yield bench
    bench.camera.close()


def buffer_for(info: CameraInfo) -> NDArray[np.uint16]:
    return np.full((info.height, info.width), 0xABCD, np.uint16)


def next_frame(bench: Bench, buffer: NDArray[np.uint16], tries: int = 20) -> FrameStamp:
    """The next frame, however many time-outs come before it."""
    for _ in range(tries):
        stamp = bench.camera.read_into(buffer, 100)
        if stamp is not None:
            return stamp
    raise AssertionError("no frame came")


def play(bench: Bench) -> tuple[list[FrameStamp], NDArray[np.uint16]]:
    """Open and read to the end, each frame into a buffer of its own."""
    info = bench.camera.open()
    bench.camera.start()
    stamps, images = [], []
    while True:
        images.append(buffer_for(info))
        try:
            stamps.append(next_frame(bench, images[-1]))
        except EndOfRecording:
            return stamps, np.stack(images[:-1])


def test_info_describes_the_camera(bench: Bench) -> None:
    info = bench.camera.open()
    assert info.name
    assert info.identity
    assert min(info.width, info.height, info.fx_px, info.fy_px, info.cx_px, info.cy_px, info.depth_unit_mm) > 0
    assert info.rate_hz == pytest.approx(bench.rate_hz, rel=0.01)
    assert info.num_frames in (None, bench.num_frames)


def test_every_frame_arrives_once_in_order_with_gaps_where_frames_were_dropped(bench: Bench) -> None:
    stamps, images = play(bench)
    assert [s.frame_index for s in stamps] == list(bench.slots)
    assert all(np.diff([s.frame_number for s in stamps]) > 0)
    if bench.frames is not None:
        np.testing.assert_array_equal(images, bench.frames)
    with pytest.raises(EndOfRecording):
        bench.camera.read_into(images[0], 100)


def test_times_follow_the_grid(bench: Bench) -> None:
    stamps, _ = play(bench)
    slot_ns = 1e9 / bench.rate_hz
    for times in ([s.capture_time_ns for s in stamps], [s.device_time_ns for s in stamps]):
        np.testing.assert_allclose(np.diff(times), np.diff(bench.slots) * slot_ns, atol=2 * MS)
    assert all(s.arrival_time_ns >= s.capture_time_ns for s in stamps)


def test_a_timeout_gives_nothing_and_touches_nothing(bench: Bench) -> None:
    buffer = buffer_for(bench.camera.open())
    bench.camera.start()
    first = next_frame(bench, buffer)
    untouched = buffer.copy()
    before_ns = bench.clock.now_ns()
    assert bench.camera.read_into(buffer, 1) is None
    assert bench.clock.now_ns() - before_ns <= 3 * MS
    np.testing.assert_array_equal(buffer, untouched)
    assert next_frame(bench, buffer).frame_index == bench.slots[1] > first.frame_index


def test_the_buffer_is_filled_completely_and_not_kept(bench: Bench) -> None:
    info = bench.camera.open()
    bench.camera.start()
    first, second = buffer_for(info), buffer_for(info)
    next_frame(bench, first)
    assert not (first == 0xABCD).any()
    kept = first.copy()
    next_frame(bench, second)
    np.testing.assert_array_equal(first, kept)
    assert (first != second).any()


def test_a_wrong_buffer_is_refused(bench: Bench) -> None:
    info = bench.camera.open()
    bench.camera.start()
    good = buffer_for(info)
    for wrong in (good.T, good[:-1], good.astype(np.int32), np.asfortranarray(good)):
        with pytest.raises(ValueError, match="buffer"):
            bench.camera.read_into(wrong, 100)
    assert next_frame(bench, good).frame_index == 0


def test_calls_out_of_order_are_refused(bench: Bench) -> None:
    with pytest.raises(RuntimeError, match="open"):
        bench.camera.start()
    info = bench.camera.open()
    with pytest.raises(RuntimeError, match="start"):
        bench.camera.read_into(buffer_for(info), 100)


def test_close_may_follow_anything_twice_and_a_closed_camera_begins_anew(bench: Bench) -> None:
    bench.camera.close()
    info = bench.camera.open()
    bench.camera.close()
    bench.camera.close()
    images = []
    for _ in range(2):
        assert bench.camera.open() == info
        bench.camera.start()
        buffer = buffer_for(info)
        assert next_frame(bench, buffer).frame_index == 0
        images.append(buffer)
        bench.camera.close()
    np.testing.assert_array_equal(images[0], images[1])
    with pytest.raises(RuntimeError, match="start"):
        bench.camera.read_into(images[0], 100)


@pytest.mark.parametrize(("pace", "period_ms"), [("fast", PERIOD_MS), (100.0, 10.0)])
def test_pace_of_a_recording(pace: Pace, period_ms: float, tmp_path: Path) -> None:
    clock = ManualClock()
    bench = Bench(RecordingCamera(recordings.write_dat(tmp_path), pace, clock), clock, SLOTS, None, 1000 / period_ms)
    start_ns = clock.now_ns()
    stamps, _ = play(bench)
    np.testing.assert_allclose([s.capture_time_ns - start_ns for s in stamps], SLOTS * period_ms * MS, atol=1000)
    assert (clock.now_ns() == start_ns) == (pace == "fast")
    bench.camera.close()


def test_a_late_reader_gets_every_frame_with_its_own_capture_time(tmp_path: Path) -> None:
    bench = recording(recordings.write_dat)(tmp_path)
    buffer = buffer_for(bench.camera.open())
    bench.camera.start()
    start_ns = bench.clock.now_ns()
    bench.clock.advance_ns(10_000 * MS)
    stamps = [next_frame(bench, buffer) for _ in SLOTS]
    np.testing.assert_allclose([s.capture_time_ns - start_ns for s in stamps], SLOTS * PERIOD_MS * MS, atol=1000)
    assert stamps[-1].arrival_time_ns == start_ns + 10_000 * MS
    bench.camera.close()


def test_simulated_frames_carry_their_truth(tmp_path: Path) -> None:
    bench = simulated(tmp_path)
    stamps, _ = play(bench)
    assert max(np.diff(bench.slots)) > 1
    for stamp in stamps:
        assert stamp.truth is not None
        assert 0 <= stamp.truth.onset_frame_index <= stamp.frame_index
    bench.camera.close()
