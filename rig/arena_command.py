"""`etholoop arena`: calibrate the arena from a camera or a recording."""

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from online.arena import Arena, Intrinsics
from online.arena_calibration import calibrate, warnings
from online.errors import CameraError, ConfigError
from online.files.arena_file import save_arena
from online.files.mask_file import with_mask
from online.files.moseq_folder import open_recording
from online.files.outputs import check_outputs
from online.simulation import mouse
from rig.arena_picture import save_picture
from rig.cameras.configuration import CameraConfig, RecordingConfig, SimulatedConfig, build_camera
from rig.cameras.protocol import Camera, CameraInfo, EndOfRecording
from rig.clock import SystemClock
from rig.configuration import load_rig

NUM_FRAMES = 60
MAX_LIVE = 300
MAX_PLAYED = 9000
SILENCE_MS = 2000


def spread_frames(config: CameraConfig) -> NDArray[np.uint16]:
    """Frames (T, H, W) spread over a recording, or over a minute of a simulated mouse; over seconds of a camera."""
    if isinstance(config, RecordingConfig):
        with open_recording(config.path, config.trim) as recording:
            count = min(NUM_FRAMES, recording.num_frames)
            frames = np.empty((count, recording.height, recording.width), np.uint16)
            for row, index in enumerate(np.linspace(0, recording.num_frames - 1, count).astype(int)):
                recording.read_frame(int(index), frames[row])
        return frames
    if isinstance(config, SimulatedConfig):
        state = mouse.init(replace(config.simulation, rate_hz=1, drop_probability=0.0))
        frames = np.empty((NUM_FRAMES, config.simulation.height, config.simulation.width), np.uint16)
        for frame in frames:
            mouse.step(state, frame)
        return frames
    if config.feed is not None:
        return spread_frames(config.feed)
    played = config.file is not None
    camera = build_camera(config.model_copy(update={"pace": "fast"}) if played else config, SystemClock())
    try:
        return frames_of_camera(camera, camera.open(), MAX_PLAYED if played else MAX_LIVE)
    finally:
        camera.close()


def frames_of_camera(camera: Camera, info: CameraInfo, max_read: int) -> NDArray[np.uint16]:
    """Frames (T, H, W) spread evenly over what an opened camera gives, at most the first `max_read`.

    How many will come is not known: whenever the buffer is full, every other frame is let go.
    """
    kept = np.empty((NUM_FRAMES, info.height, info.width), np.uint16)
    frame = np.empty((info.height, info.width), np.uint16)
    camera.start()
    stride = count = 1
    for index in range(max_read):
        try:
            if camera.read_into(frame, SILENCE_MS) is None:
                raise CameraError(f"{info.name} gave no frame for {SILENCE_MS / 1000:g} s")
        except EndOfRecording:
            break
        if index // stride == NUM_FRAMES:
            kept[: NUM_FRAMES // 2] = kept[::2].copy()
            stride *= 2
        if index % stride == 0:
            kept[index // stride] = frame
            count = index // stride + 1
    return kept[:count]


def arena_from_recording(config: CameraConfig, info: CameraInfo, seed: int) -> Arena:
    """Calibrate from what `config` plays; a live camera needs `etholoop arena` beforehand, the arena empty."""
    if info.live:
        raise ConfigError("[arena] from_recording is for recordings: run `etholoop arena` and name its file instead")
    intrinsics = Intrinsics(info.fx_px, info.fy_px, info.cx_px, info.cy_px)
    return calibrate(spread_frames(config), intrinsics, info.depth_unit_mm, seed=seed)


@click.command(epilog="Example: etholoop arena --rig rig.toml --out arena.toml")
@click.option("--rig", type=click.Path(path_type=Path), required=True, help="Rig file; only [camera] is used.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Arena file to write (TOML, and a TIFF).")
@click.option(
    "--mask", type=click.Path(path_type=Path), help="Pixels that something hides: PNG (white), or polygons in TOML."
)
@click.option("--seed", default=0, show_default=True, help="Seed of the plane search.")
def command(rig: Path, out: Path, mask: Path | None, seed: int) -> None:
    """Find the empty arena: background, floor, region of interest, millimetres per pixel.

    Best with the arena empty; a mouse that moves is tolerated. Warns of a tilted camera, poor coverage, reflections
    and an arena that is cut off. A PNG beside the arena file shows the region outlined in green, pixels below the
    floor in red, pixels without depth in violet, and masked pixels in orange.

    Where something hangs between camera and floor (the arm of a swivel, a water spout), say so with --mask: those
    pixels are missing data then, and the mouse behind them is filled in from what is seen of it. Paint white on
    black, in the size of that PNG, or write TOML; what the animal wears can be outlined there too, in its own mm:

    \b
        image_size_px = [640, 480]
        [[polygons]]
        corners_px = [[300, 0], [340, 0], [340, 210], [300, 210]]
        [[implants]]                     # ahead of the body's centre, to its right
        corners_mm = [[15, -8], [35, -8], [35, 8], [15, 8]]

    A tether that moves needs no mask: what is higher than a mouse can be counts as missing by itself.
    """
    config = load_rig(rig).camera
    picture = out.with_suffix(".png")
    recording = config.path if isinstance(config, RecordingConfig) else None
    check_outputs({"--out": out, f"picture beside {out}:": picture}, (rig, mask, recording))
    camera = build_camera(config, SystemClock())
    try:
        info = camera.open()
    finally:
        camera.close()
    intrinsics = Intrinsics(info.fx_px, info.fy_px, info.cx_px, info.cy_px)
    arena = calibrate(spread_frames(config), intrinsics, info.depth_unit_mm, seed=seed)
    if mask is not None:
        arena = with_mask(arena, mask)
    save_arena(arena, out)
    save_picture(arena, picture)
    x, y = arena.mm_per_px
    click.echo(
        f"floor at {arena.floor_distance_mm:.1f} mm, {x:.3f} x {y:.3f} mm per pixel, "
        f"region of {int(arena.region.sum())} pixels; written to {out}, to look at: {picture}"
    )
    for warning in warnings(arena):
        click.secho(f"warning: {warning}", fg="yellow", err=True)
