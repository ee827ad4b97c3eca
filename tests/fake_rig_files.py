"""The files of a rig that only pretends: model, protocol, arena, and the launch that names them."""

from pathlib import Path

import numpy as np

from online.arena import Arena, Intrinsics
from online.files.arena_file import save_arena
from online.files.bundle import save_bundle
from online.files.names import save_names
from online.model import ExtractionSettings, ModelBundle, Provenance, Whitening
from online.simulation.arhmm import random_arhmm
from rig.cameras.configuration import SimulatedConfig
from rig.cameras.protocol import CameraInfo
from rig.configuration import ArenaConfig, RigConfig
from rig.launch import Launch
from rig.ttl.configuration import BoardConfig

HEIGHT_PX, WIDTH_PX = 424, 512
FLOOR_MM = 673.0
NUM_SYLLABLES = 24
FRAME_NS = 33_333_333
NAMES = {0: "still", 3: "rear", 4: "walk", 7: "turn left", 8: "turn right", 11: "groom", 12: "dart", 17: "sniff wall"}
CAMERA = CameraInfo(
    name="fake",
    identity="fake",
    width=WIDTH_PX,
    height=HEIGHT_PX,
    rate_hz=30.0,
    depth_unit_mm=1.0,
    fx_px=365.0,
    fy_px=365.0,
    cx_px=256.0,
    cy_px=212.0,
    live=True,
    num_frames=None,
)
PROTOCOL = """
[session]
name = "reinforce"
seed = 7

[[blocks]]
name = "baseline"
duration_ms = 60_000

[[blocks]]
name = "stimulation"
duration_ms = 600_000
rules = ["rear-laser"]

[[rules]]
name = "rear-laser"
target = [3]
enter = 0.8
exit = 0.5
dwell_ms = 100
refractory_ms = 1500
output = "laser"

[[outputs]]
name = "laser"
channel = 0
width_ms = 20

[limits]
max_width_ms = 500
max_duty = 0.5
window_ms = 10_000
min_interval_ms = 20
max_pulses = 2000
"""


def write_files(run_dir: Path) -> None:
    """Everything that `launch.json` names, and itself."""
    arhmm = random_arhmm(1, num_syllables=NUM_SYLLABLES, num_dims=4)
    bundle = ModelBundle(
        frame_rate_hz=30.0,
        extraction=ExtractionSettings(mm_per_crop_pixel=1.6),
        projection=None,
        whitening=Whitening(np.zeros(4), np.eye(4)),
        arhmm=arhmm,
        usage=np.full(NUM_SYLLABLES, 1 / NUM_SYLLABLES),
        provenance=Provenance(made_by="fake", made_at="2025-01-01", transition_source="learned"),
    )
    model = run_dir / "mice.model.h5"
    save_bundle(model, bundle)
    save_names(model, NAMES, NUM_SYLLABLES)
    (run_dir / "protocol.toml").write_text(PROTOCOL)
    save_arena(make_arena(), run_dir / "arena.toml")
    Launch(
        run_dir=run_dir,
        rig=RigConfig(
            camera=SimulatedConfig(driver="simulated"),
            arena=ArenaConfig(file=run_dir / "arena.toml"),
            board=BoardConfig(port="simulated", channels={"laser": 0}),
        ),
        model=model,
        protocol=run_dir / "protocol.toml",
        subject="m12",
        session_name="2025-03-01_10-15-00_m12",
        materials="{}",
        arena=run_dir / "arena.toml",
        camera=CAMERA,
    ).save()


def make_arena() -> Arena:
    """A round arena in the middle of the image."""
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    return Arena(
        background_mm=np.full((HEIGHT_PX, WIDTH_PX), FLOOR_MM, np.float32),
        region=(x - 256) ** 2 + (y - 212) ** 2 < 170**2,
        floor_distance_mm=FLOOR_MM,
        floor_plane=(0.0, 0.0, FLOOR_MM),
        intrinsics=Intrinsics(fx_px=365.0, fy_px=365.0, cx_px=256.0, cy_px=212.0),
    )
