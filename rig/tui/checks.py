"""What must be right before a session may start, item by item. No screen here: plain functions and a list."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from online.arena import Arena
from online.errors import ConfigError, EtholoopError
from online.files.bundle import load_bundle
from online.model import ModelBundle
from online.pipeline import phases_of
from protocols.materials import Materials
from protocols.schema import Protocol
from rig.cameras.protocol import CameraInfo
from rig.clock import Clock
from rig.configuration import RigConfig, load_rig
from rig.session_checks import (
    SessionRequest,
    board_limits,
    check_protocol_file,
    check_subject,
    check_watch,
    check_writable,
)
from rig.ttl.configuration import build_board, prepare_board
from rig.ttl.simulated_board import end_board_process

T = TypeVar("T")
CheckState = Literal["waiting", "running", "good", "warning", "bad"]
BYTES_A_PIXEL = 0.4  # of recorded depth, compressed: measured 13 GB an hour for 640 x 480 at 30 Hz
SPARE_BYTES = 2 * 10**9
MOVED_MM = 8.0
RATE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the check list; `detail` is the reason when it is not good, and what was found when it is."""

    name: str
    title: str
    state: CheckState = "waiting"
    detail: str = ""


TITLES = {
    "subject": "subject named",
    "rig": "rig file",
    "model": "model",
    "protocol": "protocol valid for the model",
    "arm": "experiment arm",
    "folder": "data folder writable",
    "disk": "disk space",
    "clock": "clock",
    "camera": "camera found",
    "rate": "camera at rate",
    "fits": "model fits the camera",
    "arena": "arena calibrated",
    "moved": "camera unmoved since calibration",
    "board": "board found, limits loaded",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What the files hold, as far as they could be read."""

    rig: RigConfig | None = None
    bundle: ModelBundle | None = None
    protocol: Protocol | None = None


def fresh_list() -> dict[str, Check]:
    """Every check, waiting."""
    return {name: Check(name, title) for name, title in TITLES.items()}


def judged(name: str, judge: Callable[[], str]) -> Check:
    """The outcome of a check that returns what it found or raises an error for the user."""
    try:
        return Check(name, TITLES[name], "good", judge())
    except EtholoopError as error:
        return Check(name, TITLES[name], "bad", str(error))


def attempted(name: str, read: Callable[[], tuple[T, str]]) -> tuple[Check, T | None]:
    """The same for a check whose finding is needed later: `read` returns it with words; None where there is none."""
    try:
        found, words = read()
    except EtholoopError as error:
        return Check(name, TITLES[name], "bad", str(error)), None
    return Check(name, TITLES[name], "good", words), found


def check_files(request: SessionRequest) -> tuple[dict[str, Check], Known]:
    """Everything that can be said from the files alone."""
    checks = {
        "subject": judged("subject", lambda: _subject(request.subject)),
        "folder": judged("folder", lambda: _folder(request.out)),
        "protocol": Check("protocol", TITLES["protocol"], "waiting", "needs rig file and model"),
        "arm": Check("arm", TITLES["arm"], "waiting", "needs a valid protocol"),
    }
    checks["rig"], rig = attempted("rig", lambda: _rig(request.rig))
    checks["model"], bundle = attempted("model", lambda: _bundle(request.model))
    if rig is None or bundle is None:
        return checks, Known(rig, bundle)
    checks["protocol"], checked = attempted("protocol", lambda: _protocol(request, rig, bundle))
    if checked is None:
        return checks, Known(rig, bundle)
    protocol, materials = checked
    checks["arm"] = Check("arm", TITLES["arm"], "good", arm_words(protocol, materials.arm))
    return checks, Known(rig, bundle, protocol)


def _rig(path: Path) -> tuple[RigConfig, str]:
    rig = load_rig(path)
    check_watch(rig)
    return rig, path.name


def _bundle(path: Path) -> tuple[ModelBundle, str]:
    bundle = load_bundle(path)
    if not bundle.runs_at_rig:
        raise ConfigError("trained from scores alone, cannot run at a rig: train with --pca pca.h5")
    return bundle, f"{bundle.arhmm.num_syllables} syllables at {bundle.frame_rate_hz:g} Hz"


def _protocol(request: SessionRequest, rig: RigConfig, bundle: ModelBundle) -> tuple[tuple[Protocol, Materials], str]:
    asked = replace(request, subject=request.subject.strip() or "nobody yet")
    protocol, materials = check_protocol_file(asked, rig, bundle)
    rules = len(protocol.rules)
    return (protocol, materials), f"{protocol.session.name}: {rules} rule{'s' if rules > 1 else ''}"


def _folder(out: Path) -> str:
    if out == Path():
        raise ConfigError("name a folder for the sessions")
    there = nearest_folder(out)
    check_writable(there)
    return str(out) if there == out else f"{out} will be made"


def arm_words(protocol: Protocol, arm: str | None) -> str:
    """The subject's arm as far as it may be shown."""
    if protocol.assignment is not None and protocol.assignment.sealed is not None:
        return "assigned under seal"
    return arm or ("none named for this subject" if protocol.arms else "the protocol has none")


def nearest_folder(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists; a form that is being typed makes no folders."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _subject(subject: str) -> str:
    if not subject.strip():
        raise ConfigError("name the animal")
    check_subject(subject)
    return subject.strip()


def check_disk(folder: Path, camera: CameraInfo, records_depth: bool, protocol: Protocol) -> Check:
    """Room for the whole session, generously."""
    hours = sum(block.duration_ms for block in protocol.all_blocks()) / 3_600_000
    pixels = camera.width * camera.height * camera.rate_hz * 3600 * hours if records_depth else 0.0
    needed = pixels * BYTES_A_PIXEL + SPARE_BYTES

    def judge() -> str:
        free = shutil.disk_usage(nearest_folder(folder)).free
        words = f"{free / 1e9:.0f} GB free, {needed / 1e9:.0f} GB needed for {hours * 60:.0f} min"
        if free < needed:
            raise ConfigError(f"{words}: choose another data folder or free some space")
        return words

    return judged("disk", judge)


def check_clock(resolution_s: float, wall_s: float) -> Check:
    """The monotonic clock runs finely, and the wall clock shows a sensible year for the session's name."""

    def judge() -> str:
        if resolution_s > 1e-4:
            raise ConfigError(f"the monotonic clock has steps of {resolution_s * 1e6:.0f} us: at most 100 us will do")
        year = time.gmtime(wall_s).tm_year
        if year < 2024:
            raise ConfigError(f"the wall clock says {year}: set it, sessions are named by it")
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(wall_s))

    return judged("clock", judge)


def check_fits(bundle: ModelBundle, camera: CameraInfo) -> Check:
    """The camera's rate is a multiple of the model's."""

    def judge() -> str:
        phases = phases_of(bundle.frame_rate_hz, camera.rate_hz)
        return "one filter" if phases == 1 else f"{phases} interleaved filters"

    return judged("fits", judge)


def check_rate(camera: CameraInfo, measured_hz: float | None, dropped: int) -> Check:
    """The measured rate is the promised one; None while not enough frames came."""
    title = TITLES["rate"]
    if measured_hz is None:
        return Check("rate", title, "running", "counting frames")
    words = f"{measured_hz:.1f} Hz of {camera.rate_hz:.1f} Hz, {dropped} dropped"
    if abs(measured_hz / camera.rate_hz - 1) > RATE_SHARE:
        return Check("rate", title, "bad", f"{words}: look at cable and USB port")
    return Check("rate", title, "good", words)


def moved_mm(arena: Arena, depth_mm: NDArray[np.float32]) -> float | None:
    """How far the floor lies from where it was calibrated, by the median of pixels that both know; a mouse is too
    small to matter. None where too little is seen."""
    both = arena.region & (arena.background_mm > 0) & (depth_mm > 0)
    if both.sum() < 0.2 * arena.region.sum():
        return None
    difference: NDArray[np.float32] = np.abs(depth_mm[both] - arena.background_mm[both])
    return float(np.median(difference))


def check_moved(arena: Arena, depth_mm: NDArray[np.float32]) -> Check:
    """A camera that was moved or an arena that was shifted is warned of."""
    title = TITLES["moved"]
    if depth_mm.shape != arena.region.shape:
        return Check("moved", title, "bad", "the arena was calibrated for another image size: run `etholoop arena`")
    distance = moved_mm(arena, depth_mm)
    if distance is None:
        return Check("moved", title, "warning", "too little of the floor is seen: is the lens free?")
    if distance > MOVED_MM:
        return Check("moved", title, "warning", f"the floor lies {distance:.0f} mm off: run `etholoop arena` again")
    return Check("moved", title, "good", f"floor within {distance:.1f} mm")


def check_board(rig: RigConfig, protocol: Protocol, clock: Clock, run_dir: Path) -> Check:
    """The board answers and takes the protocol's limits; it is let go again, all lines low."""

    def judge() -> str:
        config, simulated = prepare_board(rig.board, run_dir / "check-pins.csv")
        try:
            board = build_board(config, clock)
            try:
                info = board.open()
                board.configure(board_limits(protocol))
            finally:
                board.close()
        finally:
            if simulated is not None:
                end_board_process(simulated)
        return f"{info.driver} {info.identity}, firmware {info.firmware}" + (" (simulated)" if simulated else "")

    return judged("board", judge)


def may_start(checks: dict[str, Check]) -> bool:
    """Whether everything is good, or at worst a warning."""
    return all(check.state in ("good", "warning") for check in checks.values())


def why_not(found: dict[str, Check]) -> str:
    """What keeps a session from starting now: what is wrong, or else what is still being looked at."""
    if any(check.state == "bad" for check in found.values()):
        return "not yet: look at the red lines"
    waited = next((check for check in found.values() if check.state in ("running", "waiting")), None)
    return "" if waited is None else f"not yet: {waited.title}: {waited.detail or 'being looked at'}"
