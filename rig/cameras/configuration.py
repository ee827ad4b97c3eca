"""The `[camera]` table of the rig file, and the camera that it describes.

[camera]                                [camera]
driver = "recording"                    driver = "simulated"
path = "recordings/session_1"           [camera.simulation]
pace = "recorded"   # "fast", or Hz     seed = 7
"""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, model_validator

from online.arena import Intrinsics
from online.simulation.settings import SimulationSettings
from rig.cameras.protocol import Camera
from rig.cameras.realsense import RealSenseCamera
from rig.cameras.realsense_feed import FeedSource
from rig.cameras.realsense_settings import RealSenseSettings
from rig.cameras.recording import RecordingCamera
from rig.clock import Clock

PaceConfig = Literal["recorded", "fast"] | Annotated[float, Field(gt=0, le=1000)]


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _closed(kind: type[Any]) -> BeforeValidator:
    """Refuse keys that a plain dataclass does not have."""

    def check(value: object) -> object:
        unknown = set(value) - {f.name for f in fields(kind)} if isinstance(value, dict) else ()
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(f.name for f in fields(kind))}")
        return value

    return BeforeValidator(check)


class RecordingConfig(_Config):
    """Playback of `path`: a session folder, depth file or archive.

    `pace`: "recorded", "fast", or a rate in Hz. `trim`: accept a recording that was cut short. `intrinsics`: the lens,
    where the recording does not know its own.
    """

    driver: Literal["recording"]
    path: Path
    pace: PaceConfig = "recorded"
    trim: bool = False
    intrinsics: Annotated[Intrinsics, _closed(Intrinsics)] | None = None


class SimulatedConfig(_Config):
    """A simulated mouse; the table `[camera.simulation]` holds the fields of `SimulationSettings`.

    `num_frames`: how many frames until it ends, none for an endless one. `pace`: "real", or "fast" as it is rendered.
    """

    driver: Literal["simulated"]
    num_frames: Annotated[int, Field(gt=0)] | None = None
    pace: Literal["real", "fast"] = "real"
    simulation: Annotated[SimulationSettings, _closed(SimulationSettings)] = SimulationSettings()


FeedConfig = Annotated[RecordingConfig | SimulatedConfig, Discriminator("driver")]


class RealSenseConfig(RealSenseSettings):
    """A RealSense camera, live, or `file`; or `feed`: a table like `[camera]` for a recording or simulated mouse whose
    frames go through the SDK's software device."""

    driver: Literal["realsense"]
    feed: FeedConfig | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.feed is not None and self.file is not None:
            raise ValueError("give a file or a feed, not both")
        return self


CameraConfig = Annotated[RecordingConfig | SimulatedConfig | RealSenseConfig, Discriminator("driver")]


def _feed_source(config: RealSenseConfig, clock: Clock) -> FeedSource | None:
    if config.feed is None:
        return None
    return FeedSource(
        build_camera(config.feed, clock), config.serial, exact_times=config.feed.pace not in ("recorded", "real")
    )


def build_camera(config: CameraConfig, clock: Clock) -> Camera:
    """The camera that `config` describes, not yet opened."""
    match config:
        case RecordingConfig():
            return RecordingCamera(config.path, config.pace, clock, config.trim, config.intrinsics)
        case SimulatedConfig():
            from rig.cameras.simulated import SimulatedCamera  # brings numba, a second that other cameras save

            return SimulatedCamera(config.simulation, clock, config.num_frames, fast=config.pace == "fast")
        case RealSenseConfig():
            return RealSenseCamera(config, clock, _feed_source(config, clock))
