"""The `[board]` table of a rig file, and the pulse generator that it means."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from online.errors import ConfigError
from rig.clock import Clock, ManualClock
from rig.ttl import wire
from rig.ttl.etholoop_board import EtholoopBoard
from rig.ttl.harp_boards import BEHAVIOR, CUTTLEFISH, HarpBehavior, HarpCuttlefish
from rig.ttl.limits import ETHOLOOP
from rig.ttl.protocol import BoardLimits, PulseGenerator, PulseTrain
from rig.ttl.pulse_pal import PULSE_PAL, PulsePal
from rig.ttl.serial_character import SerialCharacter
from rig.ttl.serial_driver import SerialDriver
from rig.ttl.simulated_board import start_simulated_board

Driver = Literal["etholoop", "harp-behavior", "harp-cuttlefish", "pulse-pal", "serial-character"]
NUM_CHANNELS: dict[str, int] = {
    "etholoop": ETHOLOOP.num_channels,
    "harp-behavior": BEHAVIOR.num_channels,
    "harp-cuttlefish": CUTTLEFISH.num_channels,
    "pulse-pal": PULSE_PAL.num_channels,
    "serial-character": 1,
}
SIMULATED = "simulated"
OFF_BYTE = (
    "a sketch that needs an off byte is not driven: were this program to die between the two bytes, the line would "
    "stay high. Let the sketch end its pulse by itself, or write our firmware to the board (etholoop ttl flash)"
)


class Sketch(BaseModel):
    """A lab's own sketch: the `start` character begins a pulse of `pulse_ms`, which the sketch times."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    start: Annotated[str, Field(min_length=1, max_length=1, pattern=r"^[\x20-\x7e]$")]
    pulse_ms: Annotated[float, Field(gt=0, le=5000)]
    baud: int = 115_200
    off: str | None = None

    @field_validator("off")
    @classmethod
    def _no_off_byte(cls, off: str | None) -> str | None:
        if off is not None:
            raise ValueError(OFF_BYTE)
        return off


class BoardConfig(BaseModel):
    """One pulse generator.

    `port` is ``usb:VID:PID[:SERIAL]`` (hexadecimal), a path, or "simulated": a simulated Etholoop board in a process of
    its own. `channels` names outputs, as protocols refer to them. `interlock` makes the last input of an Etholoop board
    an interlock. `loopback` says which channels are wired back to which inputs of an Etholoop board, {laser = 0}: each
    pulse is then looked for there. `sketch` belongs to the driver "serial-character".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    driver: Driver = "etholoop"
    port: str
    channels: dict[str, Annotated[int, Field(ge=0)]]
    interlock: bool = False
    loopback: dict[str, Annotated[int, Field(ge=0, lt=wire.NUM_INPUTS)]] = {}
    sketch: Sketch | None = None

    @field_validator("port")
    @classmethod
    def _usb_identity(cls, port: str) -> str:
        if port.startswith("usb:"):
            parts = port.split(":")[1:]
            digits = set("0123456789abcdefABCDEF")
            if len(parts) not in (2, 3) or any(len(p) != 4 or set(p) - digits for p in parts[:2]):
                raise ValueError("write usb:VID:PID or usb:VID:PID:SERIAL, for example usb:2341:0043")
        return port

    @field_validator("channels")
    @classmethod
    def _distinct(cls, channels: dict[str, int]) -> dict[str, int]:
        if not channels or len(set(channels.values())) != len(channels):
            raise ValueError("name at least one output, each output once, for example {laser = 0}")
        return channels

    @model_validator(mode="after")
    def _fits_driver(self) -> Self:
        last = NUM_CHANNELS[self.driver] - 1
        for name, channel in self.channels.items():
            if channel > last:
                raise ValueError(f"channels: '{name}' is output {channel}; a {self.driver} board has 0 to {last}")
        if self.port == SIMULATED and self.driver != "etholoop":
            raise ValueError('port = "simulated" is for driver = "etholoop"')
        if self.interlock and self.driver != "etholoop":
            raise ValueError(f"interlock: a {self.driver} board has none; connect it to the light source itself")
        if self.loopback:
            self._check_loopback()
        if (self.sketch is None) == (self.driver == "serial-character"):
            raise ValueError(
                'sketch = {start = "P", pulse_ms = 10} belongs to driver = "serial-character", and only there'
            )
        return self

    def _check_loopback(self) -> None:
        if self.driver != "etholoop":
            raise ValueError(f"loopback: a {self.driver} board reports no inputs")
        for name, number in self.loopback.items():
            if name not in self.channels:
                raise ValueError(f"loopback: there is no channel '{name}'; channels are {', '.join(self.channels)}")
            if self.interlock and number == wire.INTERLOCK_INPUT:
                raise ValueError(f"loopback: input {number} is the interlock; wire '{name}' to another")
        if len(set(self.loopback.values())) != len(self.loopback):
            raise ValueError("loopback: each channel needs an input of its own")


def read_board_table(table: Mapping[str, object], where: str = "rig file") -> BoardConfig:
    """Check a `[board]` table; ConfigError says which key is wrong and what is allowed."""
    try:
        return BoardConfig.model_validate(dict(table))
    except ValidationError as error:
        lines = [f"[board] {'.'.join(map(str, e['loc']))}: {e['msg']}".replace(" : ", " ") for e in error.errors()]
        raise ConfigError(f"{where}: " + "; ".join(lines)) from error


def prepare_board(config: BoardConfig, log_path: Path) -> tuple[BoardConfig, subprocess.Popen[bytes] | None]:
    """Where the port is "simulated", start a simulated board; returns the configuration with its real port.

    Call it once, in the process that must be able to force lines low when another has died. The board logs its
    pins at `log_path` and ends on SIGTERM, or by itself some seconds after the last program has closed its port.
    """
    if config.port != SIMULATED:
        return config, None
    wires = [("--loopback", str(config.channels[name]), str(number)) for name, number in config.loopback.items()]
    process, port = start_simulated_board(log_path, *(word for words in wires for word in words))
    return config.model_copy(update={"port": port}), process


def build_board(config: BoardConfig, clock: Clock, nonce: int | None = None) -> PulseGenerator:
    """The driver that a configuration means, not yet open. A `nonce` used before goes on with that session's count."""
    if config.port == SIMULATED:
        raise ConfigError("a simulated board must be started first: prepare_board")
    return _driver(config, clock, nonce)


def impossible_trains(config: BoardConfig, trains: Mapping[str, PulseTrain], limits: BoardLimits) -> list[str]:
    """What the board's driver would refuse whenever it came, by who asks for it; no port is opened."""
    driver, problems = _driver(config, ManualClock()), []
    for who, train in trains.items():
        if refusal := driver.impossible(train, limits):
            problems.append(f"{who}: {refusal}")
        else:
            driver.serve(train)
    return problems


def _driver(config: BoardConfig, clock: Clock, nonce: int | None = None) -> SerialDriver:
    match config.driver:
        case "harp-behavior":
            return HarpBehavior(config.port, clock)
        case "harp-cuttlefish":
            return HarpCuttlefish(config.port, clock)
        case "pulse-pal":
            return PulsePal(config.port, clock)
        case "serial-character":
            assert config.sketch is not None
            start, width_us = config.sketch.start.encode(), round(config.sketch.pulse_ms * 1000)
            return SerialCharacter(config.port, clock, config.sketch.baud, start, width_us)
    return EtholoopBoard(config.port, clock, config.interlock, nonce)
