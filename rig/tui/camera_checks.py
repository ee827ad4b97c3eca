"""What the set-up's check list says of the camera, as far as its preview has seen. No screen here."""

from pathlib import Path

from rig.tui.camera_preview import CameraPreview
from rig.tui.checks import TITLES, Check, Known, check_disk, check_fits, check_moved, check_rate

SEEN_BY_CAMERA = ("camera", "rate", "fits", "arena", "moved", "disk")


def preview_failure(preview: CameraPreview | None) -> str:
    """Why the camera does not do; empty while nothing speaks against it."""
    if preview is None or preview.failure:
        return preview.failure if preview is not None else ""
    silent_s = preview.silent_s
    return "" if silent_s is None else f"no frame for {silent_s:.0f} s: look at its cable, then check again (F5)"


def judge_camera(preview: CameraPreview | None, known: Known, out: Path) -> dict[str, Check]:
    """The lines of the list that a look through the camera decides. `out`: the folder for sessions."""
    waiting = {name: Check(name, TITLES[name]) for name in SEEN_BY_CAMERA}
    failure = preview_failure(preview)
    if preview is None or failure:
        return waiting | ({"camera": Check("camera", TITLES["camera"], "bad", failure)} if failure else {})
    info = preview.info
    if info is None:
        return {"camera": Check("camera", TITLES["camera"], "running", "opening")}
    words = f"{info.name}, {info.width} x {info.height} at {info.rate_hz:g} Hz"
    found = {name: waiting[name] for name in ("fits", "disk")}
    found["camera"] = Check("camera", TITLES["camera"], "good", words)
    found["rate"] = check_rate(info, preview.rate_hz, preview.dropped)
    if known.bundle is not None:
        found["fits"] = check_fits(known.bundle, info)
    if known.protocol is not None and known.rig is not None:
        found["disk"] = check_disk(out, info, known.rig.recorder.depth, known.protocol)
    return found | judge_arena(preview)


def judge_arena(preview: CameraPreview) -> dict[str, Check]:
    """Whether the arena is known, and lies where it was calibrated."""
    arena, depth_mm = preview.arena, preview.depth_mm()
    if preview.arena_failure:
        return {"arena": Check("arena", TITLES["arena"], "bad", preview.arena_failure)}
    if arena is None:
        words = f"being calibrated from the recording, {preview.calibrating_s or 0.0:.0f} s"
        return {"arena": Check("arena", TITLES["arena"], "running", words)}
    width_mm, height_mm = arena.mm_per_px
    words = f"floor at {arena.floor_distance_mm:.0f} mm, {width_mm:.2f} x {height_mm:.2f} mm a pixel"
    found = {"arena": Check("arena", TITLES["arena"], "good", words)}
    return found | ({"moved": check_moved(arena, depth_mm)} if depth_mm is not None else {})
