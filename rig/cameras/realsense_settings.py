"""What the rig file may ask of a RealSense camera."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class RealSenseSettings(BaseModel):
    """Where the frames come from, in which mode, and how the sensor is set.

    serial : of the camera; needed only when several are connected.
    width, height, rate_hz : of the depth stream; 640x480 at 30 Hz where not given, or what the file or feed has.
    exposure_us : microseconds, "auto", or none to leave it as the camera is set; likewise laser_power (mW) and
        emitter (on or off).
    file : play this `.db3` or `.bag` instead of a camera, at `pace`.
    record_to : write what the camera delivers to this new `.db3` as well.
    silence_ms : without a frame for so long, the camera is lost.
    transport_delay_ms : least time from exposure to arrival, if measured; capture times are corrected by it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    serial: str | None = None
    width: Annotated[int, Field(gt=0)] | None = None
    height: Annotated[int, Field(gt=0)] | None = None
    rate_hz: Annotated[int, Field(gt=0, le=300)] | None = None
    exposure_us: Annotated[int, Field(gt=0)] | Literal["auto"] | None = None
    laser_power: Annotated[float, Field(ge=0)] | None = None
    emitter: bool | None = None
    file: Path | None = None
    pace: Literal["recorded", "fast"] = "recorded"
    record_to: Path | None = None
    silence_ms: Annotated[int, Field(ge=100)] = 1000
    transport_delay_ms: Annotated[float, Field(ge=0, le=200)] = 0.0

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.file is not None:
            set_at_the_sensor = ("exposure_us", "laser_power", "emitter", "record_to")
            given = [name for name in set_at_the_sensor if getattr(self, name) is not None]
            if given:
                raise ValueError(f"{', '.join(given)} cannot be set when a file is played")
        elif self.pace != "recorded":
            raise ValueError("pace is for playing a file; a camera has its own")
        if self.record_to is not None and self.record_to.suffix != ".db3":
            raise ValueError("record_to must name a .db3 file")
        return self
