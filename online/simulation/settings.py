"""What is simulated: the animal, its arena, and the depth camera above it.

Two seeds: `behaviour_seed` fixes the repertoire (what "syllable 7" is, and the grammar), `seed` the particular
session (which syllables come when, and the sensor's noise).
"""

from dataclasses import dataclass
from typing import Literal

from online.arena import Intrinsics
from online.errors import ConfigError

STEPS_HZ = 180
"""Steps of the trajectory in a second; every camera rate must divide it, so that all rates see the same trajectory."""


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ConfigError(f"simulated mouse: {what}")


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """Defaults: a camera of 640x480 with the focal length of a D435, 673 mm above a round open field.

    arena_size_mm : radius (circle) or half side (square) of the floor; reduced where it would not fit into the view.
    floor_slope : rise of the distance in mm per mm to the right and downwards (a camera that is not quite level).
    drop_probability : chance that the sensor loses a slot, independently.
    noise_scale : factor on the depth noise (1: like a Kinect v2; 1.0 mm at the centre).
    hole_rate, edge_hole_rate : chance of no reading of any pixel, and of a pixel at the outline of the animal.
    speck_rate : chance of a flying pixel anywhere (a random height up to 100 mm).
    body_scale : factor on all lengths of the animal.
    posture_noise : factor on the variability of posture within a syllable; larger makes syllables harder to tell.
    """

    width: int = 640
    height: int = 480
    rate_hz: int = 30
    focal_px: float = 385.0
    floor_distance_mm: float = 673.0
    floor_slope: tuple[float, float] = (0.0, 0.0)
    arena_shape: Literal["circle", "square"] = "circle"
    arena_size_mm: float = 230.0
    wall_height_mm: float = 110.0
    seed: int = 0
    behaviour_seed: int = 0
    num_syllables: int = 24
    posture_noise: float = 1.0
    body_scale: float = 1.0
    drop_probability: float = 0.0
    noise_scale: float = 1.0
    hole_rate: float = 5e-5
    edge_hole_rate: float = 0.015
    speck_rate: float = 7e-5
    tether: bool = False
    reflection: bool = False

    def __post_init__(self) -> None:
        _require(32 <= self.width <= 4096 and 32 <= self.height <= 4096, "width and height must lie in 32 ... 4096")
        _require(
            1 <= self.rate_hz <= STEPS_HZ and STEPS_HZ % self.rate_hz == 0,
            f"rate_hz must divide {STEPS_HZ} (15, 30, 60, 90 ...), not {self.rate_hz}",
        )
        _require(self.focal_px > 0, "focal_px must be positive")
        _require(200 <= self.floor_distance_mm <= 5000, "floor_distance_mm must lie in 200 ... 5000")
        _require(max(map(abs, self.floor_slope)) <= 0.3, "floor_slope must lie within -0.3 ... 0.3")
        _require(self.arena_shape in ("circle", "square"), "arena_shape must be 'circle' or 'square'")
        _require(0 <= self.wall_height_mm <= self.floor_distance_mm / 2, "walls must stay below half way to the camera")
        _require(4 <= self.num_syllables <= 100, "num_syllables must lie in 4 ... 100")
        _require(self.posture_noise > 0, "posture_noise must be positive")
        _require(0.3 <= self.body_scale <= 3, "body_scale must lie in 0.3 ... 3")
        for name in ("drop_probability", "hole_rate", "edge_hole_rate", "speck_rate"):
            _require(0 <= getattr(self, name) < 1, f"{name} must lie in 0 ... 1, below 1")
        _require(self.noise_scale >= 0, "noise_scale must not be negative")
        _require(
            self.floor_size_mm >= 90 * self.body_scale,
            f"only {self.floor_size_mm:.0f} mm of floor are in view on each side: too small for the mouse; "
            "use a shorter focal_px, a larger image or a greater floor_distance_mm",
        )

    @property
    def steps_per_frame(self) -> int:
        """Trajectory steps between two slots of the camera."""
        return STEPS_HZ // self.rate_hz

    @property
    def intrinsics(self) -> Intrinsics:
        """The pinhole; its axis meets the image's middle."""
        return Intrinsics(self.focal_px, self.focal_px, (self.width - 1) / 2, (self.height - 1) / 2)

    @property
    def floor_size_mm(self) -> float:
        """Radius or half side of the floor that is really there: `arena_size_mm`, or what the view can hold."""
        return min(self.arena_size_mm, 0.42 * min(self.width, self.height) * self.floor_distance_mm / self.focal_px)
