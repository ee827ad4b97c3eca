"""The RealSense driver: the SDK's own software device where it can stand in for a camera, small fakes where not."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rich.progress import Progress, TaskID

from online.errors import (
    BusyError,
    CameraError,
    CameraLost,
    CameraNotFound,
    CameraProfileError,
    ConfigError,
    FileFormatError,
)
from online.simulation.settings import SimulationSettings
from rig.cameras import device_clock, listing
from rig.cameras.convert import command as convert_command
from rig.cameras.convert import convert
from rig.cameras.protocol import Camera, EndOfRecording, FrameStamp
from rig.cameras.realsense import START_UP_MS, RealSenseCamera
from rig.cameras.realsense_feed import FeedSource
from rig.cameras.realsense_sdk import DepthMode, apply_settings, check_link, load_sdk
from rig.cameras.realsense_settings import RealSenseSettings
from rig.cameras.realsense_sources import LiveSource
from rig.cameras.recording import RecordingCamera
from rig.cameras.simulated import SimulatedCamera
from rig.clock import ManualClock
from rig.locks import acquire
from tests import recordings
from tests.recordings import HEIGHT, PERIOD_MS, SLOTS, WIDTH, depth_frames

MS = 1_000_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def fed(
    folder: Path, clock: ManualClock, settings: RealSenseSettings | None = None, link: str = "3.2"
) -> RealSenseCamera:
    """The driver over a software device that plays the small recording."""
    feed = RecordingCamera(recordings.write_dat(folder), "recorded", clock)
    return RealSenseCamera(settings or RealSenseSettings(), clock, FeedSource(feed, f"test {folder}", link))


def read_all(camera: Camera) -> Iterator[tuple[FrameStamp, np.ndarray]]:
    info = camera.open()
    camera.start()
    buffer = np.zeros((info.height, info.width), np.uint16)
    while True:
        try:
            stamp = camera.read_into(buffer, 100)
        except EndOfRecording:
            camera.close()
            return
        if stamp is not None:
            yield stamp, buffer


# What a camera cannot do is said when it is opened


def test_a_camera_that_is_not_there_is_said_at_once(clock: ManualClock) -> None:
    with pytest.raises(CameraNotFound, match="RealSense camera 000000000000 is not connected"):
        RealSenseCamera(RealSenseSettings(serial="000000000000"), clock).open()


def test_a_mode_that_is_not_offered_is_refused_with_those_that_are(tmp_path: Path, clock: ManualClock) -> None:
    camera = fed(tmp_path, clock, RealSenseSettings(width=848, height=480, rate_hz=90))
    with pytest.raises(CameraProfileError, match="does not offer 848x480 at 90 Hz; it offers 64x48 at 30 Hz"):
        camera.open()
    camera = fed(tmp_path, clock, RealSenseSettings(width=64, height=48, rate_hz=30))
    assert camera.open().width == WIDTH
    camera.close()


def test_a_slow_link_is_refused(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(CameraProfileError, match=r"USB 2\.1 link, too slow for 848x480 at 90 Hz \(73 MB/s\)"):
        fed(tmp_path, clock, RealSenseSettings(width=848, height=480, rate_hz=90), link="2.1").open()
    with pytest.raises(CameraProfileError, match=r"does not offer 64x48 at 6 Hz on its USB 2\.1 link"):
        fed(tmp_path, clock, RealSenseSettings(rate_hz=6), link="2.1").open()
    check_link("2.1", DepthMode(640, 480, 30))
    check_link(None, DepthMode(1280, 720, 90))


def test_a_camera_in_use_is_refused(tmp_path: Path, clock: ManualClock) -> None:
    with acquire(f"realsense:test {tmp_path}"), pytest.raises(BusyError, match="is in use by process"):
        fed(tmp_path, clock).open()
    first, second = fed(tmp_path, clock), fed(tmp_path, clock)
    first.open()
    with pytest.raises(BusyError):
        second.open()
    first.close()
    second.open()
    second.close()


def test_a_file_that_is_none_is_named(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(CameraNotFound, match=r"missing\.db3 does not exist"):
        RealSenseCamera(RealSenseSettings(file=tmp_path / "missing.db3"), clock).open()
    (tmp_path / "broken.db3").write_bytes(b"no database" * 50)
    with pytest.raises(CameraError, match="the RealSense SDK cannot open"):
        RealSenseCamera(RealSenseSettings(file=tmp_path / "broken.db3"), clock).open()


def test_settings_reach_the_sensor_or_are_refused() -> None:
    sdk = load_sdk()
    device = sdk.software_device()
    sensor = device.add_sensor("Stereo Module")
    for name, value in (("exposure", 8500), ("enable_auto_exposure", 1), ("emitter_enabled", 1), ("laser_power", 150)):
        allowed = sdk.option_range()
        allowed.min, allowed.max, allowed.step, allowed.default = 0, 165_000 if name == "exposure" else 360, 1, value
        sensor.add_option(getattr(sdk.option, name), allowed, True)
    apply_settings(sdk, sensor, RealSenseSettings(exposure_us=5000, emitter=False, laser_power=300))
    values = [sensor.get_option(getattr(sdk.option, n)) for n in ("enable_auto_exposure", "exposure", "laser_power")]
    assert [*values, sensor.get_option(sdk.option.emitter_enabled)] == [0, 5000, 300, 0]
    apply_settings(sdk, sensor, RealSenseSettings(exposure_us="auto"))
    assert sensor.get_option(sdk.option.enable_auto_exposure) == 1
    with pytest.raises(CameraProfileError, match=r"laser_power = 400 is outside 0 \.\.\. 360"):
        apply_settings(sdk, sensor, RealSenseSettings(laser_power=400))
    with pytest.raises(CameraProfileError, match="no setting exposure"):
        apply_settings(sdk, device.add_sensor("other"), RealSenseSettings(exposure_us=5000))


# While it streams


class SilentAfter:
    """A camera that falls silent after some frames, as one unplugged."""

    def __init__(self, camera: Camera, num_frames: int, clock: ManualClock) -> None:
        self.camera, self.left, self.clock = camera, num_frames, clock
        self.open, self.start, self.close = camera.open, camera.start, camera.close

    def read_into(self, buffer: np.ndarray, timeout_ms: int) -> FrameStamp | None:
        if self.left == 0:
            self.clock.advance_ns(timeout_ms * MS)
            return None
        self.left -= 1
        return self.camera.read_into(buffer, timeout_ms)


def read_for_ever(camera: Camera, buffer: np.ndarray) -> None:
    while True:
        camera.read_into(buffer, 20)


@pytest.mark.parametrize(("num_frames", "silence_ms"), [(0, START_UP_MS), (3, 400)])
def test_a_camera_that_falls_silent_is_lost(
    num_frames: int, silence_ms: int, tmp_path: Path, clock: ManualClock
) -> None:
    feed = SilentAfter(RecordingCamera(recordings.write_dat(tmp_path), "fast", clock), num_frames, clock)
    camera = RealSenseCamera(RealSenseSettings(silence_ms=400), clock, FeedSource(feed, f"test {tmp_path}"))
    buffer = np.zeros((HEIGHT, WIDTH), np.uint16)
    camera.open()
    camera.start()
    for _ in range(num_frames):
        assert camera.read_into(buffer, 20) is not None
    silent_since_ns = clock.now_ns()
    with pytest.raises(CameraLost, match="no frame came from the RealSense camera for 400 ms"):
        read_for_ever(camera, buffer)
    assert silence_ms < (clock.now_ns() - silent_since_ns) / MS <= silence_ms + 20
    camera.close()


@dataclass
class FakeDevice:
    """As much of a connected device as finding it takes."""

    serial: str
    connected: bool = True

    def supports(self, key: str) -> bool:
        return key in ("serial_number", "name")

    def get_info(self, key: str) -> str:
        return self.serial if key == "serial_number" else "D435"

    def is_connected(self) -> bool:
        return self.connected


@dataclass
class FakeSdk:
    """A context with devices; the config and pipeline that LiveSource talks to."""

    devices: list[FakeDevice]
    enabled: list[str | None] = field(default_factory=list)
    camera_info = SimpleNamespace(serial_number="serial_number", name="name")

    def context(self) -> Any:
        return SimpleNamespace(devices=self.devices)

    def enable_device(self, serial: str | None) -> None:
        self.enabled.append(serial)

    def try_wait_for_frames(self, timeout_ms: int) -> tuple[bool, None]:
        return False, None


def test_a_live_camera_is_found_by_its_serial() -> None:
    sdk = FakeSdk([FakeDevice("111"), FakeDevice("222")])
    attached = LiveSource("222", 0).attach(sdk, sdk, sdk)
    assert (attached.identity, sdk.enabled) == ("realsense:222", ["222"])
    with pytest.raises(CameraNotFound, match="several RealSense cameras"):
        LiveSource(None, 0).attach(sdk, sdk, sdk)
    with pytest.raises(CameraNotFound, match=r"333 is not connected; connected: 111 \(D435\), 222"):
        LiveSource("333", 0).attach(sdk, sdk, sdk)
    with pytest.raises(CameraNotFound, match="no RealSense camera is connected"):
        LiveSource(None, 0).attach(FakeSdk([]), sdk, sdk)


def test_an_unplugged_camera_is_lost_at_the_next_read() -> None:
    sdk = FakeSdk([FakeDevice("111")])
    source = LiveSource(None, 0)
    source.attach(sdk, sdk, sdk)
    source.start()
    assert source.fetch(sdk, 10) is None
    sdk.devices[0].connected = False
    with pytest.raises(CameraLost, match="unplugged"):
        source.fetch(sdk, 10)


def test_a_known_transport_delay_moves_the_capture_time() -> None:
    source = LiveSource(None, 7 * MS)
    source.start()
    assert source.capture_time_ns(1000 * MS, 5000 * MS, 10) == 4993 * MS


def test_the_truth_of_a_simulated_mouse_comes_through(clock: ManualClock, tmp_path: Path) -> None:
    settings = SimulationSettings(width=96, height=80, focal_px=60, drop_probability=0.3)
    feed = SimulatedCamera(settings, clock, num_frames=10)
    camera = RealSenseCamera(RealSenseSettings(), clock, FeedSource(feed, f"test {tmp_path}"))
    frames = list(read_all(camera))
    assert len(frames) == 10
    direct = [stamp for stamp, _ in read_all(SimulatedCamera(settings, clock, num_frames=10))]
    assert [s.truth for s, _ in frames] == [s.truth for s in direct]
    assert [s.frame_number - 1 for s, _ in frames] == [s.frame_index for s in direct]


def test_a_fast_feed_keeps_the_recordings_capture_times(tmp_path: Path, clock: ManualClock) -> None:
    feed = RecordingCamera(recordings.write_dat(tmp_path), "fast", clock)
    camera = RealSenseCamera(RealSenseSettings(), clock, FeedSource(feed, f"test {tmp_path}", exact_times=True))
    start_ns = clock.now_ns()
    capture_ns = [stamp.capture_time_ns - start_ns for stamp, _ in read_all(camera)]
    np.testing.assert_allclose(capture_ns, SLOTS * PERIOD_MS * MS, atol=1000)


def test_the_devices_clock_survives_its_overflow_and_means_the_exposure() -> None:
    clock = device_clock.DeviceClock()
    wrap_ms = 2**32 / 1000
    times = [wrap_ms - 40, wrap_ms - 7, 26.0, 59.0]
    ns = [device_clock.step(clock, t, None, None) for t in times]
    np.testing.assert_allclose(np.diff(ns) / MS, 33, atol=1e-3)
    clock = device_clock.DeviceClock()
    assert device_clock.step(clock, 100.0, 100_000, 92_000) == 92 * MS
    assert device_clock.step(clock, 133.0, 500, 2**32 - 500) == 132 * MS
    assert device_clock.step(clock, 166.0, 166_000, 900_000_000) == 166 * MS


# Files


def test_what_is_streamed_can_be_recorded_and_played(tmp_path: Path, clock: ManualClock) -> None:
    out = tmp_path / "copy.db3"
    assert len(list(read_all(fed(tmp_path, clock, RealSenseSettings(record_to=out))))) == len(SLOTS)
    played = [(s.frame_index, b.copy()) for s, b in read_all(RealSenseCamera(RealSenseSettings(file=out), clock))]
    assert [index for index, _ in played] == list(SLOTS)
    np.testing.assert_array_equal([image for _, image in played], depth_frames())
    with pytest.raises(ConfigError, match="must be new"):
        fed(tmp_path, clock, RealSenseSettings(record_to=out)).open()


class CuttingShort(Progress):
    """A progress bar that cuts the recording short when it first moves."""

    def __init__(self, file: Path) -> None:
        super().__init__(disable=True)
        self.file = file

    def update(self, task_id: TaskID, **changes: Any) -> None:
        self.file.write_bytes(self.file.read_bytes()[:20_000])


def test_convert_writes_a_file_only_when_it_is_whole(tmp_path: Path, clock: ManualClock) -> None:
    session = recordings.write_dat(tmp_path / "session")
    out = tmp_path / "session.db3"
    result = CliRunner().invoke(convert_command, [str(session), str(out), "--json"])
    assert json.loads(result.output) == {"file": str(out), "frames": len(SLOTS)}
    with pytest.raises(ConfigError, match=r"name a new \.db3 file"):
        convert(session, out, clock)
    with pytest.raises(FileFormatError, match="ends within frame"):
        convert(session, tmp_path / "other.db3", clock, CuttingShort(session / "depth.dat"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["session", "session.db3"]


def test_cameras_lists_what_a_device_says(tmp_path: Path, clock: ManualClock) -> None:
    sdk = load_sdk()
    source = FeedSource(RecordingCamera(recordings.write_dat(tmp_path), "fast", clock), "123", link="2.1")
    camera = listing.describe(sdk, source.attach(sdk, sdk.pipeline(), sdk.config()).device)
    assert (camera.serial, camera.link, camera.modes) == ("123", "2.1", ["64x48 at 30 Hz"])
    assert "slow: use a USB 3 port" in listing.text(camera)
    source.close()
    result = CliRunner().invoke(listing.command, ["--json"])
    assert result.exit_code == 0
    assert isinstance(json.loads(result.output), list)


@pytest.mark.xdist_group("real recording")
def test_900_real_frames_go_in_and_come_out_of_every_source(
    real_recording: Path, tmp_path: Path, clock: ManualClock
) -> None:
    folder = real_recording
    truth = np.memmap(folder / "depth.dat", "<u2", "r", shape=(900, 424, 512))
    file = tmp_path / "real.db3"
    recorded = RealSenseCamera(
        RealSenseSettings(record_to=file),
        clock,
        FeedSource(RecordingCamera(folder, "recorded", clock), f"test {folder}"),
    )
    cameras = (
        RecordingCamera(folder, "recorded", clock),
        recorded,
        RealSenseCamera(RealSenseSettings(file=file), clock),
    )
    for camera in cameras:
        stamps = []
        for stamp, image in read_all(camera):
            assert (image == truth[len(stamps)]).all()
            stamps.append(stamp)
        assert len(stamps) == 900
        steps = np.diff([s.frame_index for s in stamps])
        assert {int(i): int(steps[i]) - 1 for i in np.flatnonzero(steps > 1)} == {0: 5, 13: 3, 14: 2}
        duration_ms = (stamps[-1].capture_time_ns - stamps[0].capture_time_ns) / MS
        assert duration_ms == pytest.approx((stamps[-1].device_time_ns - stamps[0].device_time_ns) / MS, abs=0.01)
